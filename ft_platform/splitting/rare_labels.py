"""Labels with too few records, or too few groups of related records, to stand on all three sides."""

from collections import Counter, defaultdict

from ft_platform.errors import DataError
from ft_platform.records import SIDES
from ft_platform.use_case import NamedUseCase

OTHER = "other"
SHOWN = 20


def handle_rare_labels(use_case: NamedUseCase, labels: list[str | None], groups: list[str]) -> list[str | None]:
    """The label of each record as `splits.rare_labels` wants it; None: the record goes.

    Raises:
        DataError: rare labels and the setting `error`; `other` is itself rare; or fewer than two labels are there.
    """
    settings = use_case.settings.splits
    rare = rare_labels(labels, groups, settings.min_rows_per_label)
    if rare and settings.rare_labels == "error":
        raise _too_rare(use_case, rare, "Set `splits.rare_labels` to `drop` or `other`, lower `splits.min_rows_per_label`, or add records")
    if settings.rare_labels == "other":
        labels = [OTHER if label in rare else label for label in labels]
        if OTHER in (left := rare_labels(labels, groups, settings.min_rows_per_label)):
            raise _too_rare(use_case, {OTHER: left[OTHER]}, "Set `splits.rare_labels: drop`, or add records")
    else:
        labels = [None if label in rare else label for label in labels]
    left = {label for label in labels if label is not None}
    if len(left) < 2:
        gone = f"; {len(rare)} rare labels were removed" if rare and settings.rare_labels == "drop" else ""
        raise DataError(
            f"{use_case.name}: there is nothing to learn with {len(left)} label(s) {sorted(left)}{gone}", "Check `record.label` and `splits.rare_labels`"
        )
    return labels


def rare_labels(labels: list[str | None], groups: list[str], min_rows: int) -> dict[str, tuple[int, int]]:
    """Label -> (records, groups) of the labels with fewer than `min_rows` records or fewer groups than there are sides."""
    rows = Counter(label for label in labels if label is not None)
    in_groups: dict[str, set[str]] = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        if label is not None:
            in_groups[label].add(group)
    found = {label: (count, len(in_groups[label])) for label, count in rows.items()}
    return {label: numbers for label, numbers in sorted(found.items()) if numbers[0] < min_rows or numbers[1] < len(SIDES)}


def _too_rare(use_case: NamedUseCase, rare: dict[str, tuple[int, int]], next_step: str) -> DataError:
    named = ", ".join(f"{label!r} ({rows} records in {groups} groups)" for label, (rows, groups) in list(rare.items())[:SHOWN])
    more = f" and {len(rare) - SHOWN} more" if len(rare) > SHOWN else ""
    minimum = use_case.settings.splits.min_rows_per_label
    return DataError(
        f"{use_case.name}: labels with fewer than {minimum} records (`splits.min_rows_per_label`) or {len(SIDES)} groups: {named}{more}", next_step
    )
