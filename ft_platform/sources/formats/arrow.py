"""Arrow IPC files, Feather files, and Arrow streams such as Hugging Face datasets keep on the disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.arrow_messages import unpacked_bytes
from ft_platform.sources.arrow_strings import checked_parts
from ft_platform.sources.file_format import OpenFile

ENDINGS = (".arrow", ".feather", ".ipc")
IS_TEXT = False
FILE_MAGIC = b"ARROW1\0\0"
MAX_MESSAGE_BYTES = 1 << 30
"""A record batch is in memory whole. Writers make them of 64 Ki rows or fewer."""


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every row.

    Raises:
        SourceError: not a readable Arrow file, missing columns, bytes that are no UTF-8 text, or beyond the limits.
    """
    row = 1
    try:
        _count_unpacked(file)
        with _stream(file) as stream, pa.ipc.open_stream(stream) as reader:
            columns = file.require(reader.schema.names)
            for batch in reader:
                chosen = batch.select(columns)
                chosen.validate(full=True)  # offsets of a damaged file lead outside of it
                yield from checked_parts(file, chosen, row)
                row += chosen.num_rows
    except (pa.ArrowException, OSError, ValueError, BufferError):
        where = f", behind data row {row - 1:,}" if row > 1 else ""
        raise SourceError(
            f"{file.name} cannot be read as Arrow{where}: cut, damaged or another format", "Export the file again"
        ) from None


@contextmanager
def _stream(file: OpenFile) -> Iterator[Any]:
    """The stream of a file. One in the file format holds a stream too, after its first bytes; its footer, which may
    lie, is not used."""
    with pa.OSFile(
        str(file.path)
    ) as raw:  # not mapped: a file that is cut while it is read would end the process (SIGBUS)
        if raw.read(len(FILE_MAGIC)) != FILE_MAGIC:
            raw.seek(0)
        yield raw


def _count_unpacked(file: OpenFile) -> None:
    """Counts what compressed buffers unpack to before any of them is."""
    so_far = 0
    packed = file.path.stat().st_size
    with open(file.path, "rb") as raw:
        if raw.read(len(FILE_MAGIC)) != FILE_MAGIC:
            raw.seek(0)
        for body, unpacked in unpacked_bytes(raw):
            so_far += unpacked
            file.budget.add_unpacked(file.name, unpacked, packed, so_far)
            if (largest := max(body, unpacked)) > MAX_MESSAGE_BYTES:
                raise SourceError(
                    f"{file.name} has a record batch of {largest:,} bytes", "Write it with smaller record batches"
                )
