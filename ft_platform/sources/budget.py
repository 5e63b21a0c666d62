"""What one reading of a source has used of its limits, so that a damaged or hostile file ends with an error and not
with a full machine."""

from dataclasses import dataclass

from ft_platform.errors import SourceError
from ft_platform.use_case.settings.source import Limits

GIB = 1 << 30
RATIO_FROM_BYTES = 16 << 20
"""Unpacked bytes from which the ratio counts: a small file of few different rows packs very well, and harms nobody."""
ITEM_FIELDS = 8
"""A JSON object may be this many times as long as a field."""


@dataclass
class Budget:
    """Counts over all files that are read.

    Attributes:
        limits: of the use case.
        rows: data rows read so far.
        unpacked_bytes: bytes that archives and compressed pages were unpacked to so far.
        members_ignored: files in archives that are of no known format.
    """

    limits: Limits
    rows: int = 0
    unpacked_bytes: int = 0
    members_ignored: int = 0

    def add_rows(self, name: str, count: int) -> None:
        """Raises:
        SourceError: more rows than allowed.
        """
        self.rows += count
        if self.rows > self.limits.rows:
            raise over(name, f"with it the source has more than {self.limits.rows:,} rows", "rows")

    def add_unpacked(self, name: str, count: int, packed: int, so_far: int) -> None:
        """Call it before the bytes are kept.

        Args:
            count: bytes more.
            packed: size of the packed file.
            so_far: what this file was unpacked to, with `count`.

        Raises:
            SourceError: more bytes than allowed, or too many for what is packed.
        """
        self.unpacked_bytes += count
        if self.unpacked_bytes > self.limits.unpacked_gib * GIB:
            raise over(
                name, f"with it the source unpacks to more than {self.limits.unpacked_gib:g} GiB", "unpacked_gib"
            )
        if so_far > RATIO_FROM_BYTES and so_far > self.limits.unpacked_ratio * packed:
            raise over(
                name, f"unpacks to more than {self.limits.unpacked_ratio} times its {packed:,} bytes", "unpacked_ratio"
            )

    def check_texts(self, name: str, total: int, packed: int) -> None:
        """Texts that a file has once and repeats (dictionaries of Parquet and Arrow, shared strings of Excel) unpack to
        nothing, and still fill the lake.

        Args:
            total: bytes of all texts that were read from the file so far.
            packed: size of the file.

        Raises:
            SourceError: too many for the size of the file.
        """
        if total > RATIO_FROM_BYTES and total > self.limits.unpacked_ratio * packed:
            raise over(
                name,
                f"its texts are more than {self.limits.unpacked_ratio} times its {packed:,} bytes: it repeats some of"
                " them",
                "unpacked_ratio",
            )

    @property
    def item_characters(self) -> int:
        return ITEM_FIELDS * self.limits.field_characters


def over(name: str, problem: str, limit: str) -> SourceError:
    """The error for what is beyond a limit.

    Args:
        limit: its name in `source.limits`.
    """
    return SourceError(f"{name}: {problem}", f"If that is right, raise source.limits.{limit}")
