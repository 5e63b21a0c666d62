"""Which rows are the newest of their source key, without holding a row."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.records.key_hashes import key_hashes
from ft_platform.records.rows import Rows

COLUMNS = ("source_key", "ingested_at", "source_position")


def newest_rows(rows: Rows) -> np.ndarray:
    """Whether each row is the newest of its source key; rows without a key all are. Shape `(rows,)`, dtype bool.

    Newest: ingested last; among rows ingested together, the later in the file, then in the table. One pass over
    `source_key`, `ingested_at` and `source_position`; holds 32 bytes a row.
    """
    size = rows.num_rows
    high, low = np.empty(size, np.uint64), np.empty(size, np.uint64)
    ingested, position = np.empty(size, np.int64), np.empty(size, np.int64)
    keyed = np.zeros(size, bool)
    start = 0
    for batch in rows.batches(COLUMNS):
        part = slice(start, start + batch.num_rows)
        hashes = key_hashes(batch.column("source_key"))
        high[part], low[part] = hashes.high, hashes.low
        keyed[part] = pc.is_valid(batch.column("source_key")).to_numpy(zero_copy_only=False)
        ingested[part] = _integers(batch.column("ingested_at"))
        position[part] = _integers(batch.column("source_position"))
        start += batch.num_rows
    newest = np.ones(size, bool)
    candidates = np.flatnonzero(keyed & _repeats(high, keyed))
    # Sorted by key, then by age; the last sort keys count first, and candidates are in the order of the table.
    order = candidates[
        np.lexsort((candidates, position[candidates], ingested[candidates], low[candidates], high[candidates]))
    ]
    is_last = np.ones(len(order), bool)
    is_last[:-1] = (high[order[1:]] != high[order[:-1]]) | (low[order[1:]] != low[order[:-1]])
    newest[order[~is_last]] = False
    return newest


def _integers(column: pa.Array) -> np.ndarray:
    """Values as int64 (microseconds, row numbers); a missing one counts as older than every other."""
    lowest = np.iinfo(np.int64).min
    return pc.fill_null(column.cast(pa.int64()), lowest).to_numpy(zero_copy_only=False)


def _repeats(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Whether each value occurs more than once `among` the values. Most tables have few such keys, and only those are
    sorted."""
    ordered = np.sort(values[among])
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return np.zeros(len(values), bool)
    places = np.minimum(np.searchsorted(repeated, values), len(repeated) - 1)
    return repeated[places] == values
