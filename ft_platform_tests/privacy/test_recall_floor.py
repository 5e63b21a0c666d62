"""The floor under recall: per entity, with its interval, and what it rests on. Persons are fictitious."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.errors import DataError
from ft_platform.privacy.annotated import LEAST_TEXTS, Annotated, among_records, record_languages
from ft_platform.privacy.evaluation import GoldText
from ft_platform.privacy.gold import gold_texts
from ft_platform.privacy.recall_floor import recall_on
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import cleaned_schema
from ft_platform_tests.privacy.anonymizing import anonymized
from ft_platform_tests.tables import table, use_case

EMAIL_ONLY = {"entities": ["EMAIL"]}


def generated(**kwargs: Any) -> Annotated:
    return Annotated(gold_texts(**kwargs), "generated_records", "generated sentences")


def mails(count: int, missed: int = 0, kind: str = "EMAIL") -> list[GoldText]:
    """Texts with one address each, of which some are written so that nothing finds them."""
    values = [f"mirela{n:03d}@example.com" for n in range(count - missed)] + [
        f"qqqqqqqqqqqqqqqqqqqq{n:03d}" for n in range(missed)
    ]
    return [GoldText(f"I said {value} then", ((7, 7 + len(value), kind),)) for value in values]


def own(texts: Sequence[GoldText], **kwargs: Any) -> Annotated:
    return Annotated(texts, "own_records", f"{len(texts)} annotated texts of this source", **kwargs)


def judged(texts: Sequence[GoldText], min_recall: float = 0.9, **kwargs: Any) -> dict[str, Any]:
    return recall_on(use_case(privacy={"min_recall": min_recall}), own(texts, **kwargs))


def test_generated_texts_reach_the_floor_of_every_entity_with_the_whole_interval() -> None:
    numbers = recall_on(use_case(), generated())
    assert (
        numbers["passed"]
        and numbers["status"] == "above_floor"
        and numbers["recall"] >= 0.95
        and numbers["texts"] == 1950
    )
    assert len(numbers["entities"]) == 39 and all(one["low"] >= 0.9 for one in numbers["entities"].values())
    assert list(numbers["entities"]["EMAIL"]) == ["recall", "low", "high", "spans", "texts", "status"]


def test_a_recognizer_that_finds_nothing_turns_it_red_though_the_pooled_share_is_high(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "ft_platform.privacy.recognizers.licence_plate.LicencePlateRecognizer.find", lambda self, text: []
    )
    numbers = recall_on(use_case(), generated())
    assert numbers["recall"] > 0.9, "the pooled share hides it"
    assert (
        not numbers["passed"]
        and numbers["status"] == "below_floor"
        and numbers["entities"]["LICENCE_PLATE"]["status"] == "below_floor"
    )
    assert "LICENCE_PLATE" in numbers["says"]


@pytest.mark.parametrize(
    ("count", "missed", "min_recall", "status", "passed"),
    [
        (40, 0, 0.9, "above_floor", True),
        (34, 0, 0.9, "not_proven", True),  # nothing is missed, and the interval reaches below 0.9
        (200, 10, 0.9, "above_floor", True),
        (100, 8, 0.9, "not_proven", True),
        (100, 12, 0.9, "below_floor", False),
        (19, 0, 0.5, "not_proven", True),  # too few texts, whatever the floor is
        (20, 0, 0.5, "above_floor", True),
        (3, 3, 0.9, "below_floor", False),  # few texts can show that it is below
    ],
)
def test_the_interval_and_the_number_of_texts_decide(
    count: int, missed: int, min_recall: float, status: str, passed: bool
) -> None:
    numbers = judged(mails(count, missed), min_recall)
    assert (numbers["status"], numbers["passed"]) == (status, passed)


def test_one_good_entity_does_not_carry_another_with_few_texts() -> None:
    phones = [GoldText(f"Call (312) 555-01{n:02d} today", ((5, 19, "PHONE"),)) for n in range(5)]
    numbers = judged([*mails(60), *phones])
    assert (
        numbers["recall"] == 1.0
        and numbers["status"] == "not_proven"
        and numbers["entities"]["PHONE"]["status"] == "too_few_texts"
    )
    assert "PHONE is in 5 of at least 20 texts" in numbers["says"]


def test_names_of_another_tool_are_counted_as_one_entity() -> None:
    numbers = judged(
        [*mails(25, kind="EMAIL_ADDRESS"), *(GoldText(one.text + " please", one.spans) for one in mails(25))]
    )
    assert (
        list(numbers["entities"]) == ["EMAIL"]
        and numbers["entities"]["EMAIL"]["texts"] == 50
        and numbers["status"] == "above_floor"
    )


def test_texts_of_another_source_never_prove_it_and_may_show_the_contrary() -> None:
    other = recall_on(
        use_case(),
        Annotated(
            mails(100), "other_texts", "100 annotated texts", "none of the 100 texts in gold.json is among the records"
        ),
    )
    assert other["passed"] and other["status"] == "not_measured_on_this_source"
    assert other["says"].startswith(
        "Recall was not measured on this source: none of the 100 texts in gold.json is among the records."
    )
    worse = recall_on(
        use_case(), Annotated(mails(100, 30), "other_texts", "100 annotated texts", "none is among the records")
    )
    assert not worse["passed"] and worse["status"] == "below_floor"


def test_what_annotated_texts_cannot_show_is_not_proven() -> None:
    assert judged(mails(60), gaps=("of 900 records without any finding 0 were annotated",))["status"] == "not_proven"
    unseen = judged(mails(60), unseen={"PASSPORT": "0 of the 12 records with a finding were annotated"})
    assert unseen["status"] == "not_proven" and "PASSPORT: 0 of the 12 records" in unseen["says"]


def test_nothing_annotated_in_texts_of_the_source_is_not_proven_and_of_others_an_error() -> None:
    empty = [GoldText(f"The fee was charged {n} times.", ()) for n in range(50)]
    numbers = judged(empty)
    assert (
        numbers["passed"] and numbers["status"] == "not_proven" and "no personal data is annotated" in numbers["says"]
    )
    with pytest.raises(DataError, match="no annotation counts"):
        recall_on(use_case(), Annotated(empty, "other_texts", "50 texts"))


def test_an_entity_that_is_left_out_needs_a_reason_and_is_named() -> None:
    reasons = {"URL": "Addresses of pages are public here."}
    numbers = recall_on(use_case(privacy={"left_out": reasons}), generated())
    assert (
        numbers["passed"]
        and numbers["left_out"] == reasons
        and "URL" not in numbers["entities"]
        and numbers["not_looked_for"] == {"URL": 50}
    )
    assert "URL is not looked for: Addresses of pages are public here." in numbers["says"]


@pytest.mark.parametrize(
    "privacy",
    [
        EMAIL_ONLY,
        {"operators": {"PERSON": "keep"}},
        {"entities": ["EMAIL"], "left_out": {"URL": "They are all public."}},
    ],
)
def test_without_a_reason_nothing_may_be_left_out_whatever_the_figures_say(privacy: dict[str, Any]) -> None:
    numbers = recall_on(use_case(privacy=privacy), own(mails(60)))
    assert (
        not numbers["passed"] and "PERSON is not looked for, and privacy.left_out gives no reason." in numbers["says"]
    )
    assert "PERSON" in numbers["left_out"]


def test_equal_seeds_give_equal_texts_and_the_value_stands_at_its_place() -> None:
    assert gold_texts(3) == gold_texts(3) != gold_texts(4)
    assert all(
        one.text[a - 1] in " " and one.text[a:b].strip() == one.text[a:b]
        for one in gold_texts()
        for a, b, _ in one.spans
    )


def test_the_rule_of_the_release_counts_with_the_same_least_number_of_texts() -> None:
    from ft_platform.release.rules.recall import LEAST_TEXTS as IN_RULE

    assert LEAST_TEXTS == IN_RULE


def test_recall_is_told_by_language_and_the_worst_one_decides() -> None:
    texts = [*mails(60), *mails(30, missed=8)]
    numbers = judged(texts, min_recall=0.75, languages=("en",) * 60 + ("de",) * 30)
    assert numbers["entities"]["EMAIL"]["status"] == "above_floor" and numbers["status"] == "below_floor"
    assert {name: one["texts"] for name, one in numbers["languages"].items()} == {"de": 30, "en": 60}
    assert "all in de" in numbers["says"]


def test_a_language_with_few_annotated_texts_is_not_judged_by_them() -> None:
    numbers = judged(mails(60), languages=("en",) * 55 + ("de",) * 5)
    assert set(numbers["languages"]) == {"en"} and numbers["status"] == "above_floor"


GERMAN = "Ich habe gestern meine Rechnung bezahlt, aber niemand hat sich bei mir gemeldet. Bitte schreiben Sie mir."
ENGLISH = "I paid my bill yesterday, but nobody has answered my letter so far. Please write to me about it soon."


def records(*texts: str) -> pa.Table:
    return table(cleaned_schema(use_case()), list(texts))


def test_a_language_of_the_records_that_nobody_annotated_is_a_gap() -> None:
    cleaned = records(*[f"{ENGLISH} {n}" for n in range(60)], *[f"{GERMAN} {n}" for n in range(40)], "ok")
    assert {name: round(share, 1) for name, share in record_languages(TableRows(cleaned)).items()} == {
        "en": 0.6,
        "de": 0.4,
    }
    gold = [GoldText(f"{ENGLISH} {n}", ()) for n in range(40)] + [GoldText(f"{GERMAN} 1", ())]
    annotated = among_records(gold, TableRows(cleaned), TableRows(anonymized(use_case(), cleaned).kept))
    assert sorted(Counter(annotated.languages).items()) == [("de", 1), ("en", 40)]
    assert any("40% of the records are in de (ISO 639), and 1 of the annotated" in gap for gap in annotated.gaps)
    assert recall_on(use_case(), annotated)["status"] == "not_proven"


def test_records_in_one_language_ask_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = records(*[f"{ENGLISH} {n}" for n in range(50)], GERMAN)
    assert set(record_languages(TableRows(cleaned))) == {"en"}
    monkeypatch.setattr("ft_platform.privacy.annotated.is_installed", lambda: False)
    assert record_languages(TableRows(cleaned)) == {}
