"""The stage `splits`: each group of related records goes to one side, label shares stay equal, and more data moves few records.

Within a label, groups are ordered by a hash of seed and group, not by place in the table. Test is filled first, then
validation; train takes the rest. A record that is added shifts the border between two sides by one group at most.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.progress import report
from ft_platform.records import SIDES, StageResult, removed_table, splits_schema
from ft_platform.splitting.groups import group_ids
from ft_platform.splitting.rare_labels import handle_rare_labels
from ft_platform.use_case import NamedUseCase

MIN_RECORDS = 10


@dataclass(frozen=True)
class Group:
    """Related records: how many, of which labels, and in which order groups are dealt out."""

    id: str
    order: bytes
    rows: int
    labels: Counter[str]

    @property
    def stratum(self) -> str:
        """Its most frequent label; of several, the first in the alphabet."""
        return min(self.labels, key=lambda label: (-self.labels[label], label))


def split(use_case: NamedUseCase, records: pa.Table) -> StageResult:
    """All records with `group_id` and `split` in `splits_schema`, ordered by record_id.

    Reasons: `rare_label`.

    Raises:
        DataError: too few records or groups, one label only, or a label that cannot stand on all sides.
    """
    records = records.sort_by("record_id")
    if records.num_rows < MIN_RECORDS:
        raise DataError(f"{use_case.name}: {records.num_rows} records are too few to divide, at least {MIN_RECORDS} are needed", "Add records")
    groups, capped = group_ids(use_case.settings.splits, records)
    labels = records["label"].to_pylist()
    classification = use_case.settings.task.kind == "classification"
    if classification:
        labels = handle_rare_labels(use_case, labels, groups)
    kept = [row for row, label in enumerate(labels) if label is not None or not classification]
    gone = sorted(set(range(len(labels))) - set(kept))
    removed = removed_table((records["record_id"][row].as_py() for row in gone), ["rare_label"] * len(gone))
    labels, groups = [labels[row] for row in kept], [groups[row] for row in kept]
    side_of = assign(use_case, groups, [label or "" for label in labels] if classification else [""] * len(labels))
    sides = [side_of[group] for group in groups]
    report("splits", records.num_rows, records.num_rows)
    table = _table(use_case, records.take(pa.array(kept, pa.int64())), labels, groups, sides)
    return StageResult(table, removed, {**counts(labels if classification else [], groups, sides), "capped_near_duplicates": capped})


def assign(use_case: NamedUseCase, groups: list[str], labels: list[str]) -> dict[str, str]:
    """Group -> side.

    Raises:
        DataError: there are fewer groups than sides, or a label cannot stand on every side.
    """
    settings = use_case.settings.splits
    shares = {"test": settings.test_fraction, "validation": settings.validation_fraction}
    made = _groups(groups, labels, settings.seed)
    if len(made) < len(SIDES):
        raise DataError(
            f"{use_case.name}: the records form {len(made)} group(s) of related records, at least {len(SIDES)} are needed",
            "Check `record.subject` and `splits.near_duplicate_threshold`",
        )
    strata: dict[str, list[Group]] = defaultdict(list)
    for group in made:
        strata[group.stratum if settings.stratify else ""].append(group)
    sides = {group.id: side for name in sorted(strata) for group, side in _deal(strata[name], shares)}
    _put_every_label_on_every_side(use_case, made, sides)
    return sides


def _groups(groups: list[str], labels: list[str], seed: int) -> list[Group]:
    """One per id, in the order in which they are dealt out."""
    by_id: dict[str, Counter[str]] = defaultdict(Counter)
    for group, label in zip(groups, labels, strict=True):
        by_id[group][label] += 1
    made = [Group(id, hashlib.blake2b(f"{seed}:{id}".encode(), digest_size=16).digest(), found.total(), found) for id, found in by_id.items()]
    return sorted(made, key=lambda group: group.order)


def _deal(groups: list[Group], shares: dict[str, float]) -> Iterable[tuple[Group, str]]:
    """Gives each side groups until it has its share; a group that would overshoot by more than half of itself goes on to the next."""
    total = sum(group.rows for group in groups)
    missing = {side: max(1.0, share * total) for side, share in shares.items()}
    for group in groups:
        side = next((side for side, rows in missing.items() if rows > 0 and rows >= group.rows / 2), "train")
        if side != "train":
            missing[side] -= group.rows
        yield group, side


def _put_every_label_on_every_side(use_case: NamedUseCase, groups: list[Group], sides: dict[str, str]) -> None:
    """Moves the smallest groups that help, where a label lacks a side, without taking the last of any label from another side."""
    holders = Counter((label, sides[group.id]) for group in groups for label in group.labels)
    for label in sorted({label for group in groups for label in group.labels}):
        for side in SIDES:
            if holders[label, side]:
                continue
            movable = [g for g in groups if label in g.labels and all(holders[other, sides[g.id]] > 1 for other in g.labels)]
            if not movable:
                raise DataError(
                    f"{use_case.name}: label {label!r} cannot be put on side {side}: its records belong to groups that other labels need elsewhere",
                    "Add records of this label, or check `record.subject` and `splits.near_duplicate_threshold`",
                )
            moved = min(movable, key=lambda g: (g.rows, g.order))
            holders.subtract((other, sides[moved.id]) for other in moved.labels)
            sides[moved.id] = side
            holders.update((other, side) for other in moved.labels)


def counts(labels: list[str | None], groups: list[str], sides: list[str]) -> dict:
    """Rows per side, per label and side, and how large groups are."""
    rows, group_rows = Counter(sides), Counter(groups)
    per_label: dict[str, dict[str, int]] = {}
    for (label, side), count in sorted(Counter(zip(labels, sides, strict=False)).items(), key=str):
        per_label.setdefault(str(label), dict.fromkeys(SIDES, 0))[side] = count
    largest = max(group_rows.values())
    return {"rows_per_split": {side: rows[side] for side in SIDES}, "rows_per_label": per_label, "groups": len(group_rows), "largest_group": largest}


def _table(use_case: NamedUseCase, records: pa.Table, labels: list[str | None], groups: list[str], sides: list[str]) -> pa.Table:
    schema = splits_schema(use_case)
    columns = {"label": pa.array(labels, pa.string()), "group_id": groups, "split": sides}
    return pa.table({name: columns[name] if name in columns else records[name] for name in schema.names}, schema=schema)
