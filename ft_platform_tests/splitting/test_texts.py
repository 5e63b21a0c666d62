"""The users' words as columns."""

import pyarrow as pa

from ft_platform.records.columns import MESSAGES
from ft_platform.records.near_duplicates import normalized_text
from ft_platform.records.rows import TableRows
from ft_platform.splitting.texts import normalized_user_texts


def test_texts_are_normalized_column_by_column_as_one_by_one() -> None:
    texts = [
        "Plain TEXT",
        " blank in front",
        "behind ",
        "two  blanks",
        "tab\there",
        "\x1f",
        "STRASSE straße",
        "İ",
        "",
        "ſ",
    ]
    messages = pa.array([[{"role": "user", "content": text}] for text in texts], MESSAGES)
    (found,) = normalized_user_texts(TableRows(pa.table({"messages": messages})))
    assert found.to_pylist() == [normalized_text(text) for text in texts]
