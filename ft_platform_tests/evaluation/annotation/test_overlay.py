"""Repairs over divided records, by hand: which count, which do not and why."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.evaluation.annotation.overlay import fingerprint, repaired
from ft_platform.evaluation.annotation.repairs import Repair
from ft_platform.evaluation.annotation.task import answer_hash
from ft_platform.lake.stage_table import Work
from ft_platform.records.columns import MESSAGES, contents_sha256
from ft_platform.records.engines import engine_of
from ft_platform.records.stage_results import StageStream
from ft_platform.use_case.schema import Compute

TEXTS = pa.schema([(name, pa.string()) for name in ("record_id", "label", "split", "sha256_after")])
SCHEMA = TEXTS.append(pa.field("messages", MESSAGES)).append(pa.field("entities", pa.map_(pa.string(), pa.int32())))


def row(record: str, label: str | None, answer: str = "", split: str = "train") -> dict[str, Any]:
    messages = [{"role": "user", "content": f"question {record}"}]
    messages += [{"role": "assistant", "content": answer}] if answer else []
    return {"record_id": record, "messages": messages, "label": label, "split": split, "entities": [("PERSON", 1)]}


def over(rows: list[dict[str, Any]], repairs: list[Repair], folder: Path, labels: str = "") -> Any:
    batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
    counts = {"rows_per_label": {name: {"train": 5, "validation": 5, "test": 5} for name in labels}}
    work = Work(folder, engine_of(Compute()))
    stream = repaired(StageStream(iter([(batch, None)]), counts), repairs, work)
    made = [kept for kept, _ in stream.parts if kept is not None]
    beside = [one for part in stream.beside["repaired_splits"].batches() for one in part.to_pylist()]
    return made[0].to_pylist(), stream.counts, beside


def label(record: str, before: str, after: str) -> Repair:
    return Repair(record, "label", before, after, ("ana", "bo"), None, "2026-03-01T00:00:00+00:00")


def answer(record: str, before: str, after: str, erased: bool = False) -> Repair:
    hashes = (answer_hash(before), answer_hash(after))
    text = None if erased else after
    return Repair(record, "answer", *hashes, ("ana", "bo"), None, "2026-03-01T00:00:00+00:00", text)


@pytest.mark.parametrize(
    ("present", "repairs", "expected", "left"),
    [
        ("a", [label("r", "a", "b")], "b", {}),
        ("a", [label("r", "a", "b"), label("r", "b", "c")], "c", {}),  # one after the other
        ("a", [label("r", "a", "b"), label("r", "b", "a")], "a", {}),  # and back
        ("b", [label("r", "a", "b")], "b", {}),  # the source has corrected it itself
        ("c", [label("r", "a", "b")], "c", {"changed_in_the_source": 1}),
        ("a", [label("r", "a", "z")], "a", {"label_unknown": 1}),
        ("a", [label("other", "a", "b")], "a", {}),
    ],
)
def test_a_label_is_repaired_where_it_is_the_one_that_experts_saw(
    present: str, repairs: list[Repair], expected: str, left: dict[str, int], tmp_path: Path
) -> None:
    rows, counts, beside = over([row("r", present, split="test"), row("s", "c")], repairs, tmp_path, "abc")
    assert [one["label"] for one in rows] == [expected, "c"] and counts["not_repaired"] == left
    if expected != present:
        assert beside == [{"record_id": "r", "split": "test", "field": "label", "before": present, "after": expected}]
        assert counts["repaired"] == {"test": 1}
        assert counts["rows_per_label"][expected]["test"] == 6 and counts["rows_per_label"][present]["test"] == 4
    assert rows[0]["entities"] == [("PERSON", 1)] and rows[0]["split"] == "test"


def test_an_answer_is_repaired_with_its_hash(tmp_path: Path) -> None:
    rows, counts, beside = over([row("r", None, " Ask us.\r\n")], [answer("r", "Ask us.", "Call us.")], tmp_path)
    assert rows[0]["messages"][-1]["content"] == "Call us."
    assert rows[0]["sha256_after"] == contents_sha256(["question r", "Call us."])
    assert counts["repaired"] == {"train": 1} and [one["field"] for one in beside] == ["answer"]


def test_an_answer_that_was_erased_is_not_written_and_makes_another_version(tmp_path: Path) -> None:
    there, gone = (answer("r", "Ask us.", "Call us.", erased=erased) for erased in (False, True))
    rows, counts, _ = over([row("r", None, "Ask us.")], [gone], tmp_path)
    assert rows[0]["messages"][-1]["content"] == "Ask us." and counts["not_repaired"] == {"answer_erased": 1}
    assert fingerprint([there]) != fingerprint([gone]) != fingerprint([])
