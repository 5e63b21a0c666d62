"""Arrow IPC files, Feather files, and Arrow streams such as Hugging Face datasets keep on the disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.arrow_messages import BrokenMessage, unpacked_bytes
from ft_platform.sources.arrow_strings import checked_parts
from ft_platform.sources.formats import OpenFile

ENDINGS = (".arrow", ".feather", ".ipc")
IS_TEXT = False
FILE_MAGIC = b"ARROW1\0\0"
MAX_MESSAGE_BYTES = 1 << 30
"""A compressed record batch is unpacked whole. Writers make them of 64 Ki rows or fewer."""


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every row.

    Raises:
        SourceError: not a readable Arrow file, missing columns, bytes that are no UTF-8 text, or beyond the limits.
    """
    try:
        _count_unpacked(file)
        with _stream(file) as stream, pa.ipc.open_stream(stream) as reader:
            columns = file.require(reader.schema.names)
            row = 1
            for batch in reader:
                chosen = batch.select(columns)
                chosen.validate(full=True)  # offsets of a damaged file lead outside of it
                yield from checked_parts(file, chosen, row)
                row += chosen.num_rows
    except (pa.ArrowException, OSError, BrokenMessage) as error:
        raise SourceError(f"{file.name} cannot be read as Arrow ({type(error).__name__}): cut, damaged or another format", "Export the file again") from None


@contextmanager
def _stream(file: OpenFile) -> Iterator[Any]:
    """The stream of a file. One in the file format holds a stream too, after its first bytes; its footer, which may lie, is not used."""
    with pa.memory_map(str(file.path)) as raw:
        if raw.read(len(FILE_MAGIC)) != FILE_MAGIC:
            raw.seek(0)
        yield raw


def _count_unpacked(file: OpenFile) -> None:
    """Counts what compressed buffers unpack to before any of them is."""
    so_far = 0
    packed = file.path.stat().st_size
    with _stream(file) as stream:
        for count in unpacked_bytes(stream):
            so_far += count
            file.budget.add_unpacked(file.name, count, packed, so_far)
            if count > MAX_MESSAGE_BYTES:
                raise SourceError(f"{file.name} has a record batch that unpacks to {count:,} bytes", "Write it with smaller record batches")
