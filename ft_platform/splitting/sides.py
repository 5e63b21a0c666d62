"""Which side each group of related records goes to.

`random`: within a label, groups are dealt out in the order of a hash of seed and group, not by place in the table. Test
is filled first, then validation; train takes the rest. A group that has a side already keeps it, so more data moves
nothing. `temporal`: the groups whose newest record is newest go to test, those before them to validation.
`given`: the records say it; validation is dealt from train where they name none for it.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from ft_platform.errors import DataError
from ft_platform.records.columns import SIDES
from ft_platform.splitting.labels import Labels
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.splits import SMALLEST_TRAIN_SHARE

TRAIN, VALIDATION, TEST = range(len(SIDES))
"""Sides as numbers: places in `SIDES`."""
NONE = -1
AT_ONCE = 1 << 16
LABELS_SHOWN = 20


@dataclass(frozen=True)
class GroupTable:
    """All groups of the records that are kept. Shapes `(groups,)`, but for the labels: one entry for each label of each
    group.

    Attributes:
        rows: records in the group.
        order: place in which groups are dealt out; equal for equal seeds and records, whatever the order of the table.
        label_group: group of each entry, ascending.
        label: code of its label.
        label_rows: records of the group with that label.
    """

    rows: np.ndarray
    order: np.ndarray
    label_group: np.ndarray
    label: np.ndarray
    label_rows: np.ndarray

    def strata(self) -> np.ndarray:
        """The most frequent label of each group; of several, the first in the alphabet. Shape `(groups,)`."""
        by_count = np.lexsort((self.label, -self.label_rows, self.label_group))
        first = by_count[np.flatnonzero(np.diff(self.label_group, prepend=-1))]
        return self.label[first]


def group_table(digests: np.ndarray, group: np.ndarray, codes: np.ndarray, seed: int) -> GroupTable:
    """The table of groups.

    Args:
        digests: hash of the record_id that names each group. Shape `(groups,)`, dtype uint64.
        group: number of each record's group. Shape `(records,)`.
        codes: label of each record as a number from 0. Shape `(records,)`.
    """
    pairs, counts = np.unique((group.astype(np.int64) << 32) | codes, return_counts=True)
    rows = np.bincount(group, minlength=len(digests))
    return GroupTable(
        rows,
        dealing_order(digests, seed),
        (pairs >> 32).astype(np.int32),
        (pairs & 0xFFFFFFFF).astype(np.int32),
        counts,
    )


def dealing_order(digests: np.ndarray, seed: int) -> np.ndarray:
    order = np.empty(len(digests), np.uint64)
    for start in range(0, len(digests), AT_ONCE):
        part = digests[start : start + AT_ONCE].tolist()
        made = b"".join(
            [hashlib.blake2b(f"{seed}:{digest:016x}".encode(), digest_size=16).digest()[:8] for digest in part]
        )
        order[start : start + len(part)] = np.frombuffer(made, ">u8")
    return order


def shares(use_case: NamedUseCase, rows: int) -> dict[int, float]:
    """Side -> share of the records, of test and validation.

    Raises:
        DataError: `test_rows` or `validation_rows` leave too little for training.
    """
    settings = use_case.settings.splits
    test = settings.test_fraction if settings.test_rows is None else settings.test_rows / rows
    validation = settings.validation_fraction if settings.validation_rows is None else settings.validation_rows / rows
    if test + validation > 1 - SMALLEST_TRAIN_SHARE + 1e-9:
        raise DataError(
            f"{use_case.name}: {round(test * rows)} test and {round(validation * rows)} validation records of {rows}"
            f" leave less than {SMALLEST_TRAIN_SHARE:.0%} for training",
            "Lower `splits.test_rows` and `splits.validation_rows`, or add records",
        )
    return {TEST: test, VALIDATION: validation}


def random_sides(
    use_case: NamedUseCase, table: GroupTable, fixed: np.ndarray, labels: Labels, stays: np.ndarray
) -> np.ndarray:
    """The side of each group. Shape `(groups,)`, dtype int8.

    Args:
        fixed: side that each group has already, or -1. Shape `(groups,)`, dtype int8.
        labels: names for messages.
        stays: groups that may not leave the side they have. Shape `(groups,)`, dtype bool.

    Raises:
        DataError: there are fewer groups than sides, or a label cannot stand on every side.
    """
    _require_groups(use_case, table)
    wanted = shares(use_case, int(table.rows.sum()))
    sides = fixed.copy()
    _deal_by_label(use_case, table, wanted, sides)
    _put_every_label_on_every_side(use_case, table, sides, np.where(stays, VALIDATION, fixed), labels)
    return sides


def _deal_by_label(
    use_case: NamedUseCase,
    table: GroupTable,
    wanted: dict[int, float],
    sides: np.ndarray,
    among: np.ndarray | None = None,
) -> None:
    """Gives each group without a side one, so that each side of `wanted` has its share: of each label's records with
    `splits.stratify`.

    Args:
        among: the groups that are dealt and counted. Shape `(groups,)`, dtype bool. Default: all.
    """
    strata = table.strata() if use_case.settings.splits.stratify else np.zeros(len(table.rows), np.int32)
    order = np.lexsort((table.order, strata))
    order = order if among is None else order[among[order]]
    borders = np.flatnonzero(np.diff(strata[order], prepend=-1, append=np.iinfo(np.int32).max))
    for start, stop in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        _deal(table.rows, order[start:stop], wanted, sides)


def _deal(rows: np.ndarray, groups: np.ndarray, wanted: dict[int, float], sides: np.ndarray) -> None:
    """Gives each side groups until it has its share; a group that would overshoot by more than half of itself goes on
    to the next."""
    total = int(rows[groups].sum())
    missing = {
        side: max(1.0, share * total) - int(rows[groups[sides[groups] == side]].sum()) for side, share in wanted.items()
    }
    free = groups[sides[groups] == NONE]
    sides[free] = TRAIN
    for start in range(0, len(free), AT_ONCE):
        part = free[start : start + AT_ONCE]
        for group, size in zip(part.tolist(), rows[part].tolist(), strict=True):
            side = next((side for side, left in missing.items() if left > 0 and left >= size / 2), TRAIN)
            if side != TRAIN:
                missing[side] -= size
                sides[group] = side
        if max(missing.values()) <= 0:
            return


def _put_every_label_on_every_side(
    use_case: NamedUseCase, table: GroupTable, sides: np.ndarray, fixed: np.ndarray, labels: Labels
) -> None:
    """Moves the smallest groups that help, without taking the last of any label from another side. Groups without a
    fixed side go first, then those of train; what is fixed for validation or test stays."""
    holders = np.zeros((len(labels.names), len(SIDES)), np.int64)
    np.add.at(holders, (table.label, sides[table.label_group]), 1)
    for code in np.unique(table.label).tolist():
        for side in range(len(SIDES)):
            if holders[code, side]:
                continue
            moved = _movable(table, sides, fixed, holders, code)
            if moved is None:
                label = f"label {labels.names[code]!r}" if labels.names[code] else "a record"
                raise DataError(
                    f"{use_case.name}: {label} cannot be put on side {SIDES[side]}: its records belong to groups that"
                    " other labels need elsewhere",
                    "Add records of this label, or check `record.subject` and `splits.near_duplicate_threshold`",
                )
            own = table.label[table.label_group == moved]
            holders[own, sides[moved]] -= 1
            holders[own, side] += 1
            sides[moved] = side


def _movable(table: GroupTable, sides: np.ndarray, fixed: np.ndarray, holders: np.ndarray, code: int) -> int | None:
    """The best group with this label to move, or None."""
    spare = holders[table.label, sides[table.label_group]] > 1
    starts = np.flatnonzero(np.diff(table.label_group, prepend=-1))
    all_spare = np.logical_and.reduceat(spare, starts)
    with_label = table.label_group[table.label == code]
    candidates = with_label[all_spare[with_label] & (fixed[with_label] <= TRAIN)]
    if not len(candidates):
        return None
    return int(candidates[np.lexsort((table.order[candidates], table.rows[candidates], fixed[candidates]))[0]])


def temporal_sides(use_case: NamedUseCase, table: GroupTable, newest: np.ndarray) -> np.ndarray:
    """The side of each group. Shape `(groups,)`, dtype int8.

    Args:
        newest: day of the newest record of each group (`dates.days`). Shape `(groups,)`.

    Raises:
        DataError: there are fewer groups than sides.
    """
    _require_groups(use_case, table)
    wanted = shares(use_case, int(table.rows.sum()))
    from_newest = np.lexsort((table.order, -newest))
    passed = np.cumsum(table.rows[from_newest])
    test = _border(passed, wanted[TEST] * passed[-1], 1, len(passed) - 2)
    validation = _border(passed, (wanted[TEST] + wanted[VALIDATION]) * passed[-1], test + 1, len(passed) - 1)
    sides = np.full(len(newest), TRAIN, np.int8)
    sides[from_newest[:test]] = TEST
    sides[from_newest[test:validation]] = VALIDATION
    return sides


def completed_sides(
    use_case: NamedUseCase, table: GroupTable, given: np.ndarray, labels: Labels, stays: np.ndarray
) -> np.ndarray:
    """The side of each group where the records say it. Shape `(groups,)`, dtype int8.

    Args:
        given: side that all records of each group name. Shape `(groups,)`, dtype int8.
        labels: names for messages.
        stays: groups that may not leave training for validation. Shape `(groups,)`, dtype bool.

    Raises:
        DataError: no record is for training, or none for test; validation would take nearly all of train; a label is
            tested but never trained.
    """
    settings = use_case.settings.splits
    for side in (TRAIN, TEST):
        if not (given == side).any():
            raise DataError(
                f"{use_case.name}: `splits.given_by` puts no record on side {SIDES[side]}",
                "Check the feature that it names",
            )
    sides = given.copy()
    if not (given == VALIDATION).any():
        train = int(table.rows[given == TRAIN].sum())
        share = settings.validation_fraction if settings.validation_rows is None else settings.validation_rows / train
        if share > 1 - SMALLEST_TRAIN_SHARE:
            raise DataError(
                f"{use_case.name}: {settings.validation_rows} validation records of {train} leave less than"
                f" {SMALLEST_TRAIN_SHARE:.0%} for training",
                "Lower `splits.validation_rows`, or give the validation records, too",
            )
        sides[(given == TRAIN) & ~stays] = NONE
        _deal_by_label(use_case, table, {VALIDATION: share}, sides, among=given == TRAIN)
        if not (sides == VALIDATION).any():
            raise DataError(
                f"{use_case.name}: no group of training records is small enough for validation",
                "Give the validation records, too",
            )
    untrained = np.setdiff1d(table.label, table.label[sides[table.label_group] == TRAIN])
    if len(untrained):
        names = ", ".join(repr(labels.names[code]) for code in untrained[:LABELS_SHOWN].tolist())
        raise DataError(
            f"{use_case.name}: no training record has the label(s) {names}",
            "Add such records, or remove the label from the other sides",
        )
    return sides


def _border(passed: np.ndarray, rows: float, least: int, most: int) -> int:
    """How many groups come nearest to so many rows.

    Args:
        passed: rows in the first group, in the first two, and so on.
    """
    above = int(np.searchsorted(passed, rows))
    nearest = (
        above + 1 if above < len(passed) and (above == 0 or passed[above] - rows <= rows - passed[above - 1]) else above
    )
    return min(max(nearest, least), most)


def _require_groups(use_case: NamedUseCase, table: GroupTable) -> None:
    if len(table.rows) < len(SIDES):
        raise DataError(
            f"{use_case.name}: the records form {len(table.rows)} group(s) of related records, at least {len(SIDES)}"
            " are needed",
            "Check `record.subject` and `splits.near_duplicate_threshold`",
        )
