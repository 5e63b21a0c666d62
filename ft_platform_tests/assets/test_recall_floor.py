"""The floor under recall in the graph: what is below it is refused. Persons are fictitious."""

import json
from pathlib import Path

import dagster as dg

from ft_platform.environment import Environment
from ft_platform.execution import run_use_case
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import records, write_csv

DATA = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records"]


def gold_of(folder: Path, missed: int) -> str:
    """Nine found values and some that nothing can find."""
    found = [("Write to mirela@example.com", 9, 27)] * 9
    rows = [
        {"full_text": text, "spans": [{"entity_type": "EMAIL", "start_position": a, "end_position": b}]}
        for text, a, b in [*found, *[("it is qqqqqqqqqqqqqqqqqq then", 6, 24)] * missed]
    ]
    file = folder / "gold.json"
    file.write_text(json.dumps(rows))
    return str(file)


def run(environment: Environment, folder: Path, missed: int):
    attributes = minimal_attributes(str(write_csv(folder / "records.csv", records())))
    attributes["privacy"] = {"gold": gold_of(folder, missed), "min_recall": 0.85}
    write_use_case(environment.defs, "complaints", attributes)
    with dg.DagsterInstance.ephemeral() as instance:
        outcome = run_use_case("complaints", select=DATA, environment=environment, instance=instance)
    lake = environment.lake()
    version = lake.latest("complaints", "anonymized_records")
    assert version
    return outcome, lake.verdicts(version)["recall_above_floor"]


def test_a_score_above_the_floor_is_shown_and_passes(environment: Environment, tmp_path: Path) -> None:
    outcome, verdict = run(environment, tmp_path, missed=1)
    assert outcome.success and verdict.passed
    assert (verdict.numbers["recall"], verdict.numbers["min_recall"], verdict.numbers["texts"]) == (0.9, 0.85, 10)
    assert verdict.numbers["entities"]["EMAIL"]["spans"] == 10


def test_a_score_below_the_floor_fails_and_a_changed_file_is_read_again(environment: Environment, tmp_path: Path) -> None:
    outcome, verdict = run(environment, tmp_path, missed=1)
    assert verdict.passed
    outcome, verdict = run(environment, tmp_path, missed=3)
    assert not outcome.success and not verdict.passed and verdict.numbers["recall"] == 0.75
