"""The `messages` of a batch, looked at column by column: who said what, and what belongs to which row."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.records.columns import MESSAGES, plain_array

PARAGRAPH = "\n\n"
"""Between two messages of the same person that are taken as one text."""


@dataclass(frozen=True)
class Conversations:
    """All messages of some rows, one after the other.

    Attributes:
        rows: number of rows.
        row_of: row of each message, ascending. Shape `(messages,)`.
        roles: `system`, `user`, `assistant`, `tools`, `tool_call` or `tool`. Shape `(messages,)`.
        contents: texts; may be null. Shape `(messages,)`.
    """

    rows: int
    row_of: np.ndarray
    roles: pa.Array
    contents: pa.Array

    @classmethod
    def of(cls, messages: pa.Array | pa.ChunkedArray) -> "Conversations":
        """From a column of type `records.MESSAGES`; a null row has no messages."""
        array = plain_array(messages)
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        flat = array.flatten()
        return cls(len(array), np.repeat(np.arange(len(array)), lengths), flat.field("role"), flat.field("content"))

    def with_contents(self, contents: pa.Array) -> "Conversations":
        return replace(self, contents=contents)

    def of_rows(self, chosen: np.ndarray) -> "Conversations":
        """Those of some rows, in order. `chosen` has shape `(rows,)` and dtype bool."""
        inside = chosen[self.row_of]
        numbers = np.cumsum(chosen) - 1
        mask = pa.array(inside)
        return Conversations(
            int(chosen.sum()), numbers[self.row_of[inside]], self.roles.filter(mask), self.contents.filter(mask)
        )

    def messages(self) -> pa.Array:
        """Back as a column of type `records.MESSAGES`."""
        structs = pa.StructArray.from_arrays([self.roles, self.contents], fields=list(MESSAGES.value_type))
        return pa.ListArray.from_arrays(self._offsets(self.row_of), structs, type=MESSAGES)

    def said_by(self, role: str) -> np.ndarray:
        """Whether each message is of this role. Shape `(messages,)`."""
        return pc.fill_null(pc.equal(self.roles, role), False).to_numpy(zero_copy_only=False)

    def joined(self, texts: pa.Array, separator: str, chosen: np.ndarray | None = None) -> pa.Array:
        """The texts of each row as one, empty where there are none; a null text is an empty one. Shape `(rows,)`.

        Args:
            texts: one for each message.
            chosen: take only these messages. Shape `(messages,)`, dtype bool.
        """
        row_of = self.row_of
        if chosen is not None and not chosen.all():
            texts, row_of = texts.filter(pa.array(chosen)), row_of[chosen]
        texts = pc.fill_null(texts, "")
        if len(row_of) == self.rows and (row_of == np.arange(self.rows)).all():
            return texts
        return pc.binary_join(pa.ListArray.from_arrays(self._offsets(row_of), texts), separator)

    def user_texts(self) -> pa.Array:
        """The user's words: `records.user_texts`. Shape `(rows,)`, no nulls."""
        return self.joined(self.contents, PARAGRAPH, self.said_by("user"))

    def all_but_system(self) -> pa.Array:
        """What user and assistant said, and what tools were asked and gave back. Shape `(rows,)`, no nulls.

        Descriptions of tools are the same in many records: with them, different conversations would be near duplicates.
        """
        return self.joined(self.contents, PARAGRAPH, ~(self.said_by("system") | self.said_by("tools")))

    def last_answers(self) -> pa.Array:
        """The last answer or call of a tool, empty if it has no text, null if there is none. Shape `(rows,)`."""
        places = np.flatnonzero(self.said_by("assistant") | self.said_by("tool_call"))
        last = np.full(self.rows, -1)
        last[self.row_of[places]] = (
            places  # of several the last one stays (numpy, "Assigning values to indexed arrays")
        )
        return pc.fill_null(self.contents, "").take(pa.array(last, mask=last < 0))

    def characters(self) -> np.ndarray:
        """Characters of all messages of each row together. Shape `(rows,)`."""
        lengths = pc.fill_null(pc.utf8_length(self.contents), 0).to_numpy(zero_copy_only=False)
        return np.bincount(self.row_of, weights=lengths, minlength=self.rows)

    def _offsets(self, row_of: np.ndarray) -> pa.Array:
        counts = np.bincount(row_of, minlength=self.rows)
        return pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
