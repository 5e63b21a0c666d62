"""The labels of all rows as numbers, and what happens to those with too few records, or too few groups of related
records, to stand on all sides."""

from dataclasses import dataclass

import numpy as np

from ft_platform.errors import DataError
from ft_platform.records.columns import SIDES
from ft_platform.records.rows import Rows
from ft_platform.use_case.named import NamedUseCase

OTHER = "other"
SHOWN = 20


@dataclass(frozen=True)
class Labels:
    """The label of each row.

    Attributes:
        names: distinct labels, sorted.
        codes: index into `names`, or -1: none, the row goes. Shape `(rows,)`, dtype int32.
    """

    names: list[str]
    codes: np.ndarray


def read_labels(rows: Rows) -> Labels:
    numbers: dict[str, int] = {}
    codes = [np.empty(0, np.int32)]
    for batch in rows.batches(["label"]):
        encoded = batch.column("label").dictionary_encode()
        known = np.array(
            [*(numbers.setdefault(label, len(numbers)) for label in encoded.dictionary.to_pylist()), -1], np.int32
        )
        codes.append(known[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])
    return _sorted(list(numbers), np.concatenate(codes))


def handle_rare_labels(use_case: NamedUseCase, labels: Labels, groups: np.ndarray) -> Labels:
    """The labels as `splits.rare_labels` wants them.

    Args:
        groups: number of each row's group. Shape `(rows,)`, dtype int32.

    Raises:
        DataError: rare labels and the setting `error`; `other` is itself rare; or fewer than two labels are there.
    """
    settings = use_case.settings.splits
    rare = rare_labels(labels, groups, settings.min_rows_per_label)
    if rare and settings.rare_labels == "error":
        raise _too_rare(
            use_case,
            rare,
            "Set `splits.rare_labels` to `drop` or `other`, lower `splits.min_rows_per_label`, or add records",
        )
    if rare:
        labels = _merged(labels, rare) if settings.rare_labels == "other" else _without(labels, rare)
    if settings.rare_labels == "other" and OTHER in (left := rare_labels(labels, groups, settings.min_rows_per_label)):
        raise _too_rare(use_case, {OTHER: left[OTHER]}, "Set `splits.rare_labels: drop`, or add records")
    present = [labels.names[code] for code in np.unique(labels.codes[labels.codes >= 0]).tolist()]
    if len(present) < 2:
        gone = f"; {len(rare)} rare labels were removed" if rare and settings.rare_labels == "drop" else ""
        raise DataError(
            f"{use_case.name}: there is nothing to learn with {len(present)} label(s) {present}{gone}",
            "Check `record.label` and `splits.rare_labels`",
        )
    return labels


def rare_labels(labels: Labels, groups: np.ndarray, min_rows: int) -> dict[str, tuple[int, int]]:
    """Label -> (records, groups) of the labels with fewer than `min_rows` records or fewer groups than there are
    sides."""
    known = labels.codes >= 0
    rows = np.bincount(labels.codes[known], minlength=len(labels.names))
    pairs = np.unique((labels.codes[known].astype(np.int64) << 32) | groups[known])
    in_groups = np.bincount(pairs >> 32, minlength=len(labels.names))
    rare = np.flatnonzero((rows > 0) & ((rows < min_rows) | (in_groups < len(SIDES))))
    return {labels.names[code]: (int(rows[code]), int(in_groups[code])) for code in rare.tolist()}


def _without(labels: Labels, rare: dict[str, tuple[int, int]]) -> Labels:
    gone = np.array([*(name in rare for name in labels.names), True])
    return Labels(labels.names, np.where(gone[labels.codes], -1, labels.codes).astype(np.int32))


def _merged(labels: Labels, rare: dict[str, tuple[int, int]]) -> Labels:
    names = [*labels.names, *([] if OTHER in labels.names else [OTHER])]
    other = names.index(OTHER)
    new = np.array([*(other if name in rare else code for code, name in enumerate(labels.names)), -1], np.int32)
    return _sorted(names, new[labels.codes])


def _sorted(names: list[str], codes: np.ndarray) -> Labels:
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.full(len(names) + 1, -1, np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    return Labels([names[number] for number in order], place[codes])


def _too_rare(use_case: NamedUseCase, rare: dict[str, tuple[int, int]], next_step: str) -> DataError:
    named = ", ".join(
        f"{label!r} ({rows} records in {groups} groups)" for label, (rows, groups) in list(rare.items())[:SHOWN]
    )
    more = f" and {len(rare) - SHOWN} more" if len(rare) > SHOWN else ""
    minimum = use_case.settings.splits.min_rows_per_label
    return DataError(
        f"{use_case.name}: labels with fewer than {minimum} records (`splits.min_rows_per_label`) or {len(SIDES)}"
        f" groups: {named}{more}",
        next_step,
    )
