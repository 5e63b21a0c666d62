"""A hash of rows that does not depend on their order, on batches or on files.

Each row is hashed on its own (BLAKE2b, 256 bits, over its canonical JSON) and the hashes are added modulo 2^256: a multiset
hash (AdHash: Bellare and Micciancio, EUROCRYPT 1997). It tells accidental and careless change; the per-file sha256 of
checkpoints covers bytes.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import pyarrow as pa

MODULUS = 1 << 256


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"no canonical form for {type(value).__name__}")


class ContentHash:
    """Adds batches, gives the hash of all rows seen.

    Args:
        leave_out: columns that do not count, such as where a row was read from.
    """

    def __init__(self, leave_out: Iterable[str] = ()) -> None:
        self._leave_out = frozenset(leave_out)
        self._sum = 0
        self.rows = 0

    def add(self, batch: pa.RecordBatch | pa.Table) -> None:
        names = sorted(name for name in batch.schema.names if name not in self._leave_out)
        total = 0
        for row in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
            text = json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, separators=(",", ":"), default=_plain)
            total += int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=32).digest(), "big")
        self._sum = (self._sum + total) % MODULUS
        self.rows += batch.num_rows

    def hexdigest(self) -> str:
        """64 hex digits over the multiset of rows and their number."""
        return hashlib.sha256(f"{self._sum:064x}:{self.rows}".encode()).hexdigest()
