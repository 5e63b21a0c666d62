"""The stage `cleaned_records`: texts repaired, unusable and repeated records removed, each with its reason.

Two passes: the first repairs and filters batch by batch and parks what is left on the disk; the second, once the
duplicates are known, hands on the rows that stay. In memory are some numbers per row, never the texts of more than a
few batches.
"""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.cleaning.batch import BatchCleaner, marked_schema
from ft_platform.cleaning.conflicting_labels import NO_LABEL, settled
from ft_platform.cleaning.repair import KINDS
from ft_platform.errors import DataError
from ft_platform.lake.stage_table import Work
from ft_platform.process.progress import report
from ft_platform.records.columns import REMOVED, is_traffic
from ft_platform.records.key_hashes import collected
from ft_platform.records.lost_rows import require_kept
from ft_platform.records.near_duplicates import find_near_duplicates_stream, rank_of
from ft_platform.records.near_duplicates.copies import first_of_equal
from ft_platform.records.rows import Rows, Spool
from ft_platform.records.schemas import cleaned_schema
from ft_platform.records.stage_results import StageStream
from ft_platform.use_case.named import NamedUseCase

STAGE = "cleaned_records"
REPORT_ROWS = 20_000
LENGTHS = (0, *(2**power for power in range(25)))
"""Shortest length of each bin of the counts of texts by length, in characters."""
KEPT, EXACT, NEAR, CONFLICT = range(4)
REASONS = ("", "exact_duplicate", "near_duplicate", "label_conflict")
"""Reason of a duplicate by its code."""


@dataclass
class Parked:
    """What is known of the rows in the spool.

    Attributes:
        spool: cleaned rows and their `dedup_key`.
        labels: a number for each label; equal labels have equal numbers. Shape `(rows,)`, dtype int32.
        fate: `KEPT`, or why not. Shape `(rows,)`, dtype int8.
        original: row of which a duplicate is one; of other rows without meaning. Shape `(rows,)`, dtype int32.
    """

    spool: Spool
    labels: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    fate: np.ndarray = field(default_factory=lambda: np.empty(0, np.int8))
    original: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))

    def column(self, name: str) -> Iterator[pa.Array]:
        return (batch.column(0) for batch in self.spool.batches([name]))

    def mark(self, originals: np.ndarray, fate: int) -> int:
        """Notes duplicates among the rows that are kept so far, and returns how many have another label than their
        original.

        Args:
            originals: row that each row repeats, or -1. Shape `(rows,)`.
        """
        rows = np.flatnonzero((originals >= 0) & (self.fate == KEPT))
        self.fate[rows], self.original[rows] = fate, originals[rows]
        return int((self.labels[rows] != self.labels[originals[rows]]).sum())


def clean(use_case: NamedUseCase, rows: Rows, work: Work) -> StageStream:
    """Cleaned records in `cleaned_schema`, in the order of the input, and the removed ones with their reasons.

    Reasons: those of the filters, `exact_duplicate`, `near_duplicate`, and `label_conflict` where equal texts have
    several labels and none of them more often than the others (`conflicting_labels`). Counts: records with each kind of
    change (`changed_<kind>`, `changed_rows`); user texts by length (`characters`: `at_least` that many, all of them
    `before`, the kept ones `after`); texts with several labels (`label_conflicts`), and near duplicates with another
    label than the text that stays (`near_label_conflicts`). Reading `parts` raises DataError if no record is left, or a
    larger share was removed than the settings allow."""
    counts: dict[str, Any] = {}
    return StageStream(_parts(use_case, rows, work, counts), counts)


def _parts(
    use_case: NamedUseCase, rows: Rows, work: Work, counts: dict[str, Any]
) -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
    parked = Parked(Spool(work.folder / "cleaned_rows.arrow", _parked_schema(use_case)))
    reasons: Counter[str] = Counter()
    for removed in _repair_and_filter(use_case, rows, work, parked, counts):
        reasons.update(removed["reason"].to_pylist())
        yield None, removed
    if not parked.spool.num_rows:
        found = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "no records came in"
        raise DataError(
            f"{use_case.name}: no record is left after cleaning ({found})",
            "Look at `cleaning` and `record` in the YAML",
        )
    _find_duplicates(use_case, parked, work, counts)
    reasons.update({REASONS[fate]: int((parked.fate == fate).sum()) for fate in (EXACT, NEAR, CONFLICT)})
    most = use_case.settings.cleaning.max_removed_share
    require_kept(
        f"{STAGE} of {use_case.name}", "cleaning.max_removed_share", most, int((parked.fate == KEPT).sum()), reasons
    )
    after = np.zeros(len(LENGTHS), np.int64)
    for kept, repeated in _kept_and_removed(use_case, parked):
        after += _by_length(kept.column("text_characters"))
        yield kept, repeated
    counts["characters"] = {**counts["characters"], "after": after.tolist()}


def _parked_schema(use_case: NamedUseCase) -> pa.Schema:
    return pa.schema(
        [column for column in marked_schema(use_case) if column.name not in ("reason", "characters_before")]
    )


def _repair_and_filter(
    use_case: NamedUseCase, rows: Rows, work: Work, parked: Parked, counts: dict[str, Any]
) -> Iterator[pa.RecordBatch]:
    """Parks the rows that pass the filters, and yields those that do not, in schema `REMOVED`."""
    counts |= {**{f"changed_{kind}": 0 for kind in KINDS}, "changed_rows": 0}
    numbers: dict[str | None, int] = {"": NO_LABEL}
    labels, before = [], np.zeros(len(LENGTHS), np.int64)
    done = reported = 0
    for batch in work.engine.map(rows, partial(BatchCleaner, use_case)):
        _count_changes(batch.column("changes"), counts)
        before += _by_length(batch.column("characters_before"))
        stays = batch.column("reason").is_null()
        if pc.all(stays).as_py():
            kept = batch
        else:
            kept = batch.filter(stays)
            yield _removed(batch.filter(pc.invert(stays)))
        parked.spool.write(kept.select(parked.spool.schema.names))
        labels.append(_numbered(kept.column("label"), numbers))
        done += batch.num_rows
        if done - reported >= REPORT_ROWS or done == rows.num_rows:
            report(STAGE, done, rows.num_rows)
            reported = done
    counts["characters"] = {"at_least": list(LENGTHS), "before": before.tolist()}
    parked.labels = np.concatenate(labels) if labels else parked.labels
    parked.fate, parked.original = np.full(len(parked.labels), KEPT, np.int8), np.zeros(len(parked.labels), np.int32)


def _count_changes(changes: pa.Array, counts: dict[str, Any]) -> None:
    for found in pc.value_counts(changes.flatten()).to_pylist():
        counts[f"changed_{found['values']}"] += found["counts"]
    counts["changed_rows"] += pc.sum(pc.greater(pc.list_value_length(changes), 0)).as_py() or 0


def _by_length(characters: pa.Array) -> np.ndarray:
    """How many texts fall into each of `LENGTHS`. Shape `(bins,)`."""
    return np.bincount(np.searchsorted(LENGTHS, characters.to_numpy(), side="right") - 1, minlength=len(LENGTHS))


def _numbered(labels: pa.Array, numbers: dict[str | None, int]) -> np.ndarray:
    """A number for each label, the same in every batch. Shape `(rows,)`, dtype int32."""
    encoded = pc.fill_null(labels, "").dictionary_encode()
    codes = np.array([numbers.setdefault(label, len(numbers)) for label in encoded.dictionary.to_pylist()], np.int32)
    return codes[encoded.indices.to_numpy()]


def _removed(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [batch.column("record_id"), batch.column("reason"), pa.nulls(batch.num_rows, pa.string())], schema=REMOVED
    )


def _find_duplicates(use_case: NamedUseCase, parked: Parked, work: Work, counts: dict[str, Any]) -> None:
    """Marks duplicates. The first by record_id is the original, of equal texts the first with the label that most of
    them have: a record_id is a hash of the content, so the choice does not depend on the order of the rows or files. A
    request to a served model is never the original of a record of
    the source. Exact duplicates cost 16 bytes a row, near ones about 100.

    A text goes only if it is itself near one that stays: in a chain a ~ b ~ c, where a and c are not alike, c stays."""
    settings = use_case.settings.cleaning
    if "drop" not in (settings.exact_duplicates, settings.near_duplicates):
        return
    rows, order, keys = parked.spool.num_rows, rank_of(_source_first(parked)), partial(parked.column, "dedup_key")
    exact, contested = first_of_equal(collected(keys(), rows), order), np.zeros(rows, bool)
    if settings.exact_duplicates == "drop":
        of_source = np.concatenate([~is_traffic(uris).to_numpy(False) for uris in parked.column("source_uri")])
        exact, contested, counts["label_conflicts"] = settled(exact, parked.labels, order, of_source)
        parked.fate[contested] = CONFLICT
        parked.mark(exact, EXACT)
    if settings.near_duplicates == "drop":
        copies = (exact >= 0) | contested
        near = find_near_duplicates_stream(
            keys, rows, settings.near_duplicate_threshold, work.folder, STAGE, order=order, left_out=copies
        )
        counts["capped_near_duplicates"] = near.capped
        # Copies share the fate of their original.
        originals = np.where(copies, near.original[exact], near.original)
        counts["near_label_conflicts"] = parked.mark(originals, NEAR)


def _source_first(parked: Parked) -> Iterator[pa.Array]:
    """Ids, changed so that those of requests to a served model are sorted behind all others (hex digits)."""
    for batch in parked.spool.batches(["record_id", "source_uri"]):
        prefix = pc.if_else(is_traffic(batch.column("source_uri")), "~", "")
        yield pc.binary_join_element_wise(prefix, batch.column("record_id"), "")


def _kept_and_removed(use_case: NamedUseCase, parked: Parked) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch | None]]:
    names = cleaned_schema(use_case).names
    originals = np.unique(parked.original[np.isin(parked.fate, (EXACT, NEAR))])
    ids = parked.spool.take(originals, ["record_id"])["record_id"].combine_chunks()
    start = 0
    for batch in parked.spool.batches():
        rows = slice(start, start + batch.num_rows)
        start += batch.num_rows
        kept, stays = batch.select(names), parked.fate[rows] == KEPT
        if stays.all():
            yield kept, None
            continue
        repeated = np.flatnonzero(~stays)
        reasons = pa.array(REASONS, pa.string()).take(pa.array(parked.fate[rows][repeated]))
        place = np.searchsorted(originals, parked.original[rows][repeated])
        duplicate_of = ids.take(pa.array(place, mask=parked.fate[rows][repeated] == CONFLICT))
        removed = [kept.column("record_id").take(pa.array(repeated)), reasons, duplicate_of]
        yield kept.filter(pa.array(stays)), pa.RecordBatch.from_arrays(removed, schema=REMOVED)
