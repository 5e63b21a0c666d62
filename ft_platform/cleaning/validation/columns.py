"""The flat columns that expectations are about: what is known of each record, without its texts."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.records.rows import Rows
from ft_platform.records.schemas import feature_columns
from ft_platform.use_case.named import NamedUseCase

TableName = Literal["cleaned_records", "splits"]
SOURCES = {"answer_characters": ["messages"], "label_splits": ["label", "split"]}
"""Flat column -> columns of the table that it is derived from; any other is a column of the table."""


def columns_of(use_case: NamedUseCase, table_name: TableName) -> list[str]:
    """Names that an expectation on this table may use."""
    own = ["split", "label_splits"] if table_name == "splits" else []
    always = ["record_id", "text_characters", "answer_characters", "label", "record_date"]
    return [*always, *own, *feature_columns(use_case)]


class FlatColumns:
    """The flat columns of a table, batch by batch. Only what is asked for is read.

    `answer_characters`: length of the last assistant message, null without one; `label_splits`: on how many sides the
    record's label is."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._sides: dict[str | None, int] | None = None
        self.num_rows = rows.num_rows

    def batches(self, names: Collection[str], batch_rows: int) -> Iterator[pa.Table]:
        """Tables of up to about `batch_rows` rows with the columns `names` in this order. At least one, which may be
        empty."""
        sources = list(dict.fromkeys(source for name in names for source in SOURCES.get(name, [name])))
        if "label_splits" in names and self._sides is None:
            self._sides = self._sides_of_labels()
        waiting: list[pa.Table] = []
        empty = True
        for batch in self._rows.batches(sources):
            waiting.append(pa.table({name: self._column(name, batch) for name in names}))
            if sum(part.num_rows for part in waiting) >= batch_rows:
                yield pa.concat_tables(waiting).combine_chunks()
                waiting, empty = [], False
        if waiting or empty:
            schema = pa.schema([(name, self.type_of(name)) for name in names])
            yield pa.concat_tables(waiting).combine_chunks() if waiting else schema.empty_table()

    def type_of(self, name: str) -> pa.DataType:
        return pa.int64() if name in SOURCES else self._rows.schema.field(name).type

    def _column(self, name: str, batch: pa.RecordBatch) -> pa.Array:
        if name == "answer_characters":
            return answer_characters(batch["messages"])
        if name == "label_splits":
            assert self._sides is not None
            return pa.array([self._sides[label] for label in batch["label"].to_pylist()], pa.int64())
        return batch[name]

    def _sides_of_labels(self) -> dict[str | None, int]:
        sides: dict[str | None, set[str]] = defaultdict(set)
        for batch in self._rows.batches(["label", "split"]):
            pairs = pa.Table.from_batches([batch]).group_by(["label", "split"]).aggregate([])
            for label, side in zip(pairs["label"].to_pylist(), pairs["split"].to_pylist(), strict=True):
                sides[label].add(side)
        return {label: len(found) for label, found in sides.items()}


def answer_characters(messages: pa.Array) -> pa.Array:
    """Characters of the last assistant message of each record, null where there is none or it has no content. Shape
    `(rows,)`."""
    flat = messages.flatten()
    lengths = pc.utf8_length(flat.field("content"))
    ends = np.cumsum(pc.fill_null(pc.list_value_length(messages), 0).to_numpy())
    answers = pc.fill_null(pc.equal(flat.field("role"), "assistant"), False)
    places = np.flatnonzero(answers.to_numpy(zero_copy_only=False))
    last = np.searchsorted(places, ends, side="left") - 1  # the last assistant message before the end of the record
    starts = np.concatenate([[0], ends[:-1]])
    if not len(places):
        return pa.nulls(len(ends), pa.int64())
    found = (last >= 0) & (places[np.maximum(last, 0)] >= starts)
    chosen = pa.array(places[np.maximum(last, 0)], pa.int64(), mask=~found)
    return lengths.take(chosen).cast(pa.int64())
