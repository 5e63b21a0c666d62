"""Turns source columns into the fields of a record, by the use case's record mapping, a batch at a time."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import SourceError
from ft_platform.records.columns import MESSAGES
from ft_platform.sources.conversations import conversations, has_messages, prompted
from ft_platform.sources.file_format import nul_error, row_list
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.source import RecordMapping

LISTS_OF_MESSAGES = ("prompt_completion", "preference")
"""Chat formats whose prompt and answer may be lists of messages."""
OTHER_DAY = r"^[0-9]{4}([/.][0-9]{1,2}[/.][0-9]{1,2}|-[0-9]-[0-9]{1,2}|-[0-9]{2}-[0-9])$"
DAY_PARTS = (
    (r"^([0-9]{4})[/.]([0-9]{1,2})[/.]([0-9]{1,2})$", r"\1-\2-\3"),
    (r"^([0-9]{4})-([0-9])-([0-9]{1,2})$", r"\1-0\2-\3"),
    (r"^([0-9]{4})-([0-9]{2})-([0-9])$", r"\1-\2-0\3"),
)


@dataclass(frozen=True)
class MappedRows:
    """Source rows as records.

    Attributes:
        keys: the source's own ids, or None where no id column is mapped. Strings, shape `(rows,)`.
        messages: the conversations, of type `MESSAGES`. Shape `(rows,)`.
        fields: every other column of `raw_schema` that comes from a source column (label, subject, consent, features,
            ...), by name. Strings.
    """

    keys: pa.Array | None
    messages: pa.ListArray
    fields: dict[str, pa.Array]

    def __len__(self) -> int:
        return len(self.messages)


def map_batch(use_case: NamedUseCase, batch: pa.RecordBatch, file_name: str, first_row: int) -> MappedRows:
    """Records of a batch of strings, one per row.

    Raises:
        SourceError: rows without an id, or whose `messages` are no conversation or hold a NUL character.
    """
    record = use_case.settings.record
    keys = _keys(_column(batch, record.id), file_name, first_row) if record.id else None
    fields = {name: _trimmed(_column(batch, column)) for name, column in _single_columns(record).items()}
    fields["record_date"] = iso_days(fields["record_date"])
    fields["label"] = _renamed(fields["label"], record.label_names)
    return MappedRows(keys, _messages(use_case, batch, file_name, first_row), fields)


def _single_columns(record: RecordMapping) -> dict[str, str | None]:
    """Column of a record beside its id, provenance and messages -> source column."""
    return {
        "label": record.label,
        "subject_id": record.subject,
        "record_date": record.date,
        "consent": record.consent,
        "purpose": record.purpose,
        "expires": record.expires,
        **record.permission_columns(),
        **{f"feature_{name}": column for name, column in record.features.items()},
    }


def _column(batch: pa.RecordBatch, name: str | None) -> pa.Array:
    return batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows, pa.string())


def _trimmed(column: pa.Array) -> pa.Array:
    """Blank cells are no value; CSV has no other way to say so."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def iso_days(dates: pa.Array) -> pa.Array:
    """Days that are written as `2019/1/13`, `2019.1.13` or `2019-1-13` as `2019-01-13`; everything else as it is. Where
    the year does not come first, nobody can tell days from months."""
    if not pc.any(pc.fill_null(pc.match_substring_regex(dates, OTHER_DAY), False)).as_py():
        return dates
    for pattern, written in DAY_PARTS:
        dates = pc.replace_substring_regex(dates, pattern, written)
    return dates


def _renamed(labels: pa.Array, names: dict[str, str]) -> pa.Array:
    if not names:
        return labels
    found = pc.index_in(labels, pa.array(list(names), pa.string()))
    return pc.coalesce(pa.array(list(names.values()), pa.string()).take(found), labels)


def _keys(column: pa.Array, file_name: str, first_row: int) -> pa.Array:
    keys = _trimmed(column)
    if keys.null_count:
        missing = (np.flatnonzero(pc.is_null(keys).to_numpy(zero_copy_only=False)) + first_row).tolist()
        raise SourceError(
            f"{file_name}: {row_list(missing)} have no value in the id column",
            "Repair the file, or leave record.id out to identify records by content",
        )
    return keys


def _messages(use_case: NamedUseCase, batch: pa.RecordBatch, file_name: str, first_row: int) -> pa.ListArray:
    record = use_case.settings.record
    if record.messages:
        tools = _column(batch, record.tools) if record.tools else None
        return _without_nul(
            use_case, conversations(_column(batch, record.messages), file_name, first_row, tools), file_name, first_row
        )
    asked = _joined([batch.column(c) for c in record.text_columns() if c in batch.schema.names], batch.num_rows)
    if record.answer is None or use_case.settings.task.kind == "classification":
        return interleaved([("user", asked)])
    answer = pc.fill_null(_column(batch, record.answer), "")
    rejected = _column(batch, record.rejected) if record.rejected else None
    if record.chat_format in LISTS_OF_MESSAGES and any(
        has_messages(column) for column in (asked, answer, rejected) if column is not None
    ):
        return _without_nul(use_case, prompted(asked, answer, file_name, first_row, rejected), file_name, first_row)
    return interleaved(
        [("user", asked), ("assistant", answer), *([("rejected", rejected)] if rejected is not None else [])]
    )


def _without_nul(use_case: NamedUseCase, messages: pa.ListArray, file_name: str, first_row: int) -> pa.ListArray:
    """The conversations, if they may be used: JSON writes NUL with other characters, so the text of the column did not
    show it."""
    contents = messages.flatten().field("content")
    if (
        use_case.settings.source.nul_characters == "refuse"
        and pc.any(found := pc.match_substring(contents, "\0")).as_py()
    ):
        rows = pc.unique(pc.list_parent_indices(messages).filter(found))
        raise nul_error(file_name, [first_row + row for row in rows.to_pylist()], "in the conversation")
    return messages


def _joined(texts: list[pa.Array], rows: int) -> pa.Array:
    """The texts that are not blank, with a blank line between them; empty where all are."""
    if not texts:
        return pa.array([""] * rows, pa.string())
    written = [
        pc.if_else(pc.equal(pc.utf8_trim_whitespace(text), ""), pa.scalar(None, pa.string()), text) for text in texts
    ]
    # pyarrow 25.0.1 leaves out a row whose texts are all null ("skip"), instead of joining nothing: one must be there.
    written[0] = pc.if_else(pc.is_null(pc.coalesce(*written)), "", written[0])
    return pc.binary_join_element_wise(*written, "\n\n", null_handling="skip")


def interleaved(turns: list[tuple[str, pa.Array]]) -> pa.ListArray:
    """Conversations with these turns in each row; a turn whose text is null is left out.

    Args:
        turns: role and texts, of shape `(rows,)`.
    """
    rows, width = len(turns[0][1]), len(turns)
    texts = pa.concat_arrays([text for _, text in turns])
    roles = pa.array([role for role, _ in turns], pa.string())
    order = (np.arange(rows)[:, None] + np.arange(width) * rows).ravel()
    flat = texts.take(pa.array(order))
    there = pc.is_valid(flat).to_numpy(zero_copy_only=False)
    counts = there.reshape(rows, width).sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    role = roles.take(pa.array(np.tile(np.arange(width), rows)[there]))
    structs = pa.StructArray.from_arrays([role, flat.filter(pa.array(there))], fields=list(MESSAGES.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets), structs, type=MESSAGES)
