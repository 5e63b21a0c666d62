"""traffic.feedback: what several people said about one answer."""

from typing import Any

import pytest

from ft_platform.monitoring.traffic.feedback import Settled, settled

ASKED = "classify-1"


def request(*decisions: str | None, key: str | None = None) -> dict[str, Any]:
    return {"request_id": ASKED, "key": key, "answers": [{"decision": one} for one in decisions]}


def said(number: int = 0, key: str | None = None, index: int = 0, **what: Any) -> dict[str, Any]:
    told = {"rating": None, "label": None, "csat": None, "by": None, **what}
    return {"request_id": ASKED, "index": index, "key": key, "at": f"2026-03-01T12:00:{number:02d}", **told} | {
        "feedback_id": str(number)
    }


def of(decision: str | None, *feedback: dict[str, Any], key: str | None = None) -> Settled | None:
    return settled([request(decision, key=key)], feedback).get((ASKED, 0))


@pytest.mark.parametrize(
    ("decision", "opinions", "verdict", "label"),
    [
        ("Card", [{"rating": "good"}], "right", "Card"),
        ("Card", [{"rating": "bad"}], "wrong", None),
        ("Card", [{"label": "Loan"}], "wrong", "Loan"),
        ("Card", [{"label": "Card"}], "right", "Card"),
        ("Card", [{"rating": "bad", "label": "Loan"}], "wrong", "Loan"),
        ("Card", [{"rating": "bad"}, {"rating": "good"}], "right", "Card"),
        ("Card", [{"label": "Loan"}, {"label": "Loan"}], "wrong", "Loan"),
        ("Card", [{"csat": 4}], None, None),
        ("Card", [{"label": "Loan"}, {"csat": 1}], "wrong", "Loan"),
        (None, [{"rating": "good"}], "right", None),
        (None, [{"rating": "bad"}], "wrong", None),
    ],
)
def test_of_one_person_the_newest_opinion_counts(decision, opinions, verdict, label) -> None:
    found = of(decision, *(said(number, **one) for number, one in enumerate(opinions)))
    assert found and (found.verdict, found.label) == (verdict, label)
    assert found.votes == (0 if verdict is None else 1)


def test_the_order_in_which_it_comes_does_not_matter() -> None:
    both = [said(2, label="Loan"), said(1, rating="good")]
    assert of("Card", *both) == of("Card", *reversed(both)) == Settled("wrong", "Loan", None, 1)


@pytest.mark.parametrize(
    ("opinions", "verdict", "label"),
    [
        ([{"label": "Loan"}, {"label": "Loan"}, {"label": "Card"}], "wrong", "Loan"),
        ([{"label": "Loan"}, {"label": "Card"}], "contradictory", None),
        ([{"label": "Loan"}, {"rating": "good"}], "contradictory", None),
        ([{"label": "Loan"}, {"rating": "good"}, {"rating": "good"}], "right", "Card"),
        ([{"rating": "bad"}, {"rating": "good"}], "contradictory", None),
        ([{"rating": "bad"}, {"rating": "bad"}, {"rating": "good"}], "wrong", None),
        ([{"rating": "bad"}, {"label": "Loan"}], "wrong", "Loan"),
    ],
)
def test_of_several_people_most_votes_count(opinions, verdict, label) -> None:
    found = of("Card", *(said(number, by=str(number), **one) for number, one in enumerate(opinions)))
    assert found == Settled(verdict, label, None, len(opinions))


def test_feedback_that_names_nobody_is_of_one_person() -> None:
    assert of("Card", said(1, label="Loan"), said(2, label="Loan"), said(3, label="Card")) == Settled(
        "right", "Card", None, 1
    )


def test_feedback_of_another_key_or_on_no_answer_does_not_count() -> None:
    assert of("Card", said(label="Loan", key="other"), key="mine") is None
    assert of("Card", said(label="Loan", key="mine"), key="mine") == Settled("wrong", "Loan", None, 1)
    assert of("Card", said(label="Loan", key="file"), key="mine") == Settled("wrong", "Loan", None, 1)
    assert of("Card", said(label="Loan", index=1)) is None
    assert settled([], [said(label="Loan")]) == {}


def test_each_answer_of_a_request_has_its_own() -> None:
    found = settled([request("Card", "Loan")], [said(1, rating="good"), said(2, index=1, rating="bad", csat=2)])
    assert found == {(ASKED, 0): Settled("right", "Card", None, 1), (ASKED, 1): Settled("wrong", None, 2.0, 1)}
