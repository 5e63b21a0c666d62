import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ft_platform.cleaning.tidy_column import tidy_column
from ft_platform.cleaning.whitespace import LINE_BREAKS, _tidy, normalize_whitespace


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("a  b\t c", "a b c"),
        (" a \n  b\u00a0\u3000c ", "a\nb c"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\n\n\n \n\nb", "a\n\nb"),
        (" \n\t ", ""),
        ("a\n\nb", "a\n\nb"),
        ("see `a  b`  now", "see `a  b` now"),
        ("x \n```\n  a\n\n\n\n  b\n```  \n  y", "x\n```\n  a\n\n\n\n  b\n```\ny"),
    ],
)
def test_blanks_and_empty_lines_collapse_but_code_stays(text: str, tidy: str) -> None:
    assert normalize_whitespace(text) == tidy
    assert normalize_whitespace(tidy) == tidy


def test_indentation_stays_where_it_is_asked_for() -> None:
    code = "def f():\n    if x:\n\treturn 1"
    assert normalize_whitespace(f"{code}  \n\n\n\n", keep_indentation=True) == code
    assert normalize_whitespace(code) == "def f():\nif x:\nreturn 1"


@given(st.lists(st.sampled_from([*" \n\t\u00a0\u3000\x1c\rab", "  ", "\n\n"]), max_size=15).map("".join), st.booleans())
@settings(max_examples=500, deadline=None)
def test_whole_lines_are_tidied_as_parts_of_lines_are(text: str, keep_indentation: bool) -> None:
    """Text with code goes through an expression, text without it is split into lines: the same rules."""
    tidied = _tidy("\n" + LINE_BREAKS.sub("\n", text), keep_indentation)
    expected = tidied.strip("\n").rstrip() if keep_indentation else tidied.strip()
    assert normalize_whitespace(text, keep_indentation=keep_indentation) == expected


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([*" \n\ta√", "  ", "\n\n", " \n"]), max_size=10).map("".join), st.booleans()
        ),
        max_size=5,
    )
)
@settings(max_examples=500, deadline=None)
def test_a_column_is_tidied_as_its_texts_one_by_one(texts: list[tuple[str, bool]]) -> None:
    column = pa.array(["before ", *(text for text, _ in texts), " after"]).slice(1, len(texts))
    tidied = tidy_column(column, np.array([keep for _, keep in texts], bool))
    tidied.validate(full=True)
    assert tidied.to_pylist() == [normalize_whitespace(text, keep_indentation=keep) for text, keep in texts]


@pytest.mark.parametrize(
    "text", [" " * 400_000, "\n " * 200_000, "a " * 200_000, " \t" * 200_000 + "x", "\n" * 400_000]
)
@pytest.mark.parametrize("keep_indentation", [True, False])
def test_hostile_text_ends(text: str, keep_indentation: bool) -> None:
    """`[^\\S\\n]+$` took over ten minutes for 400,000 blanks."""
    assert len(normalize_whitespace(text, keep_indentation=keep_indentation)) <= len(text)
