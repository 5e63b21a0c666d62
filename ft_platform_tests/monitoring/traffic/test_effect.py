"""traffic.effect: the same recipe with and without feedback, on the same test records; figures by hand."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ft_platform.errors import DataError
from ft_platform.governance.feedback_releases import release_batch
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.monitoring.traffic.effect import feedback_effect
from ft_platform.records.schemas import splits_schema
from ft_platform_tests.tables import table, use_case

CASE = use_case(evaluation={"bootstrap_samples": 200})
TESTED = [f"t{number:02d}" for number in range(10)]
TRUTH = ["a", "b"] * 5


def evaluation(
    lake: Lake, name: str, wrong: int, asked: list[str], recipe: str = "r", others: tuple[str, ...] = ("s1", "s2")
) -> ArtifactVersion:
    """Of a checkpoint that gets so many test records wrong."""
    ids = [*others, *asked, *TESTED]
    labels, sides = ["a"] * (len(ids) - 10) + TRUTH, ["train"] * (len(ids) - 10) + ["test"] * 10
    rows = table(splits_schema(CASE), [f"text {one}" for one in ids], record_id=ids, label=labels, split=sides)
    splits = lake.write_table("tests", "splits", rows.to_batches(), rows.schema, zone="shared", input_hash=name)
    checkpoint = published(lake, "adapter_checkpoint", name, [splits], recipe)
    predicted = ["c"] * wrong + TRUTH[wrong:]
    told = {"record_id": TESTED, "label": TRUTH, "predicted": predicted, "confidence": [0.9] * 10}
    predictions = pa.table({**told, "system": ["fine_tuned"] * 10, "correct": [a == b for a, b in zip(predicted, TRUTH, strict=True)]})  # noqa: E501  # fmt: skip
    return published(lake, "evaluation_report", name, [splits, checkpoint], recipe, predictions)


def published(
    lake: Lake, stage: str, name: str, parents: list[Any], recipe: str, predictions: pa.Table | None = None
) -> ArtifactVersion:
    with lake.scratch("tests", stage) as folder:
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps({"of": name}))
        if predictions is not None:
            pq.write_table(predictions, folder / "predictions.parquet")
        return lake.publish(
            "tests", stage, f"{stage[:4]}-{name}", folder, parents=parents, settings_hash=recipe, input_hash=name
        )


@pytest.fixture
def asked(lake: Lake) -> list[str]:
    release_batch(lake, CASE, "2026-03-01-0a", {"q1": "a", "q2": "a"}, {}, reason="looked at them together")
    return ["q1", "q2"]


def test_the_difference_is_that_of_the_test_records(lake: Lake, asked: list[str]) -> None:
    without, learned = evaluation(lake, "without", 4, []), evaluation(lake, "with", 1, asked)
    found = feedback_effect(lake, CASE)
    assert (found["with"], found["without"]) == (learned.artifact_id, without.artifact_id)
    assert (found["feedback_rows"], found["test_rows"]) == (2, 10) and found["low"] <= found["value"] <= found["high"]
    # Macro F1 over a and b by hand. 1 of 10 wrong: a 4/5 found, b 5/5; 4 wrong: a 3/5, b 3/5; precision 1 each.
    macro = lambda *recalls: sum(2 * one / (1 + one) for one in recalls) / len(recalls)  # noqa: E731
    expected = {"accuracy": 0.9 - 0.6, "macro_f1": macro(0.8, 1.0) - macro(0.6, 0.6)}[found["metric"]]
    assert found["value"] == pytest.approx(expected)


@pytest.mark.parametrize("differs", [{"recipe": "another"}, {"others": ("s1", "s3")}])
def test_two_that_differ_in_more_than_the_feedback_are_not_compared(
    lake: Lake, asked: list[str], differs: dict[str, Any]
) -> None:
    evaluation(lake, "without", 4, [], **differs)
    evaluation(lake, "with", 1, asked)
    with pytest.raises(DataError, match="with and without feedback"):
        feedback_effect(lake, CASE)
