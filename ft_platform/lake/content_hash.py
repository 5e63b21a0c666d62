"""A hash of rows that does not depend on their order, on batches or on files.

Each row is hashed on its own (BLAKE2b, 256 bits, over an unambiguous text of its values) and the hashes are added
modulo 2^256: a multiset hash (AdHash: Bellare and Micciancio, EUROCRYPT 1997). It tells accidental and careless change;
the per-file sha256 of checkpoints covers bytes.

The text of a value carries its length in bytes (`5:hello`, the style of netstrings), `~` stands for null, and lists,
structs and maps are the texts of their parts in brackets, so no two different rows have the same text. It is built by
arrow for whole columns at once.
"""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

import hashlib
import itertools
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MODULUS = 1 << 256
DIGEST_BYTES = 32
SLICE_ROWS = 8192


class ContentHash:
    """Adds batches, gives the hash of all rows seen.

    Args:
        leave_out: columns that do not count, such as where a row was read from.
        state: `state` of another one, to go on from the rows it has seen.
    """

    def __init__(self, leave_out: Iterable[str] = (), state: str = "") -> None:
        self._leave_out = frozenset(leave_out)
        total, _, rows = state.partition(":")
        self._sum = int(total, 16) if state else 0
        self.rows = int(rows) if state else 0

    @property
    def state(self) -> str:
        """The sum so far and the number of rows: what the hash is made of."""
        return f"{self._sum:064x}:{self.rows}"

    def add(self, batch: pa.RecordBatch | pa.Table) -> None:
        for start in range(0, batch.num_rows, SLICE_ROWS):
            self._add(batch.slice(start, SLICE_ROWS))

    def _add(self, batch: pa.RecordBatch | pa.Table) -> None:
        names = sorted(name for name in batch.schema.names if name not in self._leave_out)
        parts: list[pa.Array | pa.Scalar] = []
        for name in names:
            parts += [_constant(_counted(name.encode())), canonical(_plain(batch.column(name)))]
        texts = (
            pc.binary_join_element_wise(*parts, _constant(b""))
            if parts
            else pa.array([b""] * batch.num_rows, pa.large_binary())
        )
        self._sum = (self._sum + _sum_of_digests(_plain(texts))) % MODULUS
        self.rows += batch.num_rows

    def hexdigest(self) -> str:
        """64 hex digits over the multiset of rows and their number."""
        return hashlib.sha256(self.state.encode()).hexdigest()


def plus(one: str, other: str) -> str:
    """The state of the rows of both; of none it is empty."""
    return _combined(one, other, 1)


def minus(one: str, other: str) -> str:
    """The state of the rows of the first that are not rows of the second."""
    return _combined(one, other, -1)


def _combined(one: str, other: str, sign: int) -> str:
    if not other:
        return one
    totals, rows = zip(*(state.split(":") for state in (one or "0:0", other)), strict=True)
    total = (int(totals[0], 16) + sign * int(totals[1], 16)) % MODULUS
    return f"{total:064x}:{int(rows[0]) + sign * int(rows[1])}"


def _constant(value: bytes) -> pa.Scalar:
    # Not a constant of the module: the first scalar that arrow makes imports pandas, a quarter of a second for programs
    # that hash nothing.
    return pa.scalar(value, pa.large_binary())


def canonical(column: pa.Array) -> pa.Array:
    """The text of each value. Shape `(rows,)`, type large_binary, never null.

    Raises:
        TypeError: a type that no record has.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        return canonical(column.dictionary_decode())
    if pa.types.is_map(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _text_of_lists(column)
    if pa.types.is_struct(kind):
        return _or_null(column, _text_of_structs(column))
    return _or_null(column, _counted_array(_bytes(column)))


def _bytes(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_null(kind):
        return column.cast(pa.large_binary())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.large_string()).cast(pa.large_binary())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return column.cast(pa.large_binary())
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return column.cast(pa.large_string()).cast(pa.large_binary())
    if pa.types.is_floating(kind):  # by bits, so that NaN equals itself and every digit counts
        bits = pa.array(column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False).view(np.int64))
        return bits.cast(pa.large_string()).cast(pa.large_binary())
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64()).cast(pa.large_string()).cast(pa.large_binary())
    if pa.types.is_date(kind):
        return column.cast(pa.date32()).cast(pa.int32()).cast(pa.large_string()).cast(pa.large_binary())
    raise TypeError(f"no canonical form for {kind}")


def _text_of_structs(column: pa.Array) -> pa.Array:
    parts: list[pa.Array | pa.Scalar] = []
    for number in range(column.type.num_fields):
        parts += [
            pa.scalar(_counted(column.type.field(number).name.encode()), pa.large_binary()),
            canonical(column.field(number)),
        ]
    return pc.binary_join_element_wise(_constant(b"{"), *parts, _constant(b"}"), _constant(b""))


def _text_of_lists(column: pa.Array) -> pa.Array:
    """Lists, and maps as lists of their entries in the order they have."""
    if pa.types.is_map(column.type):
        entries = pa.StructArray.from_arrays([column.keys, column.items], names=["key", "value"])
        offsets = pa.array(column.offsets).cast(pa.int32())
    else:
        entries, offsets = column.values, column.offsets.cast(pa.int64()).cast(pa.int32())
    texts = canonical(_plain(entries)).cast(pa.binary())
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), pa.scalar(b"", pa.binary())).cast(
        pa.large_binary()
    )
    return _or_null(column, pc.binary_join_element_wise(_constant(b"["), joined, _constant(b"]"), _constant(b"")))


def _counted(value: bytes) -> bytes:
    return b"%d:%b" % (len(value), value)


def _counted_array(values: pa.Array) -> pa.Array:
    lengths = pc.binary_length(values).cast(pa.large_string()).cast(pa.large_binary())
    return pc.binary_join_element_wise(lengths, _constant(b":"), values, _constant(b""))


def _or_null(column: pa.Array, texts: pa.Array) -> pa.Array:
    return pc.if_else(column.is_valid(), texts, _constant(b"~")) if column.null_count else texts


def _plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _sum_of_digests(texts: pa.Array) -> int:
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return len(texts) * int.from_bytes(hashlib.blake2b(b"", digest_size=DIGEST_BYTES).digest(), "little")
    ends = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1].tolist()
    view = memoryview(data)
    digests = b"".join(
        [hashlib.blake2b(view[a:b], digest_size=DIGEST_BYTES).digest() for a, b in itertools.pairwise(ends)]
    )
    # Added in eight columns of 32 bits: 8,192 rows cannot overflow 64.
    columns = np.frombuffer(digests, dtype="<u4").reshape(-1, 8).sum(axis=0, dtype=np.uint64)
    return sum(int(value) << (32 * place) for place, value in enumerate(columns))
