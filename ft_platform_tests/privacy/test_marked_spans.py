"""Words that experts marked, in texts. Names are fictitious."""

import pyarrow as pa
import pytest

from ft_platform.privacy.marked_spans import InForce, MarkedSpans, originals_behind
from ft_platform.privacy.spans import Span

TEXT = "My neighbour Zorvan Quill, and ZORVAN\nQUILL again; Quillon is another."


def hidden(marks: InForce, text: str, spans: list[Span] | None = None, record: str = "r1") -> list[tuple[str, str]]:
    return [(one.entity, text[one.start : one.end]) for one in MarkedSpans(marks).corrected(record, text, spans or [])]


def test_missed_words_are_found_as_whole_words_in_any_case_and_over_line_breaks() -> None:
    marks = InForce(hidden={"r1": [("PERSON", "Zorvan Quill")]})
    assert hidden(marks, TEXT) == [("PERSON", "Zorvan Quill"), ("PERSON", "ZORVAN\nQUILL")]
    assert hidden(marks, TEXT, record="r2") == []
    assert len(hidden(InForce(everywhere=[("PERSON", "Zorvan Quill")]), TEXT, record="r2")) == 2


@pytest.mark.parametrize("words", ["C++", "(x", "a.b", "+49 (0)30", "$5"])
def test_signs_of_expressions_are_words_like_any(words: str) -> None:
    text = f"before {words} after aab"
    assert hidden(InForce(everywhere=[("NUMBER", words)]), text) == [("NUMBER", words)]


def test_what_a_recognizer_found_around_missed_words_stays_hidden() -> None:
    text = "Call Zorvan Quill now"
    found = [Span(0, 11, "PERSON", 0.9, "spacy")]  # "Call Zorvan"
    marks = InForce(hidden={"r1": [("LOCATION", "Zorvan Quill")]})
    assert "".join(words for _, words in hidden(marks, text, found)).replace(" ", "") == "CallZorvanQuill"


def test_what_hides_nothing_is_shown_in_its_record_only_and_missed_words_win() -> None:
    text = "The Apollo card"
    found = [Span(4, 10, "PERSON", 0.9, "spacy")]
    shown = InForce(shown={"r1": ["APOLLO"]})
    assert hidden(shown, text, found) == [] and hidden(shown, text, found, "r2") == [("PERSON", "Apollo")]
    both = InForce(shown={"r1": ["Apollo"]}, hidden={"r1": [("PERSON", "Apollo")]})
    assert hidden(both, text, found) == [("PERSON", "Apollo")]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("Dear Ann Reed, call 555", "Dear <PERSON_abcdefgh>, call <PHONE>", ["Ann Reed", "555"]),
        ("Ann", "<PERSON>", ["Ann"]),
        ("no finding", "no finding", []),
        ("Ann Reed Berlin now", "<PERSON> <LOCATION> now", [None, None]),  # two blanks: which one divides?
        ("AnnBerlin", "<PERSON><LOCATION>", [None, None]),
        ("Ann and Bo and Cy", "<PERSON> and <PERSON>", [None, None]),
        ("Ann met Bo", "<PERSON> saw <PERSON>", [None, None]),  # a surrogate changed the words between
        ("x, a, y", "x, <PERSON>, y", ["a"]),
    ],
)
def test_what_a_placeholder_stands_for_is_told_only_where_it_is_certain(
    before: str, after: str, expected: list[str | None]
) -> None:
    assert originals_behind(before, after) == expected


@pytest.mark.parametrize(
    ("marks", "concerned"),
    [
        (InForce(), [False, False]),
        (InForce(hidden={"r2": [("PERSON", "Quill")]}), [False, True]),
        (InForce(shown={"r1": ["Apollo"]}), [True, False]),
        (InForce(everywhere=[("PERSON", "Quill")]), [True, True]),
    ],
)
def test_records_are_looked_at_that_a_mark_says_something_of(marks: InForce, concerned: list[bool]) -> None:
    assert MarkedSpans(marks).concern(pa.array(["r1", "r2"])).tolist() == concerned
