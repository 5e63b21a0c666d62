"""Whether anything of one side is on another, found from the texts and persons in the table, whatever its `group_id`
says.

Covered: records of one person or conversation, identical texts (case and white space aside), near duplicates, a group
on two sides; training records newer than what is tested on, where the division is temporal; texts of the given
benchmarks; paraphrases, where `splits.paraphrases` asks for them, as far as its vectors see them. Not covered: persons
whom the source does not identify."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from ft_platform.records.engines import engine_of
from ft_platform.records.near_duplicates import link_near_duplicates
from ft_platform.records.near_duplicates.copies import repeated_keys, starts_of_equal
from ft_platform.records.near_duplicates.shingle_sets import ShingleSets
from ft_platform.records.rows import Rows
from ft_platform.splitting.benchmark_texts import BenchmarkTexts
from ft_platform.splitting.dates import record_days
from ft_platform.splitting.feedback import Asked
from ft_platform.splitting.groups import grouped_columns, present_keys
from ft_platform.splitting.membership import side_numbers
from ft_platform.splitting.paraphrases import paraphrases
from ft_platform.splitting.sides import TEST, TRAIN, VALIDATION
from ft_platform.splitting.texts import normalized_user_texts, user_texts
from ft_platform.use_case.named import NamedUseCase


def leakage(
    use_case: NamedUseCase,
    rows: Rows,
    folder: Path,
    benchmark: BenchmarkTexts | None = None,
    asked: Asked | None = None,
) -> dict[str, int | bool]:
    """Counts of what is on more than one side, and `passed`: whether there is none. Holds about 100 bytes a row.

    `subjects`: persons (with `splits.group_by_subject`); `feature_<name>`: values of the features of
    `splits.group_by_features`; `identical_texts`: distinct texts; `near_duplicate_pairs`: pairs of distinct texts with
    a Jaccard similarity of at least `splits.near_duplicate_threshold`; `groups`: values of `group_id`;
    `newer_than_tested`: records that are newer than a group of a later side (`splits.strategy: temporal`);
    `benchmark_texts`: records that hold one; `paraphrase_pairs`: pairs of distinct texts with a cosine of at least
    `splits.paraphrase_similarity` (unless `splits.paraphrases` is `ignore`), near duplicates among them;
    `requests_held_out`: requests to a served model that are not for training (with `asked`). `rows_with_person`:
    records that name a person, for the others cannot be told from each other.

    Args:
        rows: a version of `splits`.
        folder: private folder for intermediate files, which are removed at the end.
        benchmark: texts that no record may hold.
        asked: which records were requests to a served model.

    Raises:
        DataError: a row is on none of the three sides.
    """
    settings = use_case.settings.splits
    numbers = side_numbers(rows)
    sides = np.left_shift(1, numbers).astype(np.uint8)
    found = {
        "subjects" if name == "subject_id" else name: _on_several_sides(_column(rows, name), sides)
        for name in grouped_columns(settings)
    }
    found |= {
        "identical_texts": _on_several_sides(normalized_user_texts(rows), sides),
        "near_duplicate_pairs": _near_duplicate_pairs(rows, sides, settings.near_duplicate_threshold, folder),
        "groups": _on_several_sides(_column(rows, "group_id"), sides),
    }
    if settings.paraphrases != "ignore":
        pairs = paraphrases(settings, rows, engine_of(use_case.settings.compute), folder)
        found["paraphrase_pairs"] = sum(int(np.count_nonzero(numbers[i] != numbers[j])) for i, j in pairs)
    if settings.strategy == "temporal":
        found["newer_than_tested"] = _newer_than_tested(use_case, rows, numbers)
    if asked:
        found["requests_held_out"] = int((asked.rows(rows) & (numbers != TRAIN)).sum())
    if benchmark:
        found["benchmark_texts"] = int(benchmark.held_by(rows).sum())
    named = sum(len(column) - column.null_count for column in _column(rows, "subject_id"))
    return {**found, "rows": rows.num_rows, "rows_with_person": named, "passed": not any(found.values())}


def _column(rows: Rows, name: str) -> Iterable[pa.Array]:
    return (batch.column(name) for batch in rows.batches([name]))


def _on_several_sides(keys: Iterable[pa.Array], sides: np.ndarray) -> int:
    """Number of distinct keys that stand on more than one side. A missing key is none."""
    hashes, present = present_keys(keys, len(sides))
    sides = sides[present]
    found = 0
    for rows in repeated_keys(hashes):
        rows = rows[np.lexsort((hashes.low[rows], hashes.high[rows]))]
        if len(rows):
            together = np.bitwise_or.reduceat(sides[rows], np.flatnonzero(starts_of_equal(hashes[rows])))
            found += int(np.count_nonzero(np.bitwise_count(together) > 1))
    return found


def _newer_than_tested(use_case: NamedUseCase, rows: Rows, sides: np.ndarray) -> int:
    """Records newer than the newest record of some group of a later side: knowledge from after what is tested."""
    days = record_days(use_case.name, rows)
    hashes, _ = present_keys(_column(rows, "group_id"), rows.num_rows)
    _, group = np.unique(hashes.high, return_inverse=True)
    newest = np.zeros(group.max(initial=0) + 1, np.int32)
    np.maximum.at(newest, group, days)
    too_new = np.zeros(len(days), bool)
    for earlier, later in ((TRAIN, VALIDATION), (TRAIN, TEST), (VALIDATION, TEST)):
        border = newest[group[sides == later]].min(initial=np.iinfo(np.int32).max)
        too_new |= (sides == earlier) & (days > border)
    return int(too_new.sum())


class CrossingPairs:
    """Counts near duplicates on two sides (`records.near_duplicates.links.Links`).

    Args:
        first: first text with the same set of words of each; it stands for all sides of its copies. Shape `(texts,)`.
        sides: side of each text as a bit.

    Attributes:
        count: texts whose copies are on several sides, and pairs of distinct texts of which one is on another side.
    """

    def __init__(self, first: np.ndarray, sides: np.ndarray) -> None:
        self._first = first
        self._sides = sides.copy()
        np.bitwise_or.at(self._sides, first, sides)
        self.count = int(
            np.count_nonzero(np.bitwise_count(self._sides[first == np.arange(len(first), dtype=np.int32)]) > 1)
        )

    def wanted(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return (self._first[j] != i) & (np.bitwise_count(self._sides[i] | self._sides[j]) > 1)

    def add(self, i: np.ndarray, j: np.ndarray, similarity: np.ndarray) -> None:
        self.count += int(np.count_nonzero(self.wanted(i, j)))


def _near_duplicate_pairs(rows: Rows, sides: np.ndarray, threshold: float, folder: Path) -> int:
    crossing: list[CrossingPairs] = []

    def links(sets: ShingleSets) -> list[CrossingPairs]:
        crossing.append(CrossingPairs(sets.first, sides))
        return crossing

    link_near_duplicates(lambda: user_texts(rows), rows.num_rows, threshold, folder, "splits", links)
    return crossing[0].count
