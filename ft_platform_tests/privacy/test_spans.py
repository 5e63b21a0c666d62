"""Overlapping findings become spans that do not overlap and cover as much."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from ft_platform.privacy.spans import Span, resolve

TEXT = "anna.reed@example.com and Anna Reed, 12 Main St"


def span(start: int, end: int, entity: str = "PERSON", score: float = 0.5) -> Span:
    return Span(start, end, entity, score, "tests")


def test_the_longest_finding_wins() -> None:
    assert resolve(TEXT, [span(0, 4), span(0, 21, "EMAIL", 0.4)]) == [span(0, 21, "EMAIL", 0.4)]


def test_of_equally_long_findings_the_surer_one_wins() -> None:
    assert resolve(TEXT, [span(0, 4, "PERSON", 0.6), span(0, 4, "USER_NAME", 0.9)])[0].entity == "USER_NAME"


def test_words_that_a_loser_covers_beyond_the_winner_stay_covered() -> None:
    found = resolve("12 Reed Street Anna", [span(0, 14, "ADDRESS"), span(8, 19, "PERSON")])
    assert found == [span(0, 14, "ADDRESS"), span(15, 19, "PERSON")]


def test_punctuation_left_over_from_a_loser_is_dropped() -> None:
    assert resolve("Anna Reed, .", [span(0, 9), span(3, 12, "ADDRESS", 0.4)]) == [span(0, 9)]


def test_order_of_the_findings_does_not_matter() -> None:
    spans = [span(0, 9), span(4, 14, "ADDRESS"), span(14, 21, "EMAIL"), span(2, 6, "PHONE")]
    assert len({tuple(resolve(TEXT, order)) for order in permutations(spans)}) == 1


@given(
    st.lists(
        st.tuples(
            st.integers(0, 40), st.integers(1, 10), st.sampled_from(["A", "B", "C"]), st.sampled_from([0.5, 0.9])
        ),
        max_size=12,
    )
)
def test_no_character_that_was_found_is_left_and_none_is_covered_twice(
    drawn: list[tuple[int, int, str, float]],
) -> None:
    text = "x" * 60
    spans = [Span(start, start + length, entity, score, "tests") for start, length, entity, score in drawn]
    resolved = resolve(text, spans)
    covered = [place for s in resolved for place in range(s.start, s.end)]
    assert len(covered) == len(set(covered))
    assert set(covered) == {place for s in spans for place in range(s.start, s.end)}
