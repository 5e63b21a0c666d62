"""The columns of a record: the contract between the stages, as arrow schemas, and how to reach the texts in it.

Column glossary: `record_id` is assigned once at `raw_records` and never changes; `source_key` is the source's own id;
`messages` holds the conversation (`system`/`user`/`assistant`; with tools `tools`/`tool_call`/`tool`, all of them
texts; `rejected`, an answer that people like less); `label` the class; `feature_<name>` a feature for fairness
and slices, which never enters a prompt; `withdrawn`, `lawful_basis`, `jurisdiction` and `licence` are there where they
are mapped."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.records.rows import Rows
from ft_platform.use_case import NamedUseCase

MESSAGES = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
COUNTS = pa.map_(pa.string(), pa.int32())

SIDES = ("train", "validation", "test")
"""Values of the column `split`."""

PROVENANCE = ("source_uri", "source_position", "source_hash", "ingested_at")
"""Where a row came from. Not part of the content hash: the same rows in another file are the same content."""


def _texts(names: str) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in names.split()]


REMOVED = pa.schema(_texts("record_id reason duplicate_of"))
"""Removed rows of a stage: never their text, which stays readable in the parent version."""


def feature_columns(use_case: NamedUseCase) -> list[str]:
    return [f"feature_{name}" for name in use_case.settings.record.features]


def raw_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `raw_records` and `permitted_records` (restricted zone)."""
    mapped = [*use_case.settings.record.permission_columns(), *feature_columns(use_case)]
    return pa.schema(
        [
            *_texts("record_id source_key source_uri"),
            pa.field("source_position", pa.int64()),
            *_texts("source_hash"),
            pa.field("ingested_at", pa.timestamp("us", tz="UTC")),
            *_texts("subject_id"),
            pa.field("messages", MESSAGES),
            *_texts("label record_date consent purpose expires"),
            *[pa.field(name, pa.string()) for name in mapped],
        ]
    )


def cleaned_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `cleaned_records` (restricted zone): raw columns, what was changed, and hashes before and after."""
    changes, hashes = pa.field("changes", pa.list_(pa.string())), _texts("sha256_before sha256_after")
    return pa.schema([*raw_schema(use_case), changes, *hashes, pa.field("text_characters", pa.int32())])


def anonymized_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `anonymized_records` (shared zone): no source key, no source position, no text hash of the
    original."""
    return pa.schema(
        [
            *_texts("record_id subject_id"),
            pa.field("messages", MESSAGES),
            *_texts("label record_date"),
            *[pa.field(name, pa.string()) for name in feature_columns(use_case)],
            pa.field("entities", COUNTS),
            *_texts("sha256_after"),
            pa.field("text_characters", pa.int32()),
        ]
    )


def splits_schema(use_case: NamedUseCase) -> pa.Schema:
    """Columns of `splits` (shared zone): anonymized columns, the group that stays together, and the side."""
    return pa.schema([*anonymized_schema(use_case), *_texts("group_id split")])


def plain_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def contents(messages: pa.Array | pa.ChunkedArray) -> pa.Array:
    """All message texts of a `messages` column, one after the other. Shape `(sum of messages,)`."""
    return plain_array(messages).flatten().field("content")


def with_contents(messages: pa.Array | pa.ChunkedArray, new: pa.Array) -> pa.Array:
    """The `messages` column with its texts replaced, in the order of `contents`."""
    array = plain_array(messages)
    flat = array.flatten()
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(array), 0))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cast(ends, pa.int32())])
    structs = pa.StructArray.from_arrays([flat.field("role"), new], fields=list(MESSAGES.value_type))
    return pa.ListArray.from_arrays(offsets, structs, type=MESSAGES)


def user_texts(messages: pa.Array | pa.ChunkedArray) -> list[str]:
    """The user's words of each record (several user messages joined by a blank line). Shape `(rows,)`."""
    return [
        "\n\n".join(m["content"] or "" for m in row or [] if m["role"] == "user")
        for row in plain_array(messages).to_pylist()
    ]


def answers(messages: pa.Array | pa.ChunkedArray) -> list[str | None]:
    """The last assistant message of each record, or None: also where the conversation goes on to call a tool. Shape
    `(rows,)`."""
    last = [
        next((m for m in reversed(row or []) if m["role"] in ("assistant", "tool_call")), None)
        for row in plain_array(messages).to_pylist()
    ]
    return [message["content"] if message and message["role"] == "assistant" else None for message in last]


def contents_sha256(contents: Iterable[str | None]) -> str:
    """sha256 over the texts of one record's messages, in order: what `sha256_before` and `sha256_after` hold (64 hex
    digits)."""
    return hashlib.sha256(json.dumps(list(contents), ensure_ascii=False).encode()).hexdigest()


def removed_table(record_ids: Iterable[str], reasons: Iterable[str]) -> pa.Table:
    ids = list(record_ids)
    columns = {"record_id": ids, "reason": list(reasons), "duplicate_of": [None] * len(ids)}
    return pa.table(columns, schema=REMOVED)


def reason_counts(removed: pa.RecordBatch | pa.Table) -> dict[str, int]:
    """Reason -> rows, of rows in `REMOVED`, by name."""
    return dict(sorted((value["values"], value["counts"]) for value in pc.value_counts(removed["reason"]).to_pylist()))


@dataclass(frozen=True)
class StageResult:
    """What a stage made of its input, in memory: rows in = kept + removed, always.

    Attributes:
        kept: rows that go on, in the stage's schema.
        removed: rows that do not, in schema `REMOVED`, each with its reason.
        counts: numbers for the manifest and the UI (never a record's text).
    """

    kept: pa.Table
    removed: pa.Table
    counts: dict[str, Any] = field(default_factory=dict)

    def funnel(self, stage: str) -> dict[str, Any]:
        """`{"stage", "rows_in", "kept", "removed": {reason: count}}`."""
        rows_in = self.kept.num_rows + self.removed.num_rows
        return {"stage": stage, "rows_in": rows_in, "kept": self.kept.num_rows, "removed": reason_counts(self.removed)}

    def stream(self) -> "StageStream":
        parts = [
            *((batch, None) for batch in self.kept.to_batches()),
            *((None, batch) for batch in self.removed.to_batches()),
        ]
        return StageStream(iter(parts), self.counts)


@dataclass(frozen=True)
class StageStream:
    """What a stage makes of its input, batch by batch.

    Attributes:
        parts: pairs of rows that go on, in the stage's schema, and rows that do not, in schema `REMOVED`; either may be
            None.
        counts: numbers for the manifest and the UI (never a record's text); complete once `parts` is used up.
        beside: further tables that the stage writes, by name; complete once `parts` is used up.
    """

    parts: Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]
    counts: dict[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Rows] = field(default_factory=dict)

    def collect(self, schema: pa.Schema) -> StageResult:
        """Everything in memory: for small tables and tests."""
        kept, removed = [], []
        for goes_on, does_not in self.parts:
            kept += [goes_on] if goes_on is not None else []
            removed += [does_not] if does_not is not None else []
        return StageResult(
            pa.Table.from_batches(kept, schema=schema), pa.Table.from_batches(removed, schema=REMOVED), self.counts
        )
