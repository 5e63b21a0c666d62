"""Each guess about a column: good, near miss, and nothing."""

from typing import Any

import pytest

from ft_platform.onboarding.proposal.columns import Column
from ft_platform.onboarding.proposal.guesses import (
    guess_answer,
    guess_consent,
    guess_date,
    guess_id,
    guess_joined,
    guess_label,
    guess_licence,
    guess_messages,
    guess_sensitive,
    guess_subject,
    guess_text,
    words_of,
)


def column(name: str, kind: Any = "code", different: int = 4, words: float = 1.0, **more: Any) -> Column:
    rows = more.pop("rows", 1000)
    return Column(name, kind, rows, more.pop("filled", rows), different, more.pop("lengths", (1, 5, 9)), words, **more)


def texts(name, length=100, words=20.0, different=990):
    return column(name, "text", different, words, lengths=(length // 2, length, length * 2))


UNIQUE: dict[str, Any] = {"different": 1000}


@pytest.mark.parametrize(
    ("guess", "columns", "expected"),
    [
        (guess_id, [column("text"), column("Complaint ID", "number", **UNIQUE)], "Complaint ID"),
        (guess_id, [column("row", "number", **UNIQUE), column("text")], "row"),  # the first column
        (guess_id, [column("text"), column("Latitude", "number", **UNIQUE)], None),  # unique, but no name of an id
        (guess_id, [column("id", "number", different=999)], None),  # one repeats
        (guess_id, [column("id", "number", different=999, filled=999)], None),  # one is empty
        (guess_text, [texts("title", 30), texts("body", 500)], "body"),
        (guess_text, [texts("remark", 150), texts("text", 100)], "text"),  # a telling name counts twice
        (guess_text, [texts("address", 900)], None),
        (guess_text, [column("status", "text", 5, 6.0)], None),  # sentences that repeat are categories
        (guess_label, [column("colour", different=3), column("Category", different=77)], "Category"),
        (guess_label, [column("Risk", different=2), column("last", different=2)], "Risk"),
        (guess_label, [column("a", different=2), column("b", different=3)], "b"),  # the last one
        (guess_label, [column("label", different=900)], None),  # hardly two records each
        (guess_label, [column("label", different=1)], None),
        (guess_label, [column("count", "number", different=60)], None),  # a number of many values
        (guess_answer, [texts("question"), texts("answer")], "answer"),
        (guess_answer, [column("answer", different=3)], None),  # few values: a label
        (guess_answer, [texts("text")], None),
        (
            guess_date,
            [column("Closed", "date", year_first=True), column("Created", "date", year_first=True)],
            "Created",
        ),
        (guess_date, [column("Created", "date")], None),  # 3/4/2025 is a day in March or in April
        (guess_date, [column("Created", "date", year_first=True, filled=300)], None),  # mostly empty
        (guess_consent, [column("Consumer consent provided?", different=5)], "Consumer consent provided?"),
        (guess_consent, [column("May be used", "yes or no", different=2)], "May be used"),
        (guess_consent, [column("consent text", different=700)], None),
        (guess_consent, [column("contents", different=4)], None),  # no whole word
        (guess_licence, [column("license", different=3)], "license"),
        (guess_subject, [column("customer_id", different=300)], "customer_id"),
        (guess_subject, [column("customer_id", **UNIQUE)], None),  # one record each: an id of records
        (guess_subject, [column("Kunde", different=300)], "Kunde"),
        (guess_subject, [column("cliente", "text", 300, 2.0)], "cliente"),  # names of persons
        (guess_subject, [column("Kundennummer", "number", different=300)], "Kundennummer"),
        (guess_subject, [column("klant", different=300)], "klant"),
        (guess_subject, [column("userid", different=300)], "userid"),
        (guess_subject, [column("Subject", "text", 300, 3.0)], None),  # of a message
        (guess_subject, [column("Account", different=300)], None),  # a kind of account, as likely
        (guess_subject, [column("client", "text", 300, 9.0)], None),  # what the client said
        (guess_subject, [column("client", different=4)], None),  # a group
        (guess_sensitive, [column("Sex", different=2)], "Sex"),
        (guess_sensitive, [column("ForeignWorker", "yes or no", different=2)], "ForeignWorker"),
        (guess_sensitive, [column("Age", "number", different=70)], "Age"),
        (guess_sensitive, [column("Message", different=4), column("usage", different=4)], None),  # age is in neither
        (guess_sensitive, [column("State", different=400)], None),  # too many values for groups
        (guess_messages, [column("turns", "list", keys=frozenset({"speaker", "utterance"}))], "turns"),
        (guess_messages, [column("tags", "list")], None),
        (guess_joined, [column("a"), column("b", "number", 50), column("City")], "a"),
    ],
)
def test_a_guess_is_the_column_that_a_person_would_take_or_none(guess, columns, expected):
    found = guess(columns)
    assert (found.columns[0] if found else None) == expected
    assert found is None or found.why


@pytest.mark.parametrize(
    ("name", "words"),
    [("ForeignWorker", "foreign worker"), ("Complaint_Type", "complaint type"), ("Größe (cm)", "grösse cm")],
)
def test_a_name_is_looked_at_in_words(name, words):
    assert words_of(name) == words
