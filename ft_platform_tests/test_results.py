"""What `ft results` and `ft list` say: the figures of the newest run, whoever started it, and of the report that this
run made."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from ft_platform import cli
from ft_platform.assets.version_io import HANDLE
from ft_platform.errors import DataError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.orchestration.instance import existing_instance, prepare_home
from ft_platform.orchestration.results import collect_results
from ft_platform.orchestration.runs import last_runs
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.scaffold import scaffold_yaml
from ft_platform.use_case.settings.environment import Environment

pytestmark = pytest.mark.integration

SCHEMA = pa.schema([("record_id", pa.string())])


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    return Environment(home=tmp_path / "home", defs=tmp_path / "defs")


@pytest.fixture
def rules_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions here have no evidence, and what the rules say of it is not what these tests are about."""
    monkeypatch.setattr("ft_platform.release.standing_now._refusal", lambda *_: "")


@pytest.fixture
def use_case(environment: Environment) -> NamedUseCase:
    folder = environment.defs / "letters"
    folder.mkdir(parents=True)
    (folder / "defs.yaml").write_text(scaffold_yaml("letters", "classification"))
    return load_use_case(folder, {"source.uri": "letters.csv"})


def note_run(
    environment: Environment,
    stages: dict[str, Any],
    name: str = "letters",
    job: str = "",
    fails: str = "",
    interrupted: bool = False,
) -> str:
    """A real run on the installation's instance. Returns its id.

    Args:
        stages: stage -> metadata of its materialization.
        job: name of a job; without it the assets are materialized as the button and the automation do it.
        fails: stage that raises.
    """

    def asset(stage: str, metadata: dict[str, Any]) -> dg.AssetsDefinition:
        @dg.asset(key=[name, stage])
        def made() -> dg.MaterializeResult:
            if stage == fails:
                raise KeyboardInterrupt if interrupted else ValueError("no")
            return dg.MaterializeResult(metadata=vouched_metadata(metadata))

        return made

    prepare_home(environment)
    assets = [asset(stage, metadata) for stage, metadata in stages.items()]
    keys = [dg.AssetKey([name, stage]) for stage in stages]
    definitions = dg.Definitions(
        assets=assets, jobs=[dg.define_asset_job(job, selection=dg.AssetSelection.assets(*keys))] if job else []
    )
    chosen = definitions.resolve_job_def(job) if job else definitions.resolve_implicit_global_asset_job_def()
    with existing_instance(environment) as instance:
        return chosen.execute_in_process(
            instance=instance, asset_selection=None if job else keys, raise_on_error=False
        ).run_id


def publish(
    lake: Lake, stage: str, name: str, files: dict[str, str], parents: tuple[ArtifactVersion, ...] = ()
) -> ArtifactVersion:
    with lake.scratch("letters", stage) as folder:
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text)
        return lake.publish("letters", stage, name, folder, parents=parents, settings_hash="s", input_hash="i")


def publish_report(lake: Lake, name: str, value: float) -> ArtifactVersion:
    scores = {"fine_tuned": {"macro_f1": {"value": value, "low": 0.1, "high": 0.9}}}
    metrics = {
        "systems": scores,
        "differences": {},
        "main_metric": "macro_f1",
        "per_1000_requests": {},
        "test_rows": 12,
    }
    return publish(lake, "evaluation_report", name, {"metrics.json": json.dumps(metrics), "report.html": "x"})


def score(found: dict[str, Any]) -> float:
    return found["systems"]["fine_tuned"]["macro_f1"]["value"]


@pytest.fixture
def lake(environment: Environment) -> Lake:
    lake = open_lake(environment)
    funnel = {"stage": "raw_records", "rows_in": 5, "kept": 5, "removed": {}}
    batches = pa.table({"record_id": ["a", "b"]}, schema=SCHEMA).to_batches()
    lake.write_table("letters", "raw_records", batches, SCHEMA, zone="restricted", counts={"funnel": funnel})
    return lake


def test_results_have_the_promised_form(environment, use_case, lake):
    publish_report(lake, "one", 0.5)
    note_run(
        environment,
        {
            "adapter_checkpoint": {"version": "c", "trained": True},
            "evaluation_report": {"version": "one", "reused": True},
        },
        job="letters",
    )
    found = collect_results(environment, use_case)
    assert found["use_case"] == "letters" and found["trained"] is True and found["test_rows"] == 12
    assert found["systems"]["fine_tuned"]["macro_f1"] == {"value": 0.5, "low": 0.1, "high": 0.9}
    assert found["funnel"] == [{"stage": "raw_records", "rows_in": 5, "kept": 5, "removed": {}}]
    assert found["reused"] == ["evaluation_report"]
    assert (
        set(found["seconds"]) == {"adapter_checkpoint", "evaluation_report", "total"} and found["seconds"]["total"] > 0
    )
    assert Path(found["report"]).read_text() == "x"
    assert "planted" not in found and found["unfinished_run"] is None
    json.dumps(found)


def test_a_run_shows_its_own_counts_though_another_one_has_written_beside_it(environment, use_case, lake):
    """Two `ft run ... --set source.uri=...` at once: each printed the counts of whichever wrote last."""

    def written(rows: int) -> dict[str, Any]:
        batches = pa.table({"record_id": [str(n) for n in range(rows)]}, schema=SCHEMA).to_batches()
        counts = {"funnel": {"stage": "raw_records", "rows_in": rows, "kept": rows, "removed": {}}}
        raw = lake.write_table("letters", "raw_records", batches, SCHEMA, zone="restricted", counts=counts)
        counts = {
            "funnel": {"stage": "permitted_records", "rows_in": rows, "kept": rows - 1, "removed": {"no_licence": 1}}
        }
        permitted = lake.write_table(
            "letters", "permitted_records", batches, SCHEMA, zone="restricted", counts=counts, parents=[raw]
        )
        return {"raw_records": raw, "permitted_records": permitted}

    def outcome_with(stages: dict[str, Any]):
        note_run(
            environment,
            {stage: {"handle": dg.MetadataValue.json(version.to_dict())} for stage, version in stages.items()},
        )
        return last_runs(environment, ["letters"])["letters"].outcome

    mine, others = written(3), written(7)
    for stages in (mine, {"permitted_records": mine["permitted_records"]}):
        found = collect_results(environment, use_case, outcome_with(stages))["funnel"]
        assert [(step["rows_in"], step["kept"]) for step in found] == [(3, 3), (3, 2)]
    found = collect_results(environment, use_case, outcome_with({"raw_records": mine["raw_records"]}))["funnel"]
    assert [(step["stage"], step["kept"]) for step in found] == [("raw_records", 3)], (
        "nothing of what others made of other records"
    )
    assert [step["kept"] for step in collect_results(environment, use_case, outcome_with(others))["funnel"]] == [7, 6]


def test_a_run_started_with_the_button_or_by_automation_is_the_last_run_too(environment, use_case, lake):
    publish_report(lake, "one", 0.5)
    publish_report(lake, "two", 0.7)
    note_run(
        environment,
        {"adapter_checkpoint": {"version": "c", "trained": True}, "evaluation_report": {"version": "one"}},
        job="letters",
    )
    note_run(environment, {"evaluation_report": {"version": "two"}})
    found = collect_results(environment, use_case)
    assert (score(found), found["trained"]) == (0.7, False)
    note_run(environment, {"evaluation_report": {"version": "two"}}, fails="evaluation_report")
    with pytest.raises(DataError, match="the last run of letters failed"):
        collect_results(environment, use_case)


def test_runs_of_other_use_cases_are_not_looked_at(environment, use_case, lake):
    publish_report(lake, "one", 0.5)
    run_id = note_run(environment, {"evaluation_report": {"version": "one"}})
    note_run(environment, {"evaluation_report": {"version": "x"}}, name="letters_of_others", fails="evaluation_report")
    note_run(environment, {"evaluation_report": {"version": "x"}}, name="others", job="others")
    assert score(collect_results(environment, use_case)) == 0.5
    found = last_runs(environment, ["letters", "letters_of_others", "others", "nobody"])
    assert found["letters"].outcome.run_id == run_id
    assert [(name, run.outcome and run.outcome.success) for name, run in found.items()] == [
        ("letters", True),
        ("letters_of_others", False),
        ("others", True),
        ("nobody", None),
    ]


def test_in_a_run_over_two_use_cases_each_has_its_own_end(environment, use_case, lake):
    def asset(name: str) -> dg.AssetsDefinition:
        @dg.asset(key=[name, "raw_records"])
        def made() -> dg.MaterializeResult:
            if name == "claims":
                raise ValueError("no")
            return dg.MaterializeResult(metadata={"reused": True})

        return made

    prepare_home(environment)
    names = ["claims", "letters"]
    job = dg.Definitions(assets=[asset(name) for name in names]).resolve_implicit_global_asset_job_def()
    with existing_instance(environment) as instance:
        job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey([name, "raw_records"]) for name in names],
            raise_on_error=False,
        )
    found = last_runs(environment, names)
    assert (
        found["letters"].outcome.success,
        found["letters"].outcome.reused,
        set(found["letters"].outcome.seconds),
    ) == (
        True,
        ["raw_records"],
        {"raw_records", "total"},
    )
    assert (found["claims"].outcome.success, found["claims"].outcome.failed_stage) == (False, "raw_records")


def test_a_stage_that_was_to_be_made_and_was_not_is_no_success(environment, use_case, lake):
    @dg.asset(key=["claims", "raw_records"])
    def raw() -> None:
        raise ValueError("no")

    @dg.asset(key=["letters", "splits"], deps=[raw])
    def splits() -> None:
        pass

    prepare_home(environment)
    job = dg.Definitions(assets=[raw, splits]).resolve_implicit_global_asset_job_def()
    with existing_instance(environment) as instance:
        job.execute_in_process(instance=instance, asset_selection=[raw.key, splits.key], raise_on_error=False)
    ended = last_runs(environment, ["letters"])["letters"].outcome
    assert (ended.success, ended.error, ended.next_step) == (
        False,
        "the run ended without saying why",
        "Look at it in the UI: ft ui",
    )


def test_a_run_that_has_not_ended_is_named_and_the_one_before_it_shown(
    environment, use_case, lake, capsys, monkeypatch
):
    publish_report(lake, "one", 0.5)
    note_run(environment, {"evaluation_report": {"version": "one"}})
    with existing_instance(environment) as instance:
        running = instance.create_run_for_job(
            dg.Definitions(
                assets=[dg.AssetSpec(["letters", "raw_records"])],
                jobs=[dg.JobDefinition(name="letters", graph_def=empty_graph)],
            ).resolve_job_def("letters"),
            status=dg.DagsterRunStatus.STARTED,
        )
    found = collect_results(environment, use_case)
    assert (score(found), found["unfinished_run"]) == (0.5, running.run_id)
    assert last_runs(environment, ["letters"])["letters"].state == "running"


@dg.graph(name="letters")
def empty_graph() -> None:
    pass


def test_the_report_that_the_run_noted_is_shown_though_a_newer_one_exists(environment, use_case, lake):
    publish_report(lake, "one", 0.5)
    publish_report(lake, "two", 0.7)
    note_run(environment, {"evaluation_report": {"version": "one"}})
    assert score(collect_results(environment, use_case)) == 0.5


def test_a_run_of_the_pages_behind_a_report_shows_the_scores_of_that_report(environment, use_case, lake):
    """Automation makes each stage in a run of its own: the last one is the model card."""
    report = publish_report(lake, "one", 0.5)
    publish_report(lake, "two", 0.7)
    card = publish(lake, "model_card", "card", {"model_card.html": "x"}, (report,))
    note_run(environment, {"model_card": {"version": card.artifact_id}})
    found = collect_results(environment, use_case)
    assert score(found) == 0.5 and found["report"].endswith("one/report.html")


def test_planted_things_are_scored_by_the_sample_that_was_read_whatever_the_file_says(
    environment, use_case, lake, monkeypatch
):
    """`ft run --set source.uri=sample://...` reads another sample than the file names."""
    from ft_platform.sources.samples import truth

    asked = []
    monkeypatch.setattr(
        truth,
        "score_planted",
        lambda *arguments: asked.append(arguments) or {"consent": {"planted": 1, "caught": 1, "missed": 0}},
    )
    note_run(environment, {"raw_records": {}})
    assert "planted" not in collect_results(environment, use_case), "letters.csv is no sample"
    sample = environment.home / "samples" / "complaints-360-7-abc.csv"
    sample.parent.mkdir(parents=True)
    batches = pa.table({"record_id": ["a"]}, schema=SCHEMA).to_batches()
    lake.write_table(
        "letters", "raw_records", batches, SCHEMA, zone="restricted", info={"files": {str(sample): "hash"}}
    )
    assert collect_results(environment, use_case)["planted"] == {"consent": {"planted": 1, "caught": 1, "missed": 0}}
    assert [arguments[3] for arguments in asked] == [sample]


def test_a_run_without_evaluation_shows_no_scores_of_an_older_run(environment, use_case, lake):
    publish_report(lake, "one", 0.5)
    note_run(environment, {"evaluation_report": {"version": "one"}})
    note_run(environment, {"raw_records": {}})
    found = collect_results(environment, use_case)
    assert (found["systems"], found["test_rows"], found["report"]) == ({}, None, None)


@pytest.mark.parametrize("stage", ["release", "deployment", "sign_off"])
@pytest.mark.parametrize("fails", [False, True])
def test_what_a_person_does_with_a_result_is_no_result(environment, use_case, lake, rules_hold, stage, fails):
    """After `ft demo`, whose last run releases; after a release that was refused in the web."""
    publish_report(lake, "one", 0.5)
    decided(lake, "two", "accepted")
    run_id = note_run(
        environment,
        {"evaluation_report": {"version": "one"}, "release_decision": {"version": "two"}, "release": {}},
        job="letters",
    )
    note_run(environment, {stage: {}}, fails=stage if fails else "")
    found = collect_results(environment, use_case)
    assert found["run_id"] == run_id and score(found) == 0.5
    assert found["decision"]["words"] == "succeeded, release accepted"
    assert last_runs(environment, ["letters"])["letters"].state == "succeeded"


def test_a_run_of_the_decision_alone_shows_the_scores_that_it_rests_on(environment, use_case, lake):
    report = publish_report(lake, "one", 0.5)
    decided(lake, "two", "refused", parents=(report,))
    note_run(environment, {"release_decision": {"version": "two"}})
    assert score(collect_results(environment, use_case)) == 0.5


def test_a_release_that_is_refused_leaves_no_failed_run(environment, use_case, lake, capsys, monkeypatch):
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    made = {
        "release_decision": decided(lake, "one", "refused"),
        "adapter_checkpoint": publish(lake, "adapter_checkpoint", "ckpt-1", {"x": "y"}),
    }
    note_run(environment, {stage: {HANDLE: version.to_dict()} for stage, version in made.items()}, job="letters")

    def runs() -> int:
        with existing_instance(environment) as instance:
            return instance.get_runs_count()

    before = runs()
    assert cli.main(["release", "letters"]) == 1
    said = capsys.readouterr().err
    assert "one refuses ckpt-1" in said and "ft decide letters" in said
    assert runs() == before
    assert last_runs(environment, ["letters"])["letters"].state == "succeeded"


def test_a_report_that_is_gone_is_an_error(environment, use_case, lake):
    note_run(environment, {"evaluation_report": {"version": "gone"}})
    with pytest.raises(DataError, match="no longer in the lake"):
        collect_results(environment, use_case)


def test_no_run_a_failed_and_a_stopped_run_are_errors(environment, use_case, lake):
    with pytest.raises(DataError, match="never run"):
        collect_results(environment, use_case)
    assert not environment.dagster_home.exists(), "looking creates nothing"
    note_run(environment, {"raw_records": {}}, fails="raw_records")
    with pytest.raises(DataError, match="the last run of letters failed"):
        collect_results(environment, use_case)
    note_run(environment, {"raw_records": {}}, fails="raw_records", interrupted=True)
    with pytest.raises(DataError, match=r"the last run of letters was stopped\. Run it again: ft run letters"):
        collect_results(environment, use_case)


def test_list_and_results_on_the_command_line_read_the_same_runs(environment, use_case, lake, capsys, monkeypatch):
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)

    def states() -> dict[str, str]:
        assert cli.main(["list", "--json"]) == 0
        return {row["use_case"]: row["last_run"] for row in json.loads(capsys.readouterr().out)}

    assert states() == {"letters": "never run"}
    for expected, changes in {
        "succeeded": {},
        "failed": {"fails": "raw_records"},
        "stopped": {"fails": "raw_records", "interrupted": True},
    }.items():
        note_run(environment, {"raw_records": {}}, **changes)
        assert states() == {"letters": expected}
    assert cli.main(["results", "letters"]) == 1
    assert "was stopped" in capsys.readouterr().err


def decided(
    lake: Lake,
    name: str,
    decision: str,
    valid_until: str | None = None,
    parents: tuple[ArtifactVersion, ...] = (),
) -> ArtifactVersion:
    found = {"decision": decision, "checkpoint": "ckpt-1", "rules": [], "waivers": [], "valid_until": valid_until}
    return publish(lake, "release_decision", name, {"decision.json": json.dumps(found)}, parents)


@pytest.mark.parametrize(
    ("decision", "until", "words"),
    [
        ("refused", None, "release refused"),
        ("accepted", None, "release accepted"),
        ("accepted", "2999-01-01", "release accepted until 2999-01-01"),
        ("accepted", "2020-01-01", "release no longer accepted, a waiver ended on 2020-01-01"),
    ],
)
def test_the_decision_stands_beside_how_the_run_ended(
    environment, use_case, lake, rules_hold, capsys, monkeypatch, decision, until, words
):
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    decided(lake, "one", decision, until)
    note_run(environment, {"release_decision": {"version": "one"}}, job="letters")
    found = collect_results(environment, use_case)
    assert found["decision"]["words"] == f"succeeded, {words}"
    assert cli.main(["results", "letters"]) == 0
    assert f"ckpt-1: succeeded, {words}" in capsys.readouterr().out
    assert cli.main(["list"]) == 0
    assert f"  succeeded, {words}  " in capsys.readouterr().out
    note_run(environment, {"raw_records": {}}, fails="raw_records")
    assert cli.main(["list"]) == 0
    assert f"  failed (earlier: {words})  " in capsys.readouterr().out


def test_a_decision_that_was_altered_is_never_shown_as_accepted(environment, use_case, lake, capsys, monkeypatch):
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    version = decided(lake, "one", "refused")
    file = Path(lake.path_of("shared", "letters", "release_decision", version.artifact_id)) / "decision.json"
    file.write_text(file.read_text().replace("refused", "accepted"))
    assert cli.main(["list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["decision"], row["decision_of_last_run"], row["ended"]) == (
        "unreadable",
        False,
        "never run (earlier: release decision cannot be read)",
    )


def test_list_names_decision_figure_and_end_for_programs(environment, use_case, lake, rules_hold, capsys, monkeypatch):
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    assert cli.main(["list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert [row[name] for name in ("use_case", "decision", "metric", "value", "ended_at")] == ["letters", *[None] * 4]
    publish_report(lake, "one", 0.5)
    decided(lake, "d", "accepted")
    note_run(environment, {"release_decision": {"version": "d"}}, job="letters")
    assert cli.main(["list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["use_case"], row["decision"], row["metric"], row["value"]) == ("letters", "accepted", "macro_f1", 0.5)
    assert datetime.fromisoformat(row["ended_at"]).tzinfo is not None
    assert cli.main(["list"]) == 0
    assert "  succeeded, release accepted  macro_f1 0.500  " in capsys.readouterr().out


def test_results_for_programs_name_decision_seconds_and_gain(environment, use_case, lake, capsys, monkeypatch):
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    scores = {
        system: {"macro_f1": {"value": value, "low": value - 0.1, "high": value + 0.1}}
        for system, value in {"base_zero_shot": 0.6, "base_few_shot": 0.5, "fine_tuned": 0.8}.items()
    }
    over = {"base_zero_shot": {"macro_f1": {"value": 0.2, "low": 0.1, "high": 0.3}}}
    metrics = {"systems": scores, "differences": over, "main_metric": "macro_f1", "per_1000_requests": {}}
    metrics["diagnosis"] = {"case": "still_learning", "text": "a", "remedy": "b", "command": "c", "further": []}
    publish(lake, "evaluation_report", "one", {"metrics.json": json.dumps({**metrics, "test_rows": 12})})
    decided(lake, "d", "accepted")
    stages = {"adapter_checkpoint": {"version": "c", "trained": True}, "evaluation_report": {"version": "one"}}
    note_run(environment, {**stages, "release_decision": {"version": "d"}}, job="letters")
    assert cli.main(["results", "letters", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["decision"], found["trained"], found["systems"]) == ("accepted", True, scores)
    assert found["seconds"] > 0 and set(found["stage_seconds"]) == {*stages, "release_decision"}
    gain = {"value": 0.2, "low": 0.1, "high": 0.3, "metric": "macro_f1", "over": "base_zero_shot"}
    assert found["diagnosis"] == metrics["diagnosis"]
    assert found["gain_over_prompting"] == gain and found["release"]["checkpoint"] == "ckpt-1"
