"""Records of one's own that people mark one by one: which are drawn, what was said, and what it shows. Persons are
fictitious."""

from collections import Counter
from typing import Any

import pytest

from ft_platform.errors import ConfigError
from ft_platform.privacy.marked_record import answer_of, findings, pieces_of
from ft_platform.privacy.own_sample import LEAST_OF_EACH, OTHER, Answer, Draw, OwnSample, drawn
from ft_platform.privacy.recall_floor import recall_of_sample, recall_on
from ft_platform.privacy.spans import Span
from ft_platform.privacy.strata import NOTHING
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import cleaned_schema
from ft_platform_tests.privacy.anonymizing import anonymized
from ft_platform_tests.privacy.test_recall_floor import generated, own
from ft_platform_tests.tables import table, use_case

FOUND = Answer({"EMAIL": 1}, {}, {})


def rows() -> TableRows:
    texts = [f"I paid my bill number {number} twice" for number in range(160)]
    texts += [f"Write to mirela{number:03d}@example.com please" for number in range(38)]
    texts += ["Call (312) 555-0143 today", "Call (312) 555-0144 today"]
    return TableRows(anonymized(use_case(), table(cleaned_schema(use_case()), texts)).kept)


def test_rare_finds_are_drawn_early_and_the_weights_undo_that() -> None:
    draws = drawn(rows(), 7, 400)
    assert drawn(rows(), 7, 400) == draws != drawn(rows(), 8, 400)
    first = {group: [one.record for one in draws[:40] if one.group == group] for group in ("PHONE", "EMAIL", NOTHING)}
    assert len(set(first["PHONE"])) == 2
    assert len(set(first["EMAIL"])) >= LEAST_OF_EACH
    assert all(one.weight <= one.largest <= 1 / 0.7 + 1e-9 for one in draws)
    share = {group: sum(one.weight for one in draws if one.group == group) / 400 for group in first}
    assert share["EMAIL"] == pytest.approx(0.19, abs=0.06)
    assert share["PHONE"] == pytest.approx(0.01, abs=0.012)
    assert Counter(one.group for one in draws)["PHONE"] > 400 * 0.01


def sampled(*answers: Answer, draws: int = 200) -> OwnSample:
    """Records with these answers, the last of them for all that follow."""
    said = {f"r{number:03d}": answers[min(number, len(answers) - 1)] for number in range(draws)}
    return OwnSample("recall_sample-1", [Draw(one, "EMAIL", 1.0, 1.0) for one in said], said)


def judged(sample: OwnSample, texts: Any = None) -> dict[str, Any]:
    return recall_of_sample(use_case(), sample, recall_on(use_case(), texts or generated()))


def test_what_was_found_everywhere_proves_the_floor_and_the_sentence_has_the_figures() -> None:
    numbers = judged(sampled(Answer({"EMAIL": 1}, {}, {"PERSON": 1}), FOUND, draws=80))
    assert numbers["passed"]
    assert (numbers["status"], numbers["basis"]) == ("above_floor", "own_sample")
    assert numbers["sample"]["low"] >= 0.9
    assert numbers["sample"] | {"low": 0} == {
        "id": "recall_sample-1",
        "recall": pytest.approx(1 - 0.5 / 80, abs=1e-4),
        "low": 0,
        "high": pytest.approx(1 - 0.5 / 80, abs=1e-4),
        "records": 80,
        "found": 80,
        "missed": 1,
    }
    assert "80 of your own records, marked one by one, 80 of 81 places with personal data were found" in numbers["says"]


def test_few_records_prove_nothing_and_say_how_many_more_are_needed() -> None:
    numbers = judged(sampled(FOUND, draws=10))
    assert numbers["passed"]
    assert numbers["status"] == "not_proven"
    assert "about 36 more are needed if nothing else is missed" in numbers["says"]


def test_a_kind_that_is_mostly_missed_stops_although_all_together_is_high() -> None:
    missed = Answer({"EMAIL": 1}, {}, {"PHONE": 1})
    sample = sampled(*([missed, FOUND, FOUND, FOUND, FOUND, FOUND] * 6))
    numbers = judged(sample)
    assert not numbers["passed"]
    assert numbers["status"] == "below_floor"
    assert "PHONE 0.000" in numbers["says"]


def test_a_recognizer_that_fails_on_generated_texts_stops_whatever_the_sample_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "ft_platform.privacy.recognizers.licence_plate.LicencePlateRecognizer.find", lambda self, text: []
    )
    numbers = judged(sampled(FOUND))
    assert not numbers["passed"]
    assert "LICENCE_PLATE" in numbers["says"]


def test_findings_that_are_no_personal_data_do_not_count_as_found() -> None:
    wrong = Answer({}, {"PERSON": 1}, {})
    assert wrong.share() is None
    assert sampled(wrong).recall.value is None
    assert not sampled(wrong).is_above(0.9)


@pytest.mark.parametrize(
    ("missed", "says_something"),
    [(Answer({}, {}, {"EMAIL": 1}), True), (Answer({"EMAIL": 1}, {}, {"EMAIL": 1}), True), (FOUND, False)],
    ids=["nothing was found", "half was found", "all was found"],
)
def test_a_first_record_in_which_too_little_was_found_says_something(missed: Answer, says_something: bool) -> None:
    sample = OwnSample("s", [Draw(one, "EMAIL", 1.0, 1.0) for one in ("a", "b")], {"a": missed})
    assert not sample.is_over(0.9)
    assert sample.says_something(0.9) is says_something


def test_what_nobody_looked_at_yet_of_a_group_keeps_the_floor_unproven() -> None:
    draws = [Draw(f"r{number:03d}", "EMAIL", 1.0, 1.0) for number in range(80)] + [Draw("rare", "IBAN", 1.0, 1.0)]
    said = {one.record: FOUND for one in draws[:80]}
    sample = OwnSample("s", draws, said)
    assert sample.recall.low >= 0.9
    assert not sample.is_above(0.9)
    assert sample.to_go(0.9) == 1
    assert sample.following == "rare"
    assert OwnSample("s", draws, said | {"rare": FOUND}).is_above(0.9)


def test_a_record_that_is_drawn_again_counts_again_and_is_asked_once() -> None:
    draws = [Draw(one, "EMAIL", 1.0, 1.0) for one in ("a", "a", "b")]
    sample = OwnSample("s", draws, {"a": FOUND})
    assert (len(sample.answered), sample.records, sample.following) == (2, 1, "b")


TEXT = "Ms zorvan quill, write to mirela@example.com or ring qwerty."


def record() -> list[Any]:
    return pieces_of([TEXT], [[Span(26, 44, "EMAIL", 1.0, "email")]])


def test_a_record_is_cut_into_words_and_findings_that_join_to_the_text() -> None:
    (pieces,) = record()
    assert "".join(one.text for one in pieces) == TEXT
    assert [(one.text, one.number) for one in pieces if one.kind] == [("mirela@example.com", 0)]
    words = {one.number: one.text for one in pieces if not one.kind and one.number is not None}
    assert [words[number] for number in range(len(words))] == [
        "Ms",
        "zorvan",
        "quill,",
        "write",
        "to",
        "or",
        "ring",
        "qwerty.",
    ]
    found = findings(use_case().settings.privacy, [TEXT])
    assert "mirela@example.com" in [TEXT[one.start : one.end] for one in found[0]]


@pytest.mark.parametrize(
    ("missed", "wrong", "kind", "expected"),
    [
        ([], [], "", Answer({"EMAIL": 1}, {}, {})),
        ([1, 2], [], "PERSON", Answer({"EMAIL": 1}, {}, {"PERSON": 1})),  # words beside each other are one place
        ([1, 2, 7], [], "PERSON", Answer({"EMAIL": 1}, {}, {"PERSON": 2})),
        ([4, 5], [], "PERSON", Answer({"EMAIL": 1}, {}, {"PERSON": 2})),  # a finding is between them
        ([1, 2], [], OTHER, Answer({"EMAIL": 1}, {}, {OTHER: 2})),
        ([], [0], "", Answer({}, {"EMAIL": 1}, {})),
    ],
)
def test_what_is_tapped_is_counted_by_place(missed: list[int], wrong: list[int], kind: str, expected: Answer) -> None:
    assert answer_of(record(), set(missed), set(wrong), kind) == expected


@pytest.mark.parametrize(
    ("missed", "wrong", "kind"), [([99], [], "PERSON"), ([], [1], ""), ([1], [], ""), ([-1], [], "X")]
)
def test_what_is_not_in_the_record_is_refused_without_its_words(missed: list[int], wrong: list[int], kind: str) -> None:
    with pytest.raises(ConfigError) as caught:
        answer_of(record(), set(missed), set(wrong), kind)
    assert "zorvan" not in str(caught.value)


def test_texts_that_people_annotated_in_a_file_are_judged_as_before() -> None:
    assert recall_on(use_case(), own(()))["basis"] == "own_records"
