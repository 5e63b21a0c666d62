"""Turns source columns into the fields of a record, by the use case's record mapping."""

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ft_platform.errors import SourceError
from ft_platform.sources.formats import row_list
from ft_platform.use_case import NamedUseCase, RecordMapping

ROLES = ("system", "user", "assistant")
Message = dict[str, str]


@dataclass(frozen=True)
class MappedRow:
    """One source row as a record.

    Attributes:
        key: the source's own id, or None where no id column is mapped.
        messages: the conversation.
        fields: `label`, `subject_id`, `record_date`, `consent`, `purpose`, `expires` and the features, in the order of `field_names`.
    """

    key: str | None
    messages: list[Message]
    fields: tuple[str | None, ...]


def field_names(record: RecordMapping) -> list[str]:
    """Columns of a record beside its id, provenance and messages, in the order of `MappedRow.fields`."""
    return [*_single_columns(record), *[f"feature_{name}" for name in record.features]]


def map_batch(use_case: NamedUseCase, batch: pa.RecordBatch, file_name: str, first_row: int) -> list[MappedRow]:
    """Records of a batch, one per row.

    Raises:
        SourceError: rows without an id, or whose `messages` are no conversation.
    """
    record = use_case.settings.record
    columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    empty = [None] * batch.num_rows

    def values(column: str | None) -> list[str | None]:
        return columns.get(column, empty) if column else empty

    keys = _keys(values(record.id), file_name, first_row) if record.id else empty
    messages = _messages(use_case, columns, batch.num_rows, file_name, first_row)
    wanted = [*_single_columns(record).values(), *record.features.values()]
    fields = [[_trimmed(v) for v in values(column)] for column in wanted]
    fields[0] = [record.label_names.get(v, v) if v else None for v in fields[0]]
    return [MappedRow(*row) for row in zip(keys, messages, zip(*fields, strict=True), strict=True)]


def _single_columns(record: RecordMapping) -> dict[str, str | None]:
    return {
        "label": record.label,
        "subject_id": record.subject,
        "record_date": record.date,
        "consent": record.consent,
        "purpose": record.purpose,
        "expires": record.expires,
    }


def _trimmed(value: str | None) -> str | None:
    """Blank cells are no value; CSV has no other way to say so."""
    return (value.strip() or None) if value else None


def _keys(values: list[str | None], file_name: str, first_row: int) -> list[str | None]:
    keys = [_trimmed(v) for v in values]
    if missing := [first_row + i for i, key in enumerate(keys) if key is None]:
        raise SourceError(
            f"{file_name}: {row_list(missing)} have no value in the id column", "Repair the file, or leave record.id out to identify records by content"
        )
    return keys


def _messages(use_case: NamedUseCase, columns: dict[str, list[Any]], rows: int, file_name: str, first_row: int) -> list[list[Message]]:
    record = use_case.settings.record
    if record.messages:
        return _conversations(columns.get(record.messages, [None] * rows), file_name, first_row)
    texts = [columns[c] for c in record.text_columns() if c in columns]
    joined = ["\n\n".join(t for t in row if t and t.strip()) for row in zip(*texts, strict=True)] if texts else [""] * rows
    users: list[Message] = [{"role": "user", "content": text} for text in joined]
    if record.answer is None or use_case.settings.task.kind == "classification":
        return [[user] for user in users]
    answers = columns.get(record.answer, [None] * rows)
    return [[user, {"role": "assistant", "content": answer or ""}] for user, answer in zip(users, answers, strict=True)]


def _conversations(values: list[str | None], file_name: str, first_row: int) -> list[list[Message]]:
    parsed = [_conversation(v) for v in values]
    if wrong := [first_row + i for i, messages in enumerate(parsed) if messages is None]:
        expected = f"a list of {{role, content}} with roles {', '.join(ROLES)} and a user message"
        raise SourceError(f"{file_name}: {row_list(wrong)} have no conversation in the messages column: expected {expected}", "Correct the rows")
    return [m for m in parsed if m is not None]


def _conversation(value: str | None) -> list[Message] | None:
    try:
        items = json.loads(value or "")
        messages = [{"role": item["role"], "content": item["content"]} for item in items]
        sound = all(m["role"] in ROLES and isinstance(m["content"], str) for m in messages)
        json.dumps(messages, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (json.JSONDecodeError, RecursionError, TypeError, KeyError, UnicodeEncodeError):
        return None
    return messages if sound and any(m["role"] == "user" for m in messages) else None
