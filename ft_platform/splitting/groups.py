"""Records that must stay on one side: those of one person or conversation, with the same text, nearly the same text, or
a paraphrase of it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ft_platform.records.engines import Engine
from ft_platform.records.key_hashes import KeyHashes, collected, key_hashes
from ft_platform.records.near_duplicates import by_row, find_near_duplicates_stream, rank_of
from ft_platform.records.near_duplicates.copies import first_of_equal
from ft_platform.records.near_duplicates.links import Clusters
from ft_platform.records.rows import Rows
from ft_platform.splitting.paraphrases import paraphrases
from ft_platform.splitting.texts import normalized_user_texts, user_texts
from ft_platform.use_case.settings.splits import Splits

NAME_BYTES = 8


@dataclass(frozen=True)
class Groups:
    """The group of each row.

    A group is named by a hash of its smallest record_id, so it does not depend on the order of the records.

    Attributes:
        first: row of the smallest record_id of the group. Shape `(rows,)`, dtype int32.
        capped: buckets of near duplicates so full that not all of their pairs were looked at.
        digests: hash of each row's record_id. Shape `(rows,)`, dtype uint64.
    """

    first: np.ndarray
    capped: int
    digests: np.ndarray

    def names(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Values of `group_id` of the rows from `start` to before `stop`."""
        return [f"{digest:016x}" for digest in self.digests[self.first[start:stop]].tolist()]


def find_groups(settings: Splits, rows: Rows, folder: Path, engine: Engine) -> Groups:
    """The groups of all rows; holds about 70 bytes a row beside 0.4 GB, and no text.

    Args:
        settings: threshold of near duplicates, and what else keeps records together.
        rows: needs `record_id`, `messages` and `grouped_columns`.
        folder: private folder for intermediate files, which are removed at the end.
        engine: where vectors are computed, for `splits.paraphrases`.
    """
    order = rank_of(batch.column("record_id") for batch in rows.batches(["record_id"]))
    near = find_near_duplicates_stream(
        lambda: user_texts(rows), rows.num_rows, settings.near_duplicate_threshold, folder, "splits", order=order
    )
    groups = Clusters(rows.num_rows)
    groups.link(order, order[near.cluster])
    _link(groups, order, first_of_equal(collected(normalized_user_texts(rows), rows.num_rows)))
    for column in grouped_columns(settings):
        _link(groups, order, _same_value(rows, column))
    if settings.paraphrases != "ignore":
        for i, j in paraphrases(settings, rows, engine, folder):
            groups.link(order[i], order[j])
    return Groups(by_row(groups.smallest(), order), near.capped, _digests(rows))


def _link(groups: Clusters, order: np.ndarray, first: np.ndarray) -> None:
    repeats = np.flatnonzero(first >= 0)
    groups.link(order[repeats], order[first[repeats]])


def grouped_columns(settings: Splits) -> list[str]:
    """Columns whose equal values keep records on one side."""
    return [
        *(["subject_id"] if settings.group_by_subject else []),
        *(f"feature_{name}" for name in settings.group_by_features),
    ]


def _same_value(rows: Rows, name: str) -> np.ndarray:
    """Row of the first record with the same value of a column, or -1: there is none, or the value is missing."""
    hashes, known = present_keys((batch.column(0) for batch in rows.batches([name])), rows.num_rows)
    found = first_of_equal(hashes)
    first = np.full(rows.num_rows, -1, np.int32)
    first[known] = np.where(found >= 0, known[found], -1)
    return first


def present_keys(columns: Iterable[pa.Array], rows: int) -> tuple[KeyHashes, np.ndarray]:
    """Hashes of the values that are not missing, and the rows they stand in. `rows`: how many there are, with missing
    ones."""
    high, low, present = np.empty(rows, np.uint64), np.empty(rows, np.uint64), np.empty(rows, np.int32)
    start = count = 0
    for column in columns:
        valid = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        hashes = key_hashes(column.drop_null())
        part = slice(count, count + len(valid))
        high[part], low[part], present[part] = hashes.high, hashes.low, valid + start
        start, count = start + len(column), part.stop
    return KeyHashes(high[:count], low[:count]), present[:count]


def _digests(rows: Rows) -> np.ndarray:
    digests = np.empty(rows.num_rows, np.uint64)
    start = 0
    for batch in rows.batches(["record_id"]):
        made = [
            hashlib.blake2b(record_id.encode(), digest_size=NAME_BYTES).digest()
            for record_id in batch.column("record_id").to_pylist()
        ]
        digests[start : start + batch.num_rows] = np.frombuffer(b"".join(made), ">u8")
        start += batch.num_rows
    return digests
