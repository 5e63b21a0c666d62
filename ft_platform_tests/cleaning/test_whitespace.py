import pytest

from ft_platform.cleaning.whitespace import normalize_whitespace


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


@pytest.mark.parametrize("text", [" " * 400_000, "\n " * 200_000, "a " * 200_000, " \t" * 200_000 + "x", "\n" * 400_000])
@pytest.mark.parametrize("keep_indentation", [True, False])
def test_hostile_text_ends(text: str, keep_indentation: bool) -> None:
    """`[^\\S\\n]+$` took over ten minutes for 400,000 blanks."""
    assert len(normalize_whitespace(text, keep_indentation=keep_indentation)) <= len(text)
