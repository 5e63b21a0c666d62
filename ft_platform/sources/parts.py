"""What a source consists of: files, or one table. A part is read whole, or not at all where its hash is known."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from ft_platform.sources.budget import Budget
from ft_platform.sources.file_format import Opened
from ft_platform.sources.text_encoding import FoundEncoding
from ft_platform.use_case.settings.source import RecordMapping, Source


@dataclass(frozen=True)
class Order:
    """How a part is to be read.

    Attributes:
        record: the mapping; None reads every column.
        folder: private folder for copies and for what is unpacked.
        budget: of the whole reading.
        mark: of a table with a high-water column, the value up to which its rows are known.
    """

    source: Source
    record: RecordMapping | None
    folder: Path
    budget: Budget
    mark: str | None = None

    def opened(self, name: str) -> Opened:
        """What a reader of a table is asked to read."""
        return Opened(name, **self.asked())

    def asked(self) -> dict[str, Any]:
        """What every reader is told, as arguments of `Opened`."""
        return {
            "mapped": self.record.columns() if self.record else [],
            "optional": frozenset(self.record.optional_columns if self.record else ()),
            "settings": self.source,
            "budget": self.budget,
            "all_columns": self.record is None,
        }


@dataclass
class Piece:
    """A file, a member of an archive or a table, opened.

    Attributes:
        opened: what it is called, and what it turned out to lack once `batches` is used up.
        batches: its rows, as `formats.Format.read` gives them.
        mark: of a table with a high-water column, the highest value; known once `batches` is used up.
        encoding: of a text file.
    """

    opened: Opened
    batches: Iterator[pa.RecordBatch]
    encoding: FoundEncoding | None = None
    marks: list[str] = field(default_factory=list)


class Part(Protocol):
    """A file or a table.

    Attributes:
        uri: its name in messages, manifests and `source_uri`.
    """

    @property
    def uri(self) -> str: ...

    def sha256(self) -> str:
        """Changes whenever the content does. Of a file, the sha256 of its bytes.

        Raises:
            SourceError: it is not what is known of it.
        """
        ...

    def pieces(self, sha256: str | None, order: Order) -> Iterator[Piece]:
        """What is in it, each to be used up before the next.

        Args:
            sha256: the hash it had; None where it is only looked at, and may change meanwhile.

        Raises:
            SourceError: it cannot be read, or changed since.
        """
        ...
