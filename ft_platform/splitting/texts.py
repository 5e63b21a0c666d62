"""The users' words of records, as arrow columns."""

# pyright: reportAttributeAccessIssue=false
# The functions of pyarrow.compute are made at import, so pyright does not see them.

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.records.near_duplicates import normalized_text
from ft_platform.records.rows import Rows

ODD = "[^ -~]|  |^ | $"
"""What stands in every text in which `normalized_text` changes more than the case of ASCII letters."""


def user_texts(rows: Rows) -> Iterator[pa.Array]:
    """The user's words of each record, several user messages joined by a blank line, batch by batch (as
    `records.user_texts`)."""
    for batch in rows.batches(["messages"]):
        yield user_column(batch.column("messages"))


def normalized_user_texts(rows: Rows) -> Iterator[pa.Array]:
    """The same in the form in which two texts are compared for being identical."""
    for texts in user_texts(rows):
        odd = pc.match_substring_regex(texts, ODD)
        normalized = pa.array([normalized_text(text) for text in texts.filter(odd).to_pylist()], texts.type)
        yield pc.replace_with_mask(pc.ascii_lower(texts), odd, normalized).cast(pa.string())


def user_column(messages: pa.Array) -> pa.Array:
    """String column of the user's words of a `messages` column. Shape `(rows,)`, no nulls."""
    said = messages.flatten()
    by_user = pc.fill_null(pc.equal(said.field("role"), "user"), False)
    length = pc.fill_null(pc.list_value_length(messages), 0).to_numpy(zero_copy_only=False)
    row = np.repeat(np.arange(len(messages)), length)[by_user.to_numpy(zero_copy_only=False)]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(messages)))])
    contents = pc.fill_null(said.field("content"), "").filter(by_user).cast(pa.large_string())
    return pc.binary_join(
        pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), contents), pa.scalar("\n\n", pa.large_string())
    )
