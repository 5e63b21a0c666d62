"""Finds rows that repeat a source key within one reading. Holds a digest per row (12 bytes), never a key."""

import numpy as np

from ft_platform.errors import SourceError
from ft_platform.sources.digests import DIGEST
from ft_platform.sources.file_format import SHOWN


class Keys:
    """The source keys of all rows read, in order."""

    def __init__(self) -> None:
        self._parts: list[np.ndarray] = []
        self._starts: list[tuple[int, str]] = []
        self._rows = 0

    def start_file(self, uri: str) -> None:
        self._starts.append((self._rows, uri))

    def add(self, keys: np.ndarray) -> None:
        """Digests of the keys of the next rows. Shape `(rows,)`."""
        self._parts.append(keys)
        self._rows += len(keys)

    def error(self, column: str | None) -> SourceError | None:
        """What to raise if a key is there twice. Positions only: an id may be personal data.

        Args:
            column: name of the id column.
        """
        rows, firsts = self._repeated()
        if not len(rows):
            return None
        files = np.unique(self._file_of(np.concatenate([rows, firsts])))
        uris = {self._starts[file][1] for file in files}
        short = {uri: f" of {uri}" if len(uris) > 1 else "" for uri in uris}
        pairs = [
            f"{self._shown(row, short)} repeats {self._shown(first, short)}"
            for row, first in zip(rows[:SHOWN], firsts[:SHOWN], strict=True)
        ]
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        where = "several files" if len(uris) > 1 else next(iter(uris))
        return SourceError(
            f"{where}: {len(rows)} rows have a duplicate id in column {column!r}: {'; '.join(pairs)}{more}",
            "Remove the repeated rows, map another column to record.id, or leave record.id out to identify records by"
            " content",
        )

    def _repeated(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of rows whose key an earlier row has, ascending, and the numbers of the first rows that have it."""
        keys = np.concatenate(self._parts) if self._parts else np.empty(0, DIGEST)
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        is_first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
        first = np.maximum.accumulate(np.where(is_first, np.arange(len(ordered)), 0))
        rows, firsts = order[~is_first], order[first[~is_first]]
        by_row = np.argsort(rows)
        return rows[by_row], firsts[by_row]

    def _file_of(self, rows: np.ndarray) -> np.ndarray:
        """Number of the file that each row was read from."""
        return np.searchsorted([start for start, _ in self._starts], rows, side="right") - 1

    def _shown(self, row: int, short: dict[str, str]) -> str:
        start, uri = self._starts[int(self._file_of(np.array([row]))[0])]
        return f"data row {int(row) - start + 1}{short[uri]}"
