"""Recognizers and named-entity recognition together. Persons are fictitious."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from ft_platform.privacy.entities import all_recognizers
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span
from ft_platform.use_case.settings.privacy import Privacy


def scanner(gate: bool = True, **settings: object) -> Scanner:
    return Scanner(Privacy.model_validate(settings), gate=gate)


def pieces(found: Scanner, text: str) -> list[tuple[str, str]]:
    return [(s.entity, text[s.start : s.end]) for s in found.find([text])[0]]


def test_ner_adds_names_that_no_cue_gives_away() -> None:
    text = "Yesterday Harold Whitcombe refused the refund again."
    assert pieces(scanner(), text) == [("PERSON", "Harold Whitcombe")]


def test_an_organization_is_replaced_only_where_it_is_named() -> None:
    text = "Acme Brakes Inc closed."
    assert pieces(scanner(), text) == []
    assert pieces(scanner(entities=["ORGANIZATION"]), text) == [("ORGANIZATION", "Acme Brakes Inc")]


def test_an_entity_that_is_kept_is_not_looked_for() -> None:
    text = "The branch in Chicago was closed."
    assert pieces(scanner(), text) == [("LOCATION", "Chicago")]
    assert pieces(scanner(operators={"LOCATION": "keep"}), text) == []


@pytest.mark.parametrize(
    "text", ["I SPOKE WITH HAROLD WHITCOMBE ABOUT THE REFUND.", "yesterday harold whitcombe refused the refund again."]
)
def test_names_in_texts_of_one_case_are_found(text: str) -> None:
    assert ("PERSON", text[text.lower().index("harold") :][:16]) in pieces(scanner(), text)


@pytest.mark.parametrize(
    "text",
    [
        "XXXX XXXX from Wells Fargo Bank told me that XXXX would call.",
        "Equifax, Experian and TransUnion report my Navient Student Loan.",
        "On Monday I received a Notice from the Credit Bureau. Unfortunately Customer Service did not help.",
        "THEY REFUSED TO REFUND MY MONEY AND CLOSED THE ACCOUNT.",
    ],
)
def test_masks_companies_and_everyday_words_are_no_persons(text: str) -> None:
    assert pieces(scanner(), text) == []


def protected(spans: list[Span]) -> set[int]:
    return {place for span in spans for place in range(span.start, span.end)}


def test_the_gate_loses_no_finding() -> None:
    texts = [
        "Maybe. Harold Whitcombe called. He said that XXXX paid.",
        "HAROLD WHITCOMBE CALLED ME",
        "i am tired of harold whitcombe",
        "Will Smith and May Okafor met Dr. J. Laurent.\nJean-Luc Moreau signed.",
        "no names here at all",
        "The agent, Priya, was rude.",
    ]
    for gated, all_read in zip(scanner(gate=True).find(texts), scanner(gate=False).find(texts), strict=True):
        assert protected(gated) == protected(all_read)


def test_another_model_reads_what_the_network_has_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found, read = scanner(), []
    monkeypatch.setattr(found, "_ner", Recorder(read))
    found.find(["Dear Mr. Harold Whitcombe, thank you.", "Yesterday Harold Whitcombe refused."])
    assert read == []
    monkeypatch.setattr(found, "_built_in", Recorder([]))
    found.find(["Nobody Zorblax came."])
    assert read == ["Nobody Zorblax came."]


class Recorder:
    """Named-entity recognition that finds nothing and notes what it was given."""

    def __init__(self, read: list[str]) -> None:
        self._read = read

    def find(self, pieces: Sequence[str]) -> list[list[Span]]:
        self._read += pieces
        return [[] for _ in pieces]


def test_an_organization_of_the_model_needs_no_legal_form() -> None:
    text = "He sued Siemens and Volkswagen last year."
    found = pieces(scanner(entities=["ORGANIZATION"]), text)
    assert found == [("ORGANIZATION", "Siemens"), ("ORGANIZATION", "Volkswagen")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call 4l5 555 O132", [("PHONE", "4l5 555 O132")]),
        ("DNI 73653949Z", [("ES_DNI", "73653949Z")]),
        ("An\u200bna\u00a0Whitcombe-\uff32eed called", [("PERSON", "An\u200bna\u00a0Whitcombe-\uff32eed")]),
    ],
)
def test_findings_stand_at_their_place_in_the_text_as_it_is_written(text: str, found: list[tuple[str, str]]) -> None:
    assert pieces(scanner(ner="none"), text) == found


@pytest.mark.parametrize("entity", sorted(e for e, r in all_recognizers().items() if getattr(r, "digits", 0)))
def test_a_recognizer_of_numbers_says_rightly_how_many_digits_it_needs(entity: str) -> None:
    recognizer = all_recognizers()[entity]
    module = importlib.import_module(
        f"ft_platform_tests.privacy.recognizers.test_{type(recognizer).__module__.rsplit('.', 1)[1]}"
    )
    for text, expected, *_ in module.FOUND:
        assert expected in [
            piece for e, piece in pieces(scanner(ner="none", entities=[entity]), text) if e == entity
        ], text


def test_a_text_has_the_same_findings_whatever_is_read_with_it() -> None:
    texts = [f"Yesterday Harold Whitcombe refused {number} times." for number in range(40)]
    together = scanner().find(texts)
    assert together == [scanner().find([text])[0] for text in texts]


def test_strict_replaces_unknown_words_and_numbers() -> None:
    text = "Zorblax closed ticket 44-1171 on Monday."
    assert pieces(scanner(ner="none", entities=["EMAIL"]), text) == []
    assert pieces(scanner(entities=["EMAIL"], strictness="strict"), text) == [
        ("UNKNOWN_NAME", "Zorblax"),
        ("NUMBER", "44-1171"),
    ]


def test_a_long_text_without_a_full_stop_is_read_in_pieces() -> None:
    text = "Harold Whitcombe refused and " * 5_000
    assert len(pieces(scanner(), text)) == 5_000


WITHOUT_NER = """
import json, sys
from ft_platform.privacy.scan import Scanner
from ft_platform.use_case.settings.privacy import Privacy
found = Scanner(Privacy(ner="none")).find(["Mr. Harold Whitcombe, 12 Main St, a@example.com"])[0]
print(json.dumps([[(s.start, s.end, s.entity) for s in found], "spacy" in sys.modules]))
"""


def test_findings_do_not_depend_on_the_process_and_without_ner_spacy_is_not_imported() -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", WITHOUT_NER],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    found, has_spacy = json.loads(runs[0])
    assert len(found) == 3 and not has_spacy


def test_strict_counts_whatever_the_least_score() -> None:
    found = scanner(entities=["EMAIL"], strictness="strict", min_score=0.9)
    assert pieces(found, "Zorblax closed it.") == [("UNKNOWN_NAME", "Zorblax")]


def test_a_name_that_only_reaches_into_what_is_kept_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    found = scanner(operators={"EMAIL": "keep"})
    monkeypatch.setattr(found, "_built_in", Fixed([Span(0, 14, "PERSON", 0.9, "x"), Span(9, 14, "PERSON", 0.9, "x")]))
    assert pieces(found, "Okonjo - mirela@example.com") == [("PERSON", "Okonjo - mirel")]


class Fixed:
    def __init__(self, spans: list[Span]) -> None:
        self._spans = spans

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        return [self._spans for _ in texts]


def test_a_month_or_a_company_behind_a_title_is_a_name() -> None:
    text = "I wrote to Mr. Chase and to Ms. May about the bill."
    assert pieces(scanner(), text) == [("PERSON", "Chase"), ("PERSON", "May")]


def test_what_follows_a_title_is_a_name_where_it_could_be_any_word() -> None:
    """The second scan refuses records with such a name (`second_scan.persons`)."""
    text = "Mr. Deeds is very silly. Mrs Blooming was late."
    assert pieces(scanner(), text) == [("PERSON", "Deeds"), ("PERSON", "Blooming")]
