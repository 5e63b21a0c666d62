"""What `ft results` says: figures of the report that the last run made, never of an older one."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.environment import Environment
from ft_platform.errors import DataError
from ft_platform.lake import Lake
from ft_platform.results import collect_results, last_run, last_run_file
from ft_platform.scaffold import scaffold_yaml
from ft_platform.use_case import NamedUseCase
from ft_platform.use_case_file import load_use_case

SCHEMA = pa.schema([("record_id", pa.string())])


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(home=tmp_path / "home", defs=tmp_path / "defs")


@pytest.fixture
def use_case(environment: Environment) -> NamedUseCase:
    folder = environment.defs / "letters"
    folder.mkdir(parents=True)
    (folder / "defs.yaml").write_text(scaffold_yaml("letters", "classification"))
    return load_use_case(folder, {"source.uri": "letters.csv"})


def note_run(environment: Environment, **changes) -> None:
    path = last_run_file(environment, "letters")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"success": True, "trained": True, "reused": [], "seconds": {"evaluation_report": 2.0, "total": 3.0}, "run_id": "r", **changes}))


def publish_report(lake: Lake, name: str, value: float) -> None:
    metrics = {"systems": {"fine_tuned": {"macro_f1": {"value": value, "low": 0.1, "high": 0.9}}}, "test_rows": 12}
    with lake.scratch("letters", "evaluation_report") as folder:
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "report.html").write_text("x")
        lake.publish("letters", "evaluation_report", name, folder, parents=[], settings_hash="s", input_hash="i")


@pytest.fixture
def lake(environment: Environment) -> Lake:
    lake = Lake(environment.lake_uri)
    funnel = {"stage": "raw_records", "rows_in": 5, "kept": 5, "removed": {}}
    batches = pa.table({"record_id": ["a", "b"]}, schema=SCHEMA).to_batches()
    lake.write_table("letters", "raw_records", batches, SCHEMA, zone="restricted", counts={"funnel": funnel})
    return lake


def test_results_have_the_promised_form(environment, use_case, lake):
    publish_report(lake, "one", 0.5)
    note_run(environment)
    found = collect_results(environment, use_case)
    assert found["use_case"] == "letters" and found["trained"] is True and found["test_rows"] == 12
    assert found["systems"]["fine_tuned"]["macro_f1"] == {"value": 0.5, "low": 0.1, "high": 0.9}
    assert found["funnel"] == [{"stage": "raw_records", "rows_in": 5, "kept": 5, "removed": {}}]
    assert found["seconds"]["total"] == 3.0
    assert Path(found["report"]).read_text() == "x"
    assert "planted" not in found


def test_the_report_that_the_run_noted_is_shown_though_a_newer_one_exists(environment, use_case, lake):
    publish_report(lake, "one", 0.5)
    publish_report(lake, "two", 0.7)
    note_run(environment, evaluation_report="one")
    assert collect_results(environment, use_case)["systems"]["fine_tuned"]["macro_f1"]["value"] == 0.5


def test_planted_things_are_scored_only_if_the_records_came_from_the_sample(environment, lake):
    folder = environment.defs / "letters"
    folder.mkdir(parents=True)
    (folder / "defs.yaml").write_text(scaffold_yaml("letters", "classification"))
    note_run(environment, seconds={"raw_records": 1.0})
    assert "planted" not in collect_results(environment, load_use_case(folder))
    batches = pa.table({"record_id": ["a"]}, schema=SCHEMA).to_batches()
    sampled = {str(environment.home / "samples" / "complaints-1.csv"): "hash"}
    lake.write_table("letters", "raw_records", batches, SCHEMA, zone="restricted", info={"files": sampled})
    assert "planted" in collect_results(environment, load_use_case(folder))


def test_a_run_without_evaluation_shows_no_scores_of_an_older_run(environment, use_case, lake):
    publish_report(lake, "one", 0.5)
    note_run(environment, seconds={"raw_records": 1.0, "total": 1.0})
    found = collect_results(environment, use_case)
    assert (found["systems"], found["test_rows"], found["report"]) == ({}, None, None)


def test_a_report_that_is_gone_is_an_error(environment, use_case, lake):
    note_run(environment, evaluation_report="gone")
    with pytest.raises(DataError, match="not in the lake any more"):
        collect_results(environment, use_case)


def test_no_run_and_a_failed_run_are_errors(environment, use_case, lake):
    assert last_run(environment, "letters") is None
    with pytest.raises(DataError, match="never run"):
        collect_results(environment, use_case)
    note_run(environment, success=False)
    with pytest.raises(DataError, match="the last run of letters failed"):
        collect_results(environment, use_case)


def test_the_run_writes_its_outcome_where_results_look_for_it(environment):
    from ft_platform import execution

    assert execution.last_run_file(environment, "letters") == last_run_file(environment, "letters")
