"""Training refuses a version whose manifest is missing, stale or failed, whichever way it is started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ft_platform.errors import VersionRefused
from ft_platform.lake.gate import problems_with, require_usable
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.orchestration.execution import run_use_case
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform.stages import STAGES
from ft_platform.use_case.file import load_use_case
from ft_platform_tests.graph import Graph, StandInBackend, records, write_csv
from ft_platform_tests.graph_template import GraphTemplate

DATA = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]


@pytest.fixture
def backend(monkeypatch):
    stand_in = StandInBackend()
    monkeypatch.setattr("ft_platform.compute.backends.local.run", stand_in.run)
    return stand_in


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    def run(graph):
        assert graph.run(*DATA).success

    return GraphTemplate(tmp_path_factory.mktemp("data_stages"), run, retraining={"mode": "on_data_change"})


@pytest.fixture
def graph(template, backend, quick_stages):
    with template.copy() as made:
        yield made


@pytest.fixture
def use_case(graph):
    return load_use_case(graph.environment.defs / "complaints")


def delete_manifest(lake: Lake) -> None:
    os.unlink(lake._manifest_path(lake.latest("complaints", "splits")))


def fail_a_check(lake: Lake) -> None:
    version = lake.latest("complaints", "anonymized_records")
    old = lake.verdicts(version)["no_residual_pii"]
    lake.add_verdict(version, "no_residual_pii", False, old.settings_hash, {"rows_with_finding": 1})


def delete_a_verdict(lake: Lake) -> None:
    os.unlink(f"{lake._verdict_folder(lake.latest('complaints', 'splits'))}/no_leakage.json")


def judge_other_content(lake: Lake) -> None:
    file = Path(f"{lake._verdict_folder(lake.latest('complaints', 'cleaned_records'))}/meets_expectations.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "content_hash": "0" * 64}))


def write_a_newer_parent(lake: Lake) -> None:
    version = lake.latest("complaints", "permitted_records")
    table = lake.read_table(version)
    lake.write_table("complaints", "permitted_records", table.slice(1).to_batches(), table.schema, zone="restricted")


def change_settings(lake: Lake) -> None:
    """An outdated manifest: as if the YAML's cleaning section had changed since."""
    file = Path(lake._manifest_path(lake.latest("complaints", "cleaned_records")))
    file.write_text(json.dumps({**json.loads(file.read_text()), "settings_hash": "of other settings"}))


def withdraw_a_row(lake: Lake) -> None:
    """What a sweep leaves once a person has withdrawn."""
    lake.add_verdict(
        lake.latest("complaints", "permitted_records"),
        NOT_TAINTED,
        False,
        "s",
        {"rows": 1, "reasons": {"consent_withdrawn": 1}},
    )


def let_the_last_day_pass(lake: Lake) -> None:
    """As if the version had been written while one of its rows had a few days left."""
    file = Path(lake._manifest_path(lake.latest("complaints", "permitted_records")))
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, "counts": {**manifest["counts"], "permitted_until": "2026-01-31"}}))


FAULTS = [
    delete_manifest,
    fail_a_check,
    delete_a_verdict,
    judge_other_content,
    write_a_newer_parent,
    change_settings,
    withdraw_a_row,
    let_the_last_day_pass,
]


def by_button(graph: Graph) -> str:
    """What the UI's materialize button does: a run of this one asset."""
    result = graph.run("adapter_checkpoint")
    assert not result.success
    return str(result.get_step_failure_events()[0].step_failure_data.user_failure_data.description)


def by_cli(graph: Graph) -> str:
    outcome = run_use_case(
        "complaints", select=["adapter_checkpoint"], environment=graph.environment, instance=graph.instance
    )
    assert not outcome.success
    return outcome.error or ""


def by_hand(graph: Graph) -> str:
    variables = {**os.environ, **graph.environment.to_variables()}
    command = [sys.executable, "-m", "ft_platform.programs.train", "--use-case", "complaints"]
    finished = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode != 0
    return finished.stdout + finished.stderr


def test_healthy_splits_are_accepted(graph, use_case, backend):
    lake = open_lake(graph.environment)
    require_usable(lake, use_case, lake.latest("complaints", "splits"))
    assert graph.run("adapter_checkpoint").success
    assert backend.started == ["train"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_fault_anywhere_in_the_ancestry_is_named(graph, use_case, fault):
    lake = open_lake(graph.environment)
    splits = lake.latest("complaints", "splits")
    fault(lake)
    assert problems_with(lake, use_case, splits)
    with pytest.raises(VersionRefused):
        require_usable(lake, use_case, splits)


@pytest.mark.parametrize("start", [by_button, by_cli], ids=lambda f: f.__name__)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_training_is_refused_from_the_ui_and_the_cli(graph, backend, fault, start):
    fault(open_lake(graph.environment))
    assert "refused" in start(graph)
    assert backend.started == []


@pytest.mark.integration
@pytest.mark.parametrize("fault", [fail_a_check, write_a_newer_parent, withdraw_a_row], ids=lambda f: f.__name__)
def test_a_program_started_by_hand_is_refused(graph, fault):
    fault(open_lake(graph.environment))
    assert "refused" in by_hand(graph)
    assert open_lake(graph.environment).artifacts("complaints", "adapter_checkpoint") == []


def test_a_training_run_requested_by_automation_is_refused(graph, backend):
    fail_a_check(open_lake(graph.environment))
    graph.settle(["adapter_checkpoint"])
    assert backend.started == []


def test_a_changed_checkpoint_is_refused_downstream(graph, use_case):
    assert graph.run("adapter_checkpoint").success
    lake = open_lake(graph.environment)
    checkpoint = lake.artifacts("complaints", "adapter_checkpoint")[0]
    (Path(checkpoint.uri) / "metrics.json").write_text("{}")
    with pytest.raises(VersionRefused):
        require_usable(lake, use_case, checkpoint)


def a_row_without_consent(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [
        *rows,
        {
            **rows[0],
            "id": "new1",
            "text": "A complaint of somebody who did not agree to its use, about a teller.",
            "consent": "no",
        },
    ]


def a_second_copy(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [*rows, {**rows[0], "id": "zzz9"}]


@pytest.mark.parametrize("changed", [a_row_without_consent, a_second_copy], ids=lambda f: f.__name__)
def test_new_rows_that_do_not_reach_the_splits_refuse_nothing(graph, use_case, backend, template, changed):
    lake = open_lake(graph.environment)
    before = lake.latest("complaints", "splits")
    write_csv(template.source, changed(records()))
    assert graph.run(*DATA).success
    assert lake.latest("complaints", "raw_records").rows == 91
    assert lake.latest("complaints", "splits").content_hash == before.content_hash
    assert problems_with(lake, use_case, lake.latest("complaints", "splits")) == []
    assert graph.run("adapter_checkpoint").success


def test_a_version_that_was_made_with_other_settings_is_stale(graph):
    """What the seals cannot see: the manifest is as it was written, and the YAML is not."""
    lake = open_lake(graph.environment)
    changed = load_use_case(graph.environment.defs / "complaints", {"cleaning.min_characters": 6})
    problems = problems_with(lake, changed, lake.latest("complaints", "splits"))
    assert [problem for problem in problems if "settings or code of cleaned_records changed" in problem]


@pytest.mark.parametrize(
    "setting", [{"governance.purpose": "another purpose, of the same rows"}, {"source.encoding": "utf-8"}], ids=str
)
def test_settings_that_change_no_row_refuse_nothing(graph, backend, setting):
    assert graph.run(*DATA, overrides=setting).success
    lake = open_lake(graph.environment)
    use_case = load_use_case(graph.environment.defs / "complaints", setting)
    assert problems_with(lake, use_case, lake.latest("complaints", "splits")) == []
    assert graph.run("adapter_checkpoint", overrides=setting).success


STAND_INS = ["evaluation_report", "fairness_report"]


def publish_stand_in(graph: Graph, use_case, name: str) -> None:
    """A published report with intact parents, as a program would have left it, and its event in the instance."""
    lake = open_lake(graph.environment)
    stage = STAGES[name]
    parents = [
        lake.latest("complaints", p) if p == "splits" else lake.artifacts("complaints", p)[0] for p in stage.parents
    ]
    with lake.scratch("complaints", name) as folder:
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text('{"systems": {}, "test_rows": 0}')
        made = lake.publish(
            "complaints",
            name,
            f"{name}-1",
            folder,
            parents=parents,
            settings_hash=stage.settings_hash(use_case),
            input_hash="stand-in",
        )
    graph.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            dg.AssetKey(["complaints", name]),
            metadata=vouched_metadata({"handle": dg.MetadataValue.json(made.to_dict())}),
        )
    )


@pytest.mark.parametrize(
    "stage", ["base_evaluation", "evaluation_report", "fairness_report", "privacy_report", "roi_report", "model_card"]
)
def test_everything_after_training_refuses_as_well(graph, use_case, backend, stage):
    assert graph.run("adapter_checkpoint", "base_evaluation").success
    for name in STAND_INS:
        publish_stand_in(graph, use_case, name)
    before = list(backend.started)
    fail_a_check(open_lake(graph.environment))
    result = graph.run(stage)
    assert not result.success
    assert "refused" in str(result.get_step_failure_events()[0].step_failure_data.user_failure_data.description)
    assert backend.started == before


@pytest.mark.parametrize("stage", ["evaluation_report", "privacy_report", "model_card"])
def test_a_tainted_checkpoint_is_refused_by_what_comes_after_it(graph, use_case, backend, stage):
    assert graph.run("adapter_checkpoint").success
    for name in ["base_evaluation", *STAND_INS]:
        publish_stand_in(graph, use_case, name)
    before = list(backend.started)
    lake = open_lake(graph.environment)
    checkpoint = lake.artifacts("complaints", "adapter_checkpoint")[0]
    lake.add_verdict(checkpoint, NOT_TAINTED, False, "s", {"rows": 2, "reasons": {"expired": 2}})
    result = graph.run(stage)
    assert not result.success
    assert "2 of its rows may no longer be used (expired 2" in str(
        result.get_step_failure_events()[0].step_failure_data.user_failure_data.description
    )
    assert backend.started == before
