"""What repairs of test records do to figures, by hand and in a real evaluation, and the effect of repaired training
records between two real trainings."""

import logging
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from ft_platform.assets.effect_watch import effect_watch
from ft_platform.errors import DataError
from ft_platform.evaluation.annotation.effect import measure_effect
from ft_platform.evaluation.annotation.effect_words import in_words, verdict
from ft_platform.evaluation.annotation.figures import _Evaluated, figures_of_repairs, repair_effect
from ft_platform.evaluation.annotation.overlay import REPAIRED, TABLE
from ft_platform.evaluation.annotation.repairs import REPAIRS
from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.evaluation.predictions import rows_of
from ft_platform.lake.versions import TableVersion
from ft_platform.people.statements import state
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.web.portal_pages.needs import needs_of
from ft_platform.web.portal_pages.story import story_of
from ft_platform_tests.evaluation.tiny_case import HOSTILE, TinyCase, rows_for, tiny_case
from ft_platform_tests.reporting.page_rules import Page, problems_of
from ft_platform_tests.tiny_models import usable_splits

pytestmark = pytest.mark.integration
REPAIRED_ROWS = {"r0008": (HOSTILE, "card"), "r0009": ("card", "loan"), "r0001": ("loan", "card")}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    return tiny_case(tmp_path_factory.mktemp("repaired"), "classification")


def repaired_splits(case: TinyCase) -> TableVersion:
    """Splits as `splits` writes them after repairs: other labels, and beside them the table of what was repaired."""
    rows = rows_for("classification")
    for row in rows:
        if row["record_id"] in REPAIRED_ROWS:
            row["label"] = REPAIRED_ROWS[row["record_id"]][1]
    sides = {row["record_id"]: row["split"] for row in rows}
    done = [
        {"record_id": record, "split": sides[record], "field": "label", "before": before, "after": after}
        for record, (before, after) in REPAIRED_ROWS.items()
    ]
    table = pa.Table.from_pylist(done, schema=REPAIRED)
    beside = case.lake.write_table(
        "complaints", TABLE, table.to_batches(), REPAIRED, zone="shared", input_hash="repairs"
    )
    write = case.lake.write_table

    def with_info(use_case: str, name: str, *given: Any, **named: Any) -> TableVersion:
        info = {f"{TABLE}_version": beside.version} if name == "splits" else {}
        return write(use_case, name, *given, **{**named, "info": info})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case.lake, "write_table", with_info)
        return usable_splits(case.lake, case.use_case, rows, splits_schema(case.use_case))


@pytest.fixture(scope="module")
def repaired(case: TinyCase) -> TinyCase:
    """Evaluated and trained again, on repaired records."""
    splits = repaired_splits(case)
    of = (case.lake, case.environment, case.use_case, splits)
    base = publish_base_evaluation(*of)
    checkpoint = checkpoint_for(*of, logging.getLogger("test")).checkpoint
    report = publish_evaluation_report(*of, checkpoint, base)
    return replace(case, splits=splits, base=base, checkpoint=checkpoint, report=report)


def test_both_labels_of_test_records_have_figures(case: TinyCase, repaired: TinyCase) -> None:
    assert "repaired" not in read_metrics(case.lake, case.report)
    found = read_metrics(repaired.lake, repaired.report)
    told = found["repaired"]
    assert (told["field"], told["test_records"]) == ("label", 2), "the third is a training record"
    assert set(told["systems"]) == set(found["systems"])
    for system, figures in told["systems"].items():
        assert figures["accuracy"]["after"] == pytest.approx(found["systems"][system]["accuracy"]["value"])
    rows = rows_of(read_predictions(repaired.lake, repaired.report), "fine_tuned").to_pylist()
    source = [row["predicted"] == REPAIRED_ROWS.get(row["record_id"], (row["label"],))[0] for row in rows]
    assert told["systems"]["fine_tuned"]["accuracy"]["before"] == pytest.approx(sum(source) / 12)


def test_figures_by_hand(repaired: TinyCase) -> None:
    ids = ["r0008", "r0009", "r0018"]
    side = SimpleNamespace(rows=pa.table({"record_id": ids}), answers=["card", "loan", "card"])
    outputs = {"fine_tuned": LabelOutputs(["card", "loan"], side.answers, ["card", "loan", "card"])}
    evaluated: Any = SimpleNamespace(records=SimpleNamespace(side=side), outputs=outputs)
    found = figures_of_repairs(repaired.lake, repaired.splits, evaluated)
    assert found is not None and found["test_records"] == 2
    assert found["systems"]["fine_tuned"]["accuracy"] == {"before": pytest.approx(1 / 3), "after": 1.0}


def test_the_page_has_both(repaired: TinyCase) -> None:
    page = repaired.lake.read_file(repaired.report, "report.html").decode()
    words = " ".join(Page(page).words.split())
    assert problems_of(page) == []
    assert "2 of 12 test records have another label than the source gave them" in words
    assert "Accuracy, labels of the source" in words and "Accuracy, repaired labels" in words


def test_the_effect_compares_the_same_recipe_with_and_without(case: TinyCase, repaired: TinyCase) -> None:
    found = repair_effect(repaired.lake, repaired.use_case)
    assert (found["with"], found["without"]) == (repaired.report.artifact_id, case.report.artifact_id)
    assert (found["repaired_rows"], found["repaired_test_rows"], found["test_rows"]) == (3, 2, 12)
    assert found["low"] <= found["value"] <= found["high"]


def test_the_sensor_measures_it_once_and_the_story_of_the_use_case_tells_it(
    case: TinyCase, repaired: TinyCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor: str | None = None

    def tick() -> str:
        nonlocal cursor
        with dg.build_sensor_context(cursor=cursor, resources={"lake": repaired.lake}) as context:
            data = effect_watch(repaired.use_case).evaluate_tick(context)
        cursor = data.cursor
        return data.skip_message or ""

    def evaluated() -> str:
        steps = story_of(repaired.lake, "complaints", date(2026, 11, 29))
        return next(one.figure for one in steps if one.title == "Evaluation")

    assert tick() == "experts have repaired nothing" and "Learning from" not in evaluated()
    said = {"task": "task-1", "field": "label", "at": "2026-11-29T10:00:00+00:00", "judged": {}, "repairs": []}
    person = {"person": "ana.ruiz@example.org", "known_by": "account", "arbiters": [], "answers_version": None}
    state(repaired.lake, repaired.use_case, REPAIRS, {**said, **person}, [])
    told = tick()
    found = repair_effect(repaired.lake, repaired.use_case)
    assert told == in_words(found) and evaluated().endswith(told)
    assert told.startswith("Learning from 3 repaired records ")
    today = date(2026, 11, 29)
    assert not [one for one in needs_of(repaired.lake, repaired.use_case, today) if one.kind == "repairs"]
    worse = {**found, "value": -0.2, "low": -0.3, "high": -0.1}
    with monkeypatch.context() as planted:
        planted.setattr("ft_platform.web.portal_pages.repairs.intact_json", lambda *_: worse)
        (need,) = (one for one in needs_of(repaired.lake, repaired.use_case, today) if one.kind == "repairs")
    assert need.role == "data_science" and "made the model worse" in need.what
    monkeypatch.setattr("ft_platform.evaluation.annotation.effect.effect_between", None)  # it was kept
    assert tick() == "no evaluation since the last look"
    assert measure_effect(repaired.lake, repaired.use_case) == found


@pytest.mark.parametrize(
    ("sides", "recipe", "given", "more"),
    [
        ({"a": "train", "b": "test", "c": "train"}, "r", {"c"}, 1),
        ({"a": "train", "b": "test"}, "r", {"c"}, 0),
        ({"a": "train", "b": "test", "c": "train"}, "r", set(), None),  # the source has grown
        ({"a": "test", "b": "test", "c": "train"}, "r", {"c"}, None),  # a record moved
        ({"b": "test", "c": "train"}, "r", {"c"}, None),  # one is gone
        ({"a": "train", "b": "test", "c": "train"}, "another", {"c"}, None),
    ],
)
def test_a_pair_differs_in_records_that_experts_labelled_and_in_no_others(
    case: TinyCase, sides: dict[str, str], recipe: str, given: set[str], more: int | None
) -> None:
    before = _Evaluated(case.report, "r", {"a": "train", "b": "test"}, 0, 0)
    assert _Evaluated(case.report, recipe, sides, 0, 0).differs_by(before, given) == more


@pytest.mark.parametrize(
    ("name", "value", "low", "high", "said"),
    [
        ("macro_f1", 0.05, 0.01, 0.09, "better"),
        ("macro_f1", -0.05, -0.09, -0.01, "worse"),
        ("answer_loss", -0.05, -0.09, -0.01, "better"),  # a lower one is better
        ("macro_f1", 0.01, -0.03, 0.05, "not measurable"),
        ("macro_f1", 0.0, 0.0, 0.0, "not measurable"),
    ],
)
def test_the_whole_interval_says_whether_it_helped(name: str, value: float, low: float, high: float, said: str) -> None:
    found: dict[str, Any] = {"metric": name, "value": value, "low": low, "high": high, "detectable": 0.06}
    found |= {"repaired_rows": 40, "labelled_rows": 12, "test_rows": 500}
    assert verdict(found) == said
    words = in_words(found)
    assert words.startswith("Learning from 40 repaired and 12 newly labelled records ")
    assert ("has no measurable effect" in words) == (said == "not measurable")
    assert ("show differences from 0.060 on" in words) == (said == "not measurable")


def test_without_a_pair_there_is_no_effect(tmp_path: Path) -> None:
    alone = tiny_case(tmp_path, "classification")
    with pytest.raises(DataError, match="no two evaluations of the same recipe"):
        repair_effect(alone.lake, alone.use_case)
    assert measure_effect(alone.lake, alone.use_case) is None
