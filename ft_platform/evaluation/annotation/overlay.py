"""Repairs of experts over divided records: `splits` decides the sides first, so that no repair moves a record.

A repair counts where the record still has the label or answer that experts saw; where the source has corrected or
changed it since, the source is believed. Labels and answers are written on anonymized text, so nothing is anonymized
again: answers were scanned when they were handed in."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from ft_platform.evaluation.annotation.repairs import Repair
from ft_platform.evaluation.annotation.task import answer_hash
from ft_platform.lake.stage_table import Work
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.columns import contents_sha256
from ft_platform.records.rows import Spool
from ft_platform.records.stage_results import StageStream
from ft_platform.use_case.settings.hash import settings_hash

TABLE = "repaired_splits"
REPAIRED = pa.schema([(name, pa.string()) for name in ("record_id", "split", "field", "before", "after")])
"""Which records of a version of `splits` were repaired: their label before and after, or hashes of their answers."""


def fingerprint(repairs: Sequence[Repair]) -> str:
    """What `splits` depends on: another repair, or an answer that was erased, is another version."""
    return settings_hash({"repairs": [[one.record_id, one.before, one.after, one.answer] for one in repairs]})


def repaired(stream: StageStream, repairs: Sequence[Repair], work: Work) -> StageStream:
    """Divided records with what experts repaired.

    Adds to the counts: `repaired` = `{side: records}`; `not_repaired` = `{reason: records}` of repairs that do not
    count: `changed_in_the_source`, `label_unknown` (no other record has it any more), `answer_erased`. And beside the
    table `repaired_splits`.
    """
    spool = Spool(work.folder / f"{TABLE}.arrow", REPAIRED)
    by_record: dict[str, list[Repair]] = {}
    for one in repairs:
        by_record.setdefault(one.record_id, []).append(one)

    def parts() -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
        applied: Counter[str] = Counter()
        left: Counter[str] = Counter()
        for kept, removed in stream.parts:
            if kept is not None and any(one in by_record for one in kept.column("record_id").to_pylist()):
                kept, done = _over(kept, by_record, set(stream.counts["rows_per_label"]), left)
                spool.write(pa.RecordBatch.from_pylist(done, schema=REPAIRED))
                applied.update(one["split"] for one in done)
                _recount(stream.counts["rows_per_label"], done)
            stream.counts["repaired"], stream.counts["not_repaired"] = dict(applied), dict(left)
            yield kept, removed

    return StageStream(parts(), stream.counts, {**stream.beside, TABLE: spool})


def _over(
    batch: pa.RecordBatch, by_record: dict[str, list[Repair]], labels: set[str], left: Counter[str]
) -> tuple[pa.RecordBatch, list[dict[str, Any]]]:
    """The batch with its repairs, and what was repaired."""
    rows, done = batch.to_pylist(), []
    for row in rows:
        found = by_record.get(row["record_id"], [])
        first = None
        for one in found:
            present = row["label"] if one.field == "label" else answer_hash(_answer(row) or "")
            if present == one.after:
                continue
            why = (
                "changed_in_the_source"
                if present != one.before
                else "label_unknown"
                if one.field == "label" and one.after not in labels
                else "answer_erased"
                if one.field == "answer" and one.answer is None
                else None
            )
            if why:
                left[why] += 1
                continue
            first = first if first is not None else present
            _write(row, one)
        if first is not None:
            after = row["label"] if found[0].field == "label" else answer_hash(_answer(row) or "")
            about = {"record_id": row["record_id"], "split": row["split"], "field": found[0].field}
            if after != first:  # an arbiter who thought again
                done.append({**about, "before": first, "after": after})
    return pa.RecordBatch.from_pylist(rows, schema=batch.schema), done


def _answer(row: dict[str, Any]) -> str | None:
    return next((m["content"] for m in reversed(row["messages"] or []) if m["role"] == "assistant"), None)


def _write(row: dict[str, Any], one: Repair) -> None:
    if one.field == "label":
        row["label"] = one.after
        return
    last = max(place for place, message in enumerate(row["messages"]) if message["role"] == "assistant")
    row["messages"][last]["content"] = one.answer
    row["sha256_after"] = contents_sha256([message["content"] for message in row["messages"]])


def _recount(rows_per_label: dict[str, dict[str, int]], done: list[dict[str, Any]]) -> None:
    for one in done:
        if one["field"] == "label":
            rows_per_label[one["before"]][one["split"]] -= 1
            rows_per_label[one["after"]][one["split"]] += 1


def repaired_in(lake: Lake, splits: TableVersion) -> pa.Table:
    """What was repaired in a version of `splits`, in `REPAIRED`."""
    if f"{TABLE}_version" not in lake.manifest(splits).info:
        return REPAIRED.empty_table()
    return lake.read_table(lake.beside(splits, TABLE))
