"""Which rows are a person's, and which rows of others name a person."""

import re
from collections.abc import Collection
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.records.columns import plain_array

INSTEAD = "<ERASED>"
"""In place of a text in the record of another person."""
OWN = ("record_id", "subject_id", "subject")
"""Columns that tell whose a row is."""
REFERENCES = ("duplicate_of",)
"""Columns in which a row names another record; such a name becomes empty."""


class Selection:
    """What is taken out of rows.

    Args:
        persons: ids in the restricted zone, pseudonyms in the shared one.
        records: ids of records of these persons.
        texts: names and the like, in records of others.
    """

    def __init__(self, persons: Collection[str], records: Collection[str], texts: Collection[str] = ()) -> None:
        self._persons = pa.array(sorted(persons), pa.string())
        self._records = pa.array(sorted(records), pa.string())
        self.texts = [r"\s+".join(map(re.escape, text.split())) for text in texts if text.split()]

    def of_file(self, name: str) -> "Selection":
        """What is taken out of one file."""
        return self

    def columns(self, names: Collection[str]) -> list[str]:
        """Those that tell whose a row is, or which record it names."""
        return [name for name in (*OWN, *REFERENCES) if name in names]

    def rows(self, batch: pa.RecordBatch) -> np.ndarray:
        """Whether each row is one of these persons'. Shape `(rows,)`."""
        found = np.zeros(batch.num_rows, bool)
        for name in (name for name in OWN if name in batch.schema.names):
            column = batch.column(name).cast(pa.string())
            wanted = self._records if name == "record_id" else self._persons
            column = column if name == "record_id" else pc.utf8_trim_whitespace(column)
            found |= pc.is_in(column, value_set=wanted).to_numpy(zero_copy_only=False)
        return found

    def naming(self, batch: pa.RecordBatch) -> np.ndarray:
        """Whether each row has one of the texts in any column, or names one of the records. Shape `(rows,)`."""
        found = np.zeros(batch.num_rows, bool)
        for name in (name for name in REFERENCES if name in batch.schema.names):
            found |= self._is_record(batch.column(name))
        if self.texts:
            pattern = "|".join(self.texts)
            for column in batch.columns:
                found |= _naming(plain_array(column), pattern)
        return found

    def without_texts(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The same rows with something else in place of each text, and without the names of records."""
        for place, name in enumerate(rows.schema.names):
            if name in REFERENCES:
                column = rows.column(place)
                kept = pc.if_else(pa.array(self._is_record(column)), pa.scalar(None, column.type), column)
                rows = rows.set_column(place, rows.schema.field(place), kept)
        if not self.texts:
            return rows
        return pa.RecordBatch.from_pylist([_replaced(row, self._pattern) for row in rows.to_pylist()], rows.schema)

    def _is_record(self, column: pa.Array) -> np.ndarray:
        return pc.is_in(column.cast(pa.string()), value_set=self._records).to_numpy(zero_copy_only=False)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(self.texts), re.IGNORECASE)


def _naming(column: pa.Array, pattern: str) -> np.ndarray:
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found = pc.match_substring_regex(column, pattern, ignore_case=True)
        return pc.fill_null(found, False).to_numpy(zero_copy_only=False)
    found = np.zeros(len(column), bool)
    if pa.types.is_struct(kind):
        for part in column.flatten():
            found |= _naming(part, pattern)
    elif pa.types.is_map(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if pa.types.is_map(kind):
            column = column.cast(pa.list_(pa.struct([pa.field("key", kind.key_type), ("value", kind.item_type)])))
        inside = _naming(column.flatten(), pattern)
        found[pc.list_parent_indices(column).to_numpy()[inside]] = True
    return found


def _replaced(value: object, pattern: re.Pattern[str]) -> object:
    if isinstance(value, str):
        return pattern.sub(INSTEAD, value)
    if isinstance(value, dict):
        return {key: _replaced(one, pattern) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_replaced(one, pattern) for one in value)
    return value
