"""The identity of a record: the same for the same content, whatever file it comes from and whenever it is read."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.sources.digests import DIGEST, DigestCounts, digest, digests, occurrences
from ft_platform.sources.known_records import KnownRecords
from ft_platform.sources.mapping import MappedRows


class RecordIds:
    """Gives out record ids for one use case.

    The id is a hash of use case, source key and all mapped fields, so a changed row gets a new id and an unchanged one
    keeps its own. Identical rows without a source key are told apart by counting them per file.

    Args:
        use_case: its name.
        keep_all: all ids are asked for at the end (`all_given`).
    """

    def __init__(self, use_case: str, keep_all: bool = False) -> None:
        self._use_case = use_case
        self._known = KnownRecords.none()
        self._given = DigestCounts()
        self._seen_in_file = DigestCounts()
        self._all: list[np.ndarray] | None = [] if keep_all else None

    def start(self, known: KnownRecords) -> None:
        """Args:
        known: what was given out before. A row that returns to an older content gets a new id, so that it can supersede
        the newest."""
        self._known = known

    def start_file(self) -> None:
        self._seen_in_file = DigestCounts()

    def of(self, rows: MappedRows, keys: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The id of each row, and whether it is new.

        Args:
            keys: digests of the source keys, or None where no id column is mapped. Shape `(rows,)`.

        Returns:
            ids of dtype `S12` and new of dtype bool, both of shape `(rows,)`.
        """
        contents = digests(canonical(self._use_case, rows).to_pylist())
        ids, new = self._without_key(contents) if keys is None else self._with_key(contents, keys)
        if self._all is not None:
            self._all.append(ids)
        return ids, new

    def all_given(self) -> np.ndarray:
        """Ids of all rows, new and known, each once, ascending."""
        return np.unique(np.concatenate([np.empty(0, DIGEST), *(self._all or [])]))

    def _with_key(self, contents: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ids = contents.copy()
        known = self._known.contains(ids)
        newest = self._known.newest_of(keys)
        for row in np.flatnonzero(known & (newest != b"") & (ids != newest)).tolist():
            ids[row], known[row] = self._next_id(bytes_of(contents, row), newest[row])
        return ids, ~known

    def _without_key(self, contents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = self._seen_in_file.of(contents) + occurrences(contents)
        self._seen_in_file.add(contents)
        ids = contents.copy()
        for row in np.flatnonzero(counts).tolist():
            ids[row] = numbered(bytes_of(contents, row), int(counts[row]))
        new = ~self._known.contains(ids) & (self._given.of(ids) == 0)
        self._given.add(ids[new])
        return ids, new

    def _next_id(self, content: bytes, newest: bytes) -> tuple[bytes, bool]:
        """The first id for this content that was not given out, or that of the newest row; and whether it was given
        out."""
        count = 0
        while True:
            count += 1
            candidate = np.array([numbered(content, count)], DIGEST)
            if candidate[0] == newest:
                return candidate[0], True
            if not self._known.contains(candidate)[0]:
                return candidate[0], False


def numbered(content: bytes, count: int) -> bytes:
    """Digest of the `count`-th row with this content; the first keeps the content's own."""
    return digest(content + count.to_bytes(8, "big")) if count else content


def bytes_of(values: np.ndarray, row: int) -> bytes:
    """All 12 bytes of one digest: numpy leaves out zero bytes at the end."""
    return values[row : row + 1].tobytes()


def canonical(use_case: str, rows: MappedRows) -> pa.Array:
    """One text per row that differs whenever key, messages or fields differ: every part with its length before it.
    Binary."""
    flat = rows.messages.flatten()
    message = _joined([_sized(flat.field("role")), _sized(flat.field("content"))])
    conversation = pa.ListArray.from_arrays(pc.cast(rows.messages.offsets, pa.int32()), message)
    parts = [_sized(column) for column in ([] if rows.keys is None else [rows.keys])]
    parts += [_sized(pc.binary_join(conversation, b"")), *[_sized(column) for column in rows.fields.values()]]
    return _joined([pa.scalar(f"{len(use_case)}:{use_case}".encode(), pa.binary()), *parts])


def _sized(column: pa.Array) -> pa.Array:
    """`5:hello`; `-` for null."""
    octets = pc.cast(column, pa.binary())
    lengths = pc.cast(pc.cast(pc.binary_length(octets), pa.string()), pa.binary())
    return pc.fill_null(pc.binary_join_element_wise(lengths, b":", octets, b""), b"-")


def _joined(parts: list[pa.Array | pa.Scalar]) -> pa.Array:
    return pc.binary_join_element_wise(*parts, b"")
