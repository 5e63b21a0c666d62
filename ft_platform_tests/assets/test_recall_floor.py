"""The floor under recall in the graph: what is below it is refused, what is not known goes on as a warning. Persons are
fictitious."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.cli import main
from ft_platform.lake.manifest import Verdict
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.loading import load_definitions
from ft_platform.orchestration.runs import outcome_of
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import records, write_csv

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("quick_stages")]
DATA = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records"]


def gold_of(folder: Path, missed: int) -> str:
    """Nine found values and some that nothing can find."""
    found = [("Write to mirela@example.com", 9, 27)] * 9
    rows = [
        {"full_text": text, "spans": [{"entity_type": "EMAIL", "start_position": a, "end_position": b}]}
        for text, a, b in [*found, *[("it is about my old table then", 6, 24)] * missed]
    ]
    file = folder / "gold.json"
    file.write_text(json.dumps(rows))
    return str(file)


def with_mails() -> list[dict[str, str]]:
    rows = records(30)
    return [
        {**row, "text": f"{row['text']} Write to mirela{n}@example.com"} if n % 2 else row for n, row in enumerate(rows)
    ]


def run(
    environment: Environment, folder: Path, rows: list[dict[str, str]], **privacy: Any
) -> tuple[dg.ExecuteInProcessResult, Verdict, Any]:
    """The data stages; the verdict of the lake and the checks that Dagster shows."""
    attributes = minimal_attributes(str(write_csv(folder / "records.csv", rows)))
    attributes["privacy"] = {**attributes["privacy"], **privacy}
    write_use_case(environment.defs, "complaints", attributes)
    job = load_definitions(environment, only="complaints").resolve_job_def("complaints")
    with dg.DagsterInstance.ephemeral() as instance:
        keys = [dg.AssetKey(["complaints", stage]) for stage in DATA]
        result = job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)
    lake = open_lake(environment)
    version = lake.latest("complaints", "anonymized_records")
    assert version
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    return result, lake.verdicts(version)["recall_above_floor"], checks


def error_of(result: dg.ExecuteInProcessResult) -> str | None:
    return outcome_of(result.all_events, "complaints", "run", result.success, 0.0).error


def test_texts_of_another_source_are_a_warning_and_training_may_go_on(environment: Environment, tmp_path: Path) -> None:
    result, verdict, checks = run(environment, tmp_path, records(), gold=gold_of(tmp_path, missed=1), min_recall=0.85)
    check = checks["recall_is_proven"]
    assert checks["recall_above_floor"].passed
    assert result.success and error_of(result) is None
    assert verdict.passed and verdict.numbers["status"] == "not_measured_on_this_source"
    assert (verdict.numbers["recall"], verdict.numbers["min_recall"], verdict.numbers["texts"]) == (0.9, 0.85, 10)
    assert not check.passed and check.severity == dg.AssetCheckSeverity.WARN
    assert check.description.startswith(
        "Recall was not measured on this source: none of the 10 texts in gold.json is among the records."
    )


def test_a_score_below_the_floor_fails_and_a_changed_file_is_read_again(
    environment: Environment, tmp_path: Path
) -> None:
    _, verdict, _ = run(environment, tmp_path, records(), gold=gold_of(tmp_path, missed=1), min_recall=0.85)
    assert verdict.passed
    result, verdict, checks = run(environment, tmp_path, records(), gold=gold_of(tmp_path, missed=3), min_recall=0.85)
    check = checks["recall_above_floor"]
    assert not result.success and not verdict.passed and verdict.numbers["recall"] == 0.75
    assert check.severity == dg.AssetCheckSeverity.ERROR
    error = error_of(result)
    assert error and error.startswith(
        "check recall_above_floor of anonymized_records failed: Too little is found in 12 annotated texts: all together"
        " 0.750;"
    )


def test_without_annotated_texts_generated_sentences_prove_nothing_about_records_of_others(
    environment: Environment, tmp_path: Path
) -> None:
    result, verdict, checks = run(environment, tmp_path, records())
    assert result.success and verdict.passed and not checks["recall_is_proven"].passed
    assert "not measured on this source: privacy.gold names no annotated texts" in verdict.numbers["says"]


def test_a_sample_that_people_filled_in_proves_it_and_anonymizes_nothing_again(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    run(environment, tmp_path, with_mails())
    before = open_lake(environment).latest("complaints", "anonymized_records")
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda *_: environment)
    assert main(["privacy", "sample", "complaints", "--json"]) == 0
    drawn = json.loads(capsys.readouterr().out)
    assert drawn["texts"] == 90 and "mirela" not in json.dumps(drawn)
    noted = [one for one in audit_log_of(open_lake(environment)).entries() if one.kind == "look_up"]
    assert [(one.what, one.use_case) for one in noted] == [("drew records to annotate", "complaints")]
    file = Path(drawn["file"])
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        row["spans"] = [
            {"entity_type": "EMAIL", "entity_value": word} for word in row["full_text"].split() if "@" in word
        ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    result, verdict, checks = run(environment, tmp_path, with_mails(), gold=file.name)
    assert result.success and verdict.passed and all(one.passed for one in checks.values())
    assert verdict.numbers["basis"] == "own_records" and verdict.numbers["status"] == "above_floor"
    assert checks["recall_is_proven"].description.startswith(
        "In 90 annotated texts of this source at least 0.9 of every entity is found, with the whole interval;"
    )
    after = open_lake(environment).latest("complaints", "anonymized_records")
    assert before and after and after.id == before.id, "a file of annotations changes no record"
