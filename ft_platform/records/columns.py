"""The columns of a record, and how to reach the texts in it. `records.schemas` has those of each stage.

Column glossary: `record_id` is assigned once at `raw_records` and never changes; `source_key` is the source's own id;
`messages` holds the conversation (`system`/`user`/`assistant`; with tools `tools`/`tool_call`/`tool`, all of them
texts; `rejected`, an answer that people like less); `label` the class; `feature_<name>` a feature for fairness
and slices, which never enters a prompt; `withdrawn`, `lawful_basis`, `jurisdiction` and `licence` are there where they
are mapped."""

import hashlib
import json
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

MESSAGES = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
COUNTS = pa.map_(pa.string(), pa.int32())

SIDES = ("train", "validation", "test")
"""Values of the column `split`."""

PROVENANCE = ("source_uri", "source_position", "source_hash", "ingested_at")
"""Where a row came from. Not part of the content hash: the same rows in another file are the same content."""


def text_fields(names: str) -> list[pa.Field]:
    """Columns of texts, from their names with blanks between."""
    return [pa.field(name, pa.string()) for name in names.split()]


TRAFFIC = "traffic:"
"""How `source_uri` begins of a record that was a request to a served model."""

REMOVED = pa.schema(text_fields("record_id reason duplicate_of"))
"""Removed rows of a stage: never their text, which stays readable in the parent version."""


def plain_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def is_traffic(source_uris: pa.Array) -> pa.Array:
    """Whether each record was a request to a served model. No nulls."""
    return pc.fill_null(pc.starts_with(source_uris, TRAFFIC), False)


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
