"""What `raw_records` holds already, as sorted arrays: 36 bytes for a record with a source key, 12 for one without."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.records.columns import is_traffic
from ft_platform.records.rows import Rows
from ft_platform.sources.digests import DIGEST, from_hex, places_in, text_digests

COLUMNS = ("record_id", "source_key", "ingested_at", "source_position")


@dataclass(frozen=True)
class KnownRecords:
    """Ids that were given out, and which of them are the newest of their source key.

    Attributes:
        ids: every id, ascending. Shape `(rows,)`.
        keys: digests of the source keys, ascending. Shape `(keys,)`.
        newest: id of the newest row of each of `keys`. Shape `(keys,)`.
        without_key: ids of rows that have no source key, ascending.
    """

    ids: np.ndarray
    keys: np.ndarray
    newest: np.ndarray
    without_key: np.ndarray

    @classmethod
    def none(cls) -> "KnownRecords":
        empty = np.empty(0, DIGEST)
        return cls(empty, empty, empty, empty)

    @classmethod
    def of(cls, rows: Rows) -> "KnownRecords":
        """Of a `raw_records` table. Newest: as `records.newest_rows` has it."""
        parts: dict[str, list[np.ndarray]] = {
            name: [] for name in ("ids", "keys", "keyed_ids", "times", "positions", "without_key")
        }
        for batch in rows.batches(COLUMNS):
            ids = from_hex(batch.column("record_id"))
            keyed = pc.is_valid(batch.column("source_key"))
            mask = keyed.to_numpy(zero_copy_only=False)
            parts["ids"].append(ids)
            parts["without_key"].append(ids[~mask])
            parts["keyed_ids"].append(ids[mask])
            parts["keys"].append(text_digests(batch.column("source_key").filter(keyed)))
            parts["times"].append(_integers(batch.column("ingested_at").filter(keyed)))
            parts["positions"].append(_integers(batch.column("source_position").filter(keyed)))
        if not parts["ids"]:
            return cls.none()
        joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
        order = np.lexsort(
            (joined.pop("positions"), joined.pop("times"), joined["keys"])
        )  # stable: the later in the table wins a tie
        keys = joined.pop("keys")[order]
        last = np.append(keys[1:] != keys[:-1], True) if len(keys) else np.empty(0, bool)
        return cls(np.sort(joined["ids"]), keys[last], joined["keyed_ids"][order][last], np.sort(joined["without_key"]))

    def contains(self, ids: np.ndarray) -> np.ndarray:
        """Whether each id was given out. Shape `(len(ids),)`."""
        return places_in(self.ids, ids)[1]

    def newest_of(self, keys: np.ndarray) -> np.ndarray:
        """Id of the newest row of each key, empty where the key is new. Shape `(len(keys),)`."""
        places, there = places_in(self.keys, keys)
        found = np.zeros(len(keys), DIGEST)
        found[there] = self.newest[places[there]]
        return found


def known_rows_left(rows: Rows, present: np.ndarray | None, with_traffic: bool) -> Iterator[pa.RecordBatch]:
    """Rows of a `raw_records` table that are still there.

    Args:
        present: ids of what the source still has, ascending digests; None: all.
        with_traffic: whether requests to a served model are still there.
    """
    for batch in rows.batches():
        traffic = is_traffic(batch.column("source_uri")).to_numpy(zero_copy_only=False)
        there = np.ones(len(traffic), bool)
        if present is not None:
            there = places_in(present, from_hex(batch.column("record_id")))[1]
        left = batch.filter(pa.array(np.where(traffic, with_traffic, there)))
        if left.num_rows:
            yield left


def distinct_ids(rows: Rows) -> tuple[int, int]:
    """How many rows a table has and how many different record ids. 12 bytes of memory a row."""
    ids = np.concatenate(
        [np.empty(0, DIGEST), *[from_hex(batch.column("record_id")) for batch in rows.batches(["record_id"])]]
    )
    ids.sort()
    return len(ids), int((ids[1:] != ids[:-1]).sum()) + min(1, len(ids))


def _integers(column: Any) -> np.ndarray:
    return pc.fill_null(pc.cast(column, "int64"), 0).to_numpy(zero_copy_only=False)
