"""Records that are for training only: requests to a served model, never more than a share of it, and records that
experts labelled because a model was unsure of them. Neither is a fair sample to test on.

Covered: those related to a validation or test record (same person, same or nearly the same text) are left out, also
where only another request lies between; a record of the source that was asked about before it came is for training.
Not covered: a record of the source that only ever was in the traffic, and that nobody released."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.records.rows import Rows
from ft_platform.splitting.given import related_to_later_side
from ft_platform.splitting.groups import Groups
from ft_platform.splitting.sides import TRAIN, dealing_order


@dataclass(frozen=True)
class Asked:
    """What is known of requests that people released for training, and of other records that are for training only.

    Attributes:
        records: ids of the requests, also of those that are not among the rows.
        repeated: ids of records of the source of which cleaning found a request to be a duplicate.
        labelled: ids of records of the source that experts gave their label.
    """

    records: Collection[str] = ()
    repeated: Collection[str] = ()
    labelled: Collection[str] = ()

    def rows(self, rows: Rows) -> np.ndarray:
        """Which rows are for training only. Shape `(rows,)`, dtype bool."""
        return _among(rows, {*self.records, *self.labelled})

    def request_rows(self, rows: Rows) -> np.ndarray:
        """Which of them are requests. Shape `(rows,)`, dtype bool."""
        return _among(rows, self.records)

    def repeated_rows(self, rows: Rows) -> np.ndarray:
        """Which rows of the source were asked about. Shape `(rows,)`, dtype bool."""
        return _among(rows, self.repeated)


def _among(rows: Rows, ids: Collection[str]) -> np.ndarray:
    if not ids:
        return np.zeros(rows.num_rows, bool)
    wanted = pa.array(sorted(ids), pa.string())
    found = [pc.is_in(batch.column("record_id"), value_set=wanted) for batch in rows.batches(["record_id"])]
    return np.concatenate([np.empty(0, bool), *(one.to_numpy(zero_copy_only=False) for one in found)])


def related_to_held_out(groups: Groups, asked: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which requests are related to a record of the source that is for validation or test. Shape `(rows,)`, dtype bool.

    Args:
        asked: which rows are requests. Shape `(rows,)`, dtype bool.
        known: side of each record of the source, a place in `SIDES`, or -1. Shape `(rows,)`.
    """
    sides = np.where(asked, TRAIN, known).astype(np.int8)
    return related_to_later_side(groups.first, sides, np.ones(len(sides), bool)) & asked


def over_share(groups: Groups, asked: np.ndarray, side: np.ndarray, max_share: float, seed: int) -> np.ndarray:
    """Which requests are more than their share of the training records: the last in the order of a hash of seed and
    record. Shape `(rows,)`, dtype bool."""
    rows = np.flatnonzero(asked & (side == TRAIN))
    others = int((~asked & (side == TRAIN)).sum())
    most = int(max_share / (1 - max_share) * others + 1e-9)
    last = rows[np.argsort(dealing_order(groups.digests[rows], seed), kind="stable")][most:]
    over = np.zeros(len(side), bool)
    over[last] = True
    return over


def without(groups: Groups, rest: Groups, left: np.ndarray) -> Groups:
    """The groups of all rows, where `rest` are those of the rows that are left; the others are alone.

    Args:
        left: shape `(rows,)`, dtype bool.
    """
    first, places = np.arange(len(left), dtype=np.int32), np.flatnonzero(left).astype(np.int32)
    first[places] = places[rest.first]
    return Groups(first, rest.capped, groups.digests)


class SomeRows:
    """Some of the rows (`records.rows.Rows`).

    Args:
        chosen: shape `(rows,)`, dtype bool.
    """

    def __init__(self, rows: Rows, chosen: np.ndarray) -> None:
        self.schema, self.num_rows = rows.schema, int(chosen.sum())
        self._rows, self._chosen = rows, chosen

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in self._rows.batches(columns):
            yield batch.filter(pa.array(self._chosen[start : start + batch.num_rows]))
            start += batch.num_rows
