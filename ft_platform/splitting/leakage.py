"""Whether anything of one side is on another, found from the texts and persons in the table, whatever its `group_id` says.

Covered: records of one person, identical texts (case and white space aside), near duplicates, a group on two sides.
Not covered: paraphrases, and persons whom the source does not identify.
"""

from collections import defaultdict
from collections.abc import Iterable

import pyarrow as pa

from ft_platform.near_duplicates import find_near_duplicates, normalized_text
from ft_platform.records import user_texts
from ft_platform.use_case import NamedUseCase


def leakage(use_case: NamedUseCase, splits: pa.Table) -> dict[str, int | bool]:
    """Counts of what is on more than one side, and `passed`: whether there is none.

    `subjects`: persons (they count only with `splits.group_by_subject`); `identical_texts`: distinct texts;
    `near_duplicate_pairs`: pairs of distinct texts with a Jaccard similarity of at least `splits.near_duplicate_threshold`;
    `groups`: values of `group_id`.
    """
    settings = use_case.settings.splits
    splits = splits.sort_by("record_id")
    sides = splits["split"].to_pylist()
    texts = user_texts(splits["messages"])
    sides_of_text = _sides([normalized_text(text) for text in texts], sides)
    found = {
        "subjects": _on_several_sides(_sides(splits["subject_id"].to_pylist(), sides)) if settings.group_by_subject else 0,
        "identical_texts": _on_several_sides(sides_of_text),
        "near_duplicate_pairs": _near_duplicate_pairs(texts, sides, settings.near_duplicate_threshold),
        "groups": _on_several_sides(_sides(splits["group_id"].to_pylist(), sides)),
    }
    return {**found, "rows": splits.num_rows, "passed": not any(found.values())}


def _sides(values: Iterable[str | None], sides: list[str]) -> dict[str, set[str]]:
    """Value -> sides it is on."""
    found: dict[str, set[str]] = defaultdict(set)
    for value, side in zip(values, sides, strict=True):
        if value is not None:
            found[value].add(side)
    return found


def _on_several_sides(sides_of: dict[str, set[str]]) -> int:
    return sum(len(sides) > 1 for sides in sides_of.values())


def _near_duplicate_pairs(texts: list[str], sides: list[str], threshold: float) -> int:
    """Pairs on two sides. Copies (equal words) are paired with the first of them, which stands for all their sides."""
    found = find_near_duplicates(texts, threshold, stage="splits")
    copies = {j: i for (i, j), similarity in zip(found.pairs.tolist(), found.similarity.tolist(), strict=True) if similarity == 1.0}
    sides_of: dict[int, set[str]] = defaultdict(set)
    for row, side in enumerate(sides):
        sides_of[copies.get(row, row)].add(side)
    crossing = sum(len(sides_of[i] | sides_of[j]) > 1 for i, j in found.pairs.tolist() if j not in copies)
    return crossing + sum(len(sides_of[first]) > 1 for first in set(copies.values()))
