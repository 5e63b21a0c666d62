"""The hash of a batch is that of each record alone."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_platform.cleaning.content_hashes import batch_sha256
from ft_platform.cleaning.conversations import Conversations
from ft_platform.records.columns import MESSAGES, answers, contents_sha256, user_texts

MESSAGE = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant"]),
        "content": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    }
)
ROWS = st.lists(st.none() | st.lists(MESSAGE, max_size=4), max_size=6)


def column(rows: list) -> pa.Array:
    """The rows in the middle of a longer array, as a slice of a table would hold them."""
    return pa.array([[{"role": "user", "content": "before"}], *rows, None], MESSAGES).slice(1, len(rows))


@given(ROWS)
@settings(max_examples=300, deadline=None)
def test_hashes_and_texts_are_those_of_each_row_alone(rows: list) -> None:
    messages = column(rows)
    found = Conversations.of(messages)
    assert batch_sha256(found).to_pylist() == [contents_sha256(m["content"] for m in row or []) for row in rows]
    assert found.user_texts().to_pylist() == user_texts(messages)
    assert found.last_answers().to_pylist() == [
        answer if answer is not None else ("" if any(m["role"] == "assistant" for m in row or []) else None)
        for row, answer in zip(rows, answers(messages), strict=True)
    ]
    said = [[m["content"] or "" for m in row or [] if m["role"] != "system"] for row in rows]
    assert found.all_but_system().to_pylist() == ["\n\n".join(texts) for texts in said]
    assert found.characters().tolist() == [sum(len(m["content"] or "") for m in row or []) for row in rows]
    assert found.messages().to_pylist() == [row or [] for row in rows]


@given(ROWS, st.data())
@settings(max_examples=100, deadline=None)
def test_some_rows_are_those_rows(rows: list, data: st.DataObject) -> None:
    import numpy as np

    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), bool)
    found = Conversations.of(column(rows)).of_rows(chosen)
    assert found.messages().to_pylist() == [row or [] for row, taken in zip(rows, chosen, strict=True) if taken]


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "\\",
        "\n",
        "\x00",
        "\x1f",
        "\x7f",
        "é",
        "🙂",
        "\u2028",
        "</script>",
        "",
        'a\\n"\t\r\n',
        '"\x00\n\\',
        "\b\f\n",
    ],
)
def test_what_json_escapes_is_escaped_in_the_same_way(text: str) -> None:
    assert batch_sha256(Conversations.of(column([[{"role": "user", "content": text}]]))).to_pylist() == [
        contents_sha256([text])
    ]
