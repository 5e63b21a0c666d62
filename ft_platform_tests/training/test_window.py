"""Which training records are learned from, and that a checkpoint says so and is made again from the same ones."""

import json
import logging
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from ft_platform.errors import DataError
from ft_platform.lake.provenance import training_record_ids
from ft_platform.lake.store import Lake
from ft_platform.reporting.evaluation_report import training_sentence
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.training.reproduce import reproduce
from ft_platform.training.window import date_columns, in_words, within_window
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hash import settings_hash
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import SCHEMA, save_tiny_model, split_rows, usable_splits

LOG = logging.getLogger("test")
FAST = {"learning_rate": 5e-3, "batch_rows": 8, "rank": 4, "max_steps": 3}
DATED = SCHEMA.append(pa.field("record_date", pa.string()))
NEWEST_DAY = date(2026, 3, 1)


def dated(rows: int = 48) -> list[dict[str, Any]]:
    """Record n is n days older than the newest one."""
    days = [(NEWEST_DAY - timedelta(days=number)).isoformat() for number in range(rows)]
    return [{**row, "record_date": day} for row, day in zip(split_rows(rows), days, strict=True)]


def dated_case(model: Any, training: dict[str, Any]) -> NamedUseCase:
    attributes = minimal_attributes("unused.csv")
    attributes["record"] = {**attributes["record"], "date": "Date received"}
    attributes |= {
        "base_model": {"uri": str(model), "dtype": "float32"},
        "training": {"recipe": "manual", **training},
    }
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))


def ids(table: pa.Table, *sides: str) -> set[str]:
    return {row["record_id"] for row in table.to_pylist() if row["split"] in sides}


def within(rows: list[dict[str, Any]], **training: Any) -> tuple[pa.Table, dict[str, Any]]:
    return within_window(pa.Table.from_pylist(rows, DATED), Training(**training), "complaints")


def test_without_a_window_all_records_are_learned_from() -> None:
    table, chosen = within(dated())
    assert table.num_rows == 48 and chosen == {} and date_columns(Training()) == [] and in_words(chosen) == ""


def test_a_window_keeps_its_days_and_touches_no_other_side() -> None:
    rows = dated()
    rows[40]["split"] = "test"
    table, chosen = within(rows, window_days=10)
    train = {row["record_id"] for row in rows[:11] if row["split"] == "train"}
    assert ids(table, "train") == train, "the newest day and ten before it"
    assert ids(table, "validation", "test") == ids(pa.Table.from_pylist(rows, DATED), "validation", "test")
    counts = {"window": len(train), "replayed": 0, "left_out": 35 - len(train), "labels_without_records": 0}
    assert chosen == {"from": "2026-02-19", "to": "2026-03-01", **counts}


def test_days_count_back_from_the_newest_training_record() -> None:
    """Not from one on the test side, and not from today."""
    rows = dated()
    rows[0]["split"] = "test"
    assert within(rows, window_days=10)[1]["to"] == "2026-02-28"


def test_a_larger_share_replays_the_same_records_and_more() -> None:
    rows = dated(2000)
    drawn = [ids(within(rows, window_days=10, replay_share=share)[0], "train") for share in (0.0, 0.1, 0.3, 1.0)]
    assert drawn[0] < drawn[1] < drawn[2] < drawn[3] == ids(pa.Table.from_pylist(rows, DATED), "train")
    older = len(drawn[3]) - len(drawn[0])
    # 5 standard deviations of a binomial: sqrt(1492 * 0.1 * 0.9) = 11.6.
    assert abs(len(drawn[1] - drawn[0]) - 0.1 * older) < 58
    moved = [{**row, "record_date": "2026-03-20"} if row["record_id"] == "r0000" else row for row in rows]
    later = ids(within(moved, window_days=10, replay_share=0.1)[0], "train")
    assert drawn[1] - drawn[0] < later, "what was drawn stays drawn while the window moves"


@pytest.mark.parametrize(
    ("written", "inside"),
    [
        ("2026-02-19", True),
        ("2026-02-19T00:00:00Z", True),
        ("2026-02-18", False),
        ("2026-03", True),  # the first of March
        ("2026-02", False),  # the first of February
        ("2026", False),
    ],
)
def test_each_form_of_a_date_has_its_place(written: str, inside: bool) -> None:
    rows = dated()
    rows[1]["record_date"] = written
    assert ("r0001" in ids(within(rows, window_days=10)[0], "train")) is inside


@pytest.mark.parametrize(
    ("row", "written", "told"),
    [
        (1, None, "1 of 36 records have no `record_date`"),
        (1, "01.03.2026", "1 of 36 records have no `record_date`"),
        (1, "2026-13-01", "is no day of the calendar"),
    ],
)
def test_dates_that_cannot_be_read_are_refused_with_what_helps(row: int, written: str | None, told: str) -> None:
    rows = dated()
    rows[row]["record_date"] = written
    with pytest.raises(DataError, match=told) as caught:
        within(rows, window_days=10)
    assert "training.window_days" in f"{caught.value.message} {caught.value.next_step}"
    rows[row]["split"] = "test"
    within(rows, window_days=10)


def test_a_label_without_a_record_in_the_window_is_counted() -> None:
    rows = [{**row, "label": "mortgage"} if number > 30 else row for number, row in enumerate(dated())]
    assert within(rows, window_days=10)[1]["labels_without_records"] == 1


def test_a_checkpoint_names_the_records_it_learned_from_and_is_reproduced_from_them(
    lake: Lake, environment: Environment, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = save_tiny_model(tmp_path / "tiny")
    rows = [{**row, "label": "mortgage"} if number > 44 else row for number, row in enumerate(dated())]
    everything, window = (dict(FAST), {**FAST, "window_days": 20, "replay_share": 0.2})
    made = {}
    splits = usable_splits(lake, dated_case(model, everything), rows, DATED)
    for name, training in (("all", everything), ("window", window)):
        with caplog.at_level(logging.INFO):
            made[name] = checkpoint_for(lake, environment, dated_case(model, training), splits, LOG)
    assert made["all"].checkpoint.id != made["window"].checkpoint.id
    chosen = ids(within(rows, window_days=20, replay_share=0.2)[0], "train")
    assert (
        training_record_ids(lake, made["window"].checkpoint)
        == chosen
        < training_record_ids(lake, made["all"].checkpoint)
    )
    told = json.loads(lake.read_file(made["window"].checkpoint, "training.json"))
    assert told["chosen_records"] == lake.manifest(made["window"].checkpoint).info["chosen_records"]
    assert told["chosen_records"]["window"] + told["chosen_records"]["replayed"] == len(chosen)
    assert told["labels"] == ["card", "loan", "mortgage"], "those of the whole train split"
    assert "training records dated 2026-02-09 to 2026-03-01" in training_sentence(told)
    assert "1 labels have no record among the chosen ones" in caplog.text
    assert checkpoint_for(lake, environment, dated_case(model, window), splits, LOG).reused
    assert reproduce(lake, environment, dated_case(model, everything), made["window"].checkpoint)["identical"]


def test_checkpoints_of_all_records_keep_their_hash() -> None:
    kept = settings_hash({"training": Training(recipe="manual")})
    assert settings_hash({"training": Training(recipe="manual", replay_share=0.0)}) == kept
    assert settings_hash({"training": Training(recipe="manual", window_days=30)}) != kept
    assert settings_hash({"training": Training(window_days=30)}) != settings_hash(
        {"training": Training(window_days=30, replay_share=0.1)}
    )


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"training": {"window_days": 30}}, "`training.window_days` needs `record.date`"),
        ({"training": {"replay_share": 0.1}}, "`training.replay_share` is of records older than"),
        ({"training": {"window_days": 0}}, "greater than or equal to 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        UseCase.model_validate({**minimal_attributes("complaints.csv"), **changed})
