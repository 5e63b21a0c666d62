"""What the benchmark of guardrails counts as hidden (`benchmarks/guardrails.py`)."""

import pytest

from benchmarks.guardrails import measure, recall, shows
from ft_platform.privacy.evaluation import GoldText
from ft_platform.privacy.gold import gold_texts


@pytest.mark.parametrize(
    ("text", "is_shown"),
    [
        ("I am <PERSON>.", False),
        ("I am <PERSON> Mustermann.", True),  # half of a name
        ("I am Erika Mustermann.", True),
        ("I am Eri.", False),
    ],
)
def test_a_word_of_an_identifier_shows_it(text: str, is_shown: bool) -> None:
    assert shows("Erika Mustermann", text, "I am .") is is_shown


def test_a_guardrail_that_does_nothing_has_no_recall() -> None:
    gold = [GoldText("I am Erika Mustermann.", ((5, 21, "PERSON"),)), GoldText("In 2019.", ((3, 7, "DATE"),))]
    assert recall(gold, lambda text: text) == {"value": 0, "identifiers": 1, "lowest": {"PERSON": 0}}
    assert recall(gold, lambda text: "")["value"] == 1


def test_it_measures() -> None:
    found = measure(gold_texts(per_entity=1), repeats=3)
    assert found["recall"]["value"] > 0.9 and found["restored"] == 1
    assert {*found["milliseconds"]} == {"100", "1000", "8000"}
