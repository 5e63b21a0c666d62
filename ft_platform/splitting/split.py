"""The stage `splits`: every record gets the side of its group of related records.

In memory are some numbers per row (about 110 bytes at the peak, and 0.4 GB whatever the rows), never a text; rows
stream through."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.lake.stage_table import Work
from ft_platform.process.progress import report
from ft_platform.records.columns import REMOVED, SIDES
from ft_platform.records.rows import Rows
from ft_platform.records.schemas import splits_schema
from ft_platform.records.stage_results import StageStream
from ft_platform.splitting.benchmark_texts import BenchmarkTexts
from ft_platform.splitting.dates import record_days
from ft_platform.splitting.feedback import Asked, SomeRows, over_share, related_to_held_out, without
from ft_platform.splitting.given import given_sides, related_to_later_side
from ft_platform.splitting.groups import Groups, find_groups
from ft_platform.splitting.labels import Labels, handle_rare_labels, read_labels
from ft_platform.splitting.membership import Membership, division_name
from ft_platform.splitting.sides import (
    NONE,
    TRAIN,
    GroupTable,
    completed_sides,
    group_table,
    random_sides,
    temporal_sides,
)
from ft_platform.use_case.named import NamedUseCase

STAGE = "splits"
MIN_RECORDS = 10
KEPT, RARE_LABEL, BENCHMARK_TEXT, RELATED, LABEL_MISSING, LABEL_UNKNOWN, OVER_SHARE = range(7)
REASONS = (
    "",
    "rare_label",
    "benchmark_text",
    "related_to_later_side",
    "label_missing",
    "label_unknown",
    "over_feedback_share",
)
"""Reason of a removed row by its code."""


@dataclass(frozen=True)
class Division:
    """What becomes of each row. Shapes `(rows,)`.

    Attributes:
        fate: `KEPT`, or why the row is removed, dtype int8.
        side: place in `SIDES`, -1 for removed rows, dtype int8.
        labels: labels after rare ones were merged.
        groups: groups by row.
    """

    fate: np.ndarray
    side: np.ndarray
    labels: Labels
    groups: Groups


def split(
    use_case: NamedUseCase,
    rows: Rows,
    work: Work,
    benchmark: BenchmarkTexts | None = None,
    previous: Rows | None = None,
    asked: Asked | None = None,
) -> StageStream:
    """All records with `group_id` and `split` in `splits_schema`, in the order of the input.

    Reasons: `rare_label`, `benchmark_text`; `label_missing`: anonymization emptied it (`privacy.allowed_values`);
    `related_to_later_side` with `splits.strategy: given`: the record says train, but something it is related to says
    validation or test, or it says validation and that says test. Of records that are for training only (`asked`):
    `related_to_later_side`; `label_unknown`: no record of the source has this label;
    `over_feedback_share`.

    Args:
        rows: records in `anonymized_schema`.
        benchmark: texts that no record may hold.
        previous: the version of `splits` on whose sides records stay (`record_id`, `split`).
        asked: which records are for training only.

    Raises:
        DataError: when `parts` is read: too few records or groups, one label only, a label that cannot stand on all
            sides, a record without a date where the division is temporal, or without a side where it is given.
    """
    counts: dict[str, Any] = {}

    def parts() -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
        if rows.num_rows < MIN_RECORDS:
            raise DataError(
                f"{use_case.name}: {rows.num_rows} records are too few to divide, at least {MIN_RECORDS} are needed",
                "Add records",
            )
        division = _divide(use_case, rows, work, benchmark, previous, asked or Asked(), counts)
        schema = splits_schema(use_case)
        start = 0
        for batch in rows.batches():
            yield _divided(use_case, batch, schema, division, start)
            start += batch.num_rows
            report(STAGE, start, rows.num_rows)

    return StageStream(parts(), counts)


def _divide(
    use_case: NamedUseCase,
    rows: Rows,
    work: Work,
    benchmark: BenchmarkTexts | None,
    previous: Rows | None,
    asked: Asked,
    counts: dict[str, Any],
) -> Division:
    settings = use_case.settings.splits
    requests = asked.rows(rows)
    fate = np.full(rows.num_rows, KEPT, np.int8)
    given = given_sides(use_case, rows, requests) if settings.strategy == "given" else None
    known = Membership(previous).sides(rows) if previous is not None else np.full(rows.num_rows, NONE, np.int8)
    groups = _groups(use_case, rows, work, requests, known if given is None else given, fate)
    if benchmark:
        fate[benchmark.held_by(rows)] = BENCHMARK_TEXT
    if given is not None:
        fate[related_to_later_side(groups.first, given, fate == KEPT)] = RELATED
    labels = _labels(use_case, rows, groups, requests, fate)
    for_training = requests | (asked.repeated_rows(rows) & (known == NONE))
    fixed = np.where(for_training, TRAIN, known).astype(np.int8)
    kept = np.flatnonzero(fate == KEPT)
    group, first = _numbered(groups.first, kept)
    codes = labels.codes[kept]
    table = group_table(groups.digests[first], group, codes, settings.seed)
    stays = np.zeros(len(first), bool)
    stays[group[for_training[kept]]] = True
    before = known[kept]
    if settings.strategy == "temporal":
        newest = np.zeros(len(first), np.int32)
        np.maximum.at(newest, group, record_days(use_case.name, rows)[kept])
        sides = temporal_sides(use_case, table, newest)
    elif given is not None:
        sides = completed_sides(use_case, table, _fixed(given[kept], group, len(first)), labels, stays)
    else:
        sides = random_sides(use_case, table, _fixed(fixed[kept], group, len(first)), labels, stays)
    side = np.full(rows.num_rows, NONE, np.int8)
    side[kept] = sides[group]
    if (feedback := asked.request_rows(rows)).any():
        over = over_share(groups, feedback, side, use_case.settings.source.feedback.max_share, settings.seed)
        fate[over], side[over] = OVER_SHARE, NONE
        counts["feedback_rows"] = int((feedback & (fate == KEPT)).sum())
    if asked.labelled:
        counts["labelled_by_experts"] = int((requests & ~feedback & (fate == KEPT)).sum())
    there = side[kept] != NONE
    counts |= {
        **_counts(use_case, table, codes[there], side[kept][there], labels),
        "capped_near_duplicates": groups.capped,
        "division": division_name(use_case),
    }
    if previous is not None:
        counts |= {
            "kept_sides": int((before == side[kept]).sum()),
            "moved_rows": int(((before >= 0) & (before != side[kept])).sum()),
        }
    return Division(fate, side, labels, groups)


def _groups(
    use_case: NamedUseCase, rows: Rows, work: Work, requests: np.ndarray, known: np.ndarray, fate: np.ndarray
) -> Groups:
    """Groups of related records. Requests that are related to a validation or test record leave (`fate`) before they
    could join the records of the source that they are related to."""
    settings = use_case.settings.splits
    groups = find_groups(settings, rows, work.folder, work.engine)
    related = related_to_held_out(groups, requests, known)
    if not related.any():
        return groups
    fate[related] = RELATED
    return without(groups, find_groups(settings, SomeRows(rows, ~related), work.folder, work.engine), ~related)


def _labels(use_case: NamedUseCase, rows: Rows, groups: Groups, requests: np.ndarray, fate: np.ndarray) -> Labels:
    """The labels of a classification; otherwise one for all rows. Marks in `fate` the rows that lose theirs. Requests
    to a served model bring no label that the source has not, and make none less rare."""
    if use_case.settings.task.kind != "classification":
        return Labels([""], np.zeros(rows.num_rows, np.int32))
    read = read_labels(rows)
    fate[(read.codes == NONE) & (fate == KEPT)] = LABEL_MISSING
    read.codes[fate != KEPT] = NONE
    of_requests = np.where(requests, read.codes, NONE)
    own = Labels(read.names, np.where(requests, NONE, read.codes).astype(np.int32))
    there = np.unique(own.codes[own.codes != NONE])
    fate[requests & (fate == KEPT) & ~np.isin(of_requests, there)] = LABEL_UNKNOWN
    labels = handle_rare_labels(use_case, own, groups.first)
    renamed = _renamed(own, labels)
    chosen = requests & (fate == KEPT)
    labels.codes[chosen] = renamed[of_requests[chosen]]
    fate[(labels.codes < 0) & (fate == KEPT)] = RARE_LABEL
    return labels


def _renamed(before: Labels, after: Labels) -> np.ndarray:
    """The code that each label got, -1 where its rows are removed. Shape `(labels,)`, dtype int32."""
    new = np.full(len(before.names), NONE, np.int32)
    known = before.codes != NONE
    new[before.codes[known]] = after.codes[known]
    return new


def _numbered(first: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of each kept row's group, and the row that names each group."""
    present = np.zeros(len(first), bool)
    present[first[kept]] = True
    number = np.cumsum(present, dtype=np.int32) - 1
    return number[first[kept]], np.flatnonzero(present)


def _fixed(before: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """The side that each group keeps: of those of its records that of test, else of validation, else of train; -1 where
    all are new."""
    fixed = np.full(groups, NONE, np.int8)
    np.maximum.at(fixed, group, before)
    return fixed


def _divided(
    use_case: NamedUseCase, batch: pa.RecordBatch, schema: pa.Schema, division: Division, start: int
) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
    part = slice(start, start + batch.num_rows)
    fate = division.fate[part]
    columns: dict[str, Any] = {
        "group_id": pa.array(division.groups.names(start, part.stop), pa.string()),
        "split": pa.array(SIDES, pa.string()).take(pa.array(division.side[part], mask=fate != KEPT)),
    }
    if use_case.settings.task.kind == "classification":
        columns["label"] = pa.array(division.labels.names, pa.string()).take(
            pa.array(division.labels.codes[part], mask=fate != KEPT)
        )
    whole = pa.RecordBatch.from_arrays(
        [columns[name] if name in columns else batch.column(name) for name in schema.names], schema=schema
    )
    if (fate == KEPT).all():
        return whole, None
    gone = np.flatnonzero(fate != KEPT)
    reasons = pa.array(REASONS, pa.string()).take(pa.array(fate[gone]))
    removed = [batch.column("record_id").take(pa.array(gone)), reasons, pa.nulls(len(gone), pa.string())]
    return whole.filter(pa.array(fate == KEPT)), pa.RecordBatch.from_arrays(removed, schema=REMOVED)


def _counts(
    use_case: NamedUseCase, table: GroupTable, codes: np.ndarray, side: np.ndarray, labels: Labels
) -> dict[str, Any]:
    """Rows per side, per label and side, and how large groups are."""
    rows = np.bincount(codes * len(SIDES) + side, minlength=len(labels.names) * len(SIDES)).reshape(-1, len(SIDES))
    per_label = {}
    if use_case.settings.task.kind == "classification":
        per_label = {
            name: dict(zip(SIDES, counts, strict=True))
            for name, counts in zip(labels.names, rows.tolist(), strict=True)
            if sum(counts)
        }
    return {
        "rows_per_split": dict(zip(SIDES, rows.sum(axis=0).tolist(), strict=True)),
        "rows_per_label": per_label,
        "groups": len(table.rows),
        "largest_group": int(table.rows.max()),
    }
