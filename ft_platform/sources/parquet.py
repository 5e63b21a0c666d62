"""Parquet files."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import SourceError
from ft_platform.sources.formats import BATCH_ROWS, OpenFile, as_text

ENDINGS = (".parquet", ".pq")
IS_TEXT = False


def read(file: OpenFile) -> Iterator[pa.RecordBatch]:
    """The mapped columns of every row. Page checksums are verified where the writer stored them.

    Raises:
        SourceError: not a readable Parquet file, missing columns, or bytes that are no UTF-8 text.
    """
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(file.path, page_checksum_verification=True)
        columns = file.require(parquet.schema_arrow.names)
        row = 1
        for batch in parquet.iter_batches(BATCH_ROWS, columns=columns):
            yield pa.RecordBatch.from_arrays([_strings(file, batch.column(c), c, row) for c in columns], names=columns)
            row += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{file.name} cannot be read as Parquet ({type(error).__name__}): cut, damaged or another format", "Export the file again") from None


def _strings(file: OpenFile, column: pa.Array, name: str, first_row: int) -> pa.Array:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    try:
        if pa.types.is_nested(kind):
            return pa.array([as_text(v) for v in column.to_pylist()], pa.string())
        strings = pc.cast(pc.cast(column, kind), pa.string())
        strings.validate(full=True)  # arrow reads bytes that are no UTF-8 into a string column without a word
        return strings
    except (pa.ArrowException, UnicodeDecodeError):
        last = first_row + len(column) - 1
        raise SourceError(
            f"{file.name}: column {name!r} holds something that is no UTF-8 text in data rows {first_row} to {last}", "Export the column as text"
        ) from None
