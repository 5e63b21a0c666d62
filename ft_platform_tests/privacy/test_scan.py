"""Recognizers and named-entity recognition together. Persons are fictitious."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from ft_platform.privacy.scan import Scanner
from ft_platform.use_case import Privacy


def scanner(gate: bool = True, **settings: object) -> Scanner:
    return Scanner(Privacy.model_validate(settings), gate=gate)


def pieces(found: Scanner, text: str) -> list[tuple[str, str]]:
    return [(s.entity, text[s.start : s.end]) for s in found.find([text])[0]]


def test_ner_adds_names_that_no_cue_gives_away() -> None:
    text = "Yesterday Harold Whitcombe refused the refund again."
    assert pieces(scanner(), text) == [("PERSON", "Harold Whitcombe")]


def test_location_is_replaced_only_where_it_is_named() -> None:
    text = "The branch in Chicago was closed."
    assert pieces(scanner(), text) == []
    assert pieces(scanner(entities=["LOCATION"]), text) == [("LOCATION", "Chicago")]


@pytest.mark.parametrize("text", ["I SPOKE WITH HAROLD WHITCOMBE ABOUT THE REFUND.", "yesterday harold whitcombe refused the refund again."])
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


def test_the_gate_changes_no_finding() -> None:
    texts = [
        "Maybe. Harold Whitcombe called. He said that XXXX paid.",
        "HAROLD WHITCOMBE CALLED ME",
        "i am tired of harold whitcombe",
        "Will Smith and May Okafor met Dr. J. Laurent.\nJean-Luc Moreau signed.",
        "no names here at all",
        "The agent, Priya, was rude.",
    ]
    assert scanner(gate=True).find(texts) == scanner(gate=False).find(texts)


def test_repeated_sentences_give_the_same_findings_in_every_text() -> None:
    text = "Yesterday Harold Whitcombe refused. "
    found = scanner()
    first = found.find([text])
    assert found.find([text, "x " + text])[0] == first[0]
    assert found.find([text * 2])[0] == [*first[0], *[s.moved(len(text)) for s in first[0]]]


def test_a_long_text_without_a_full_stop_is_read_in_pieces() -> None:
    text = "Harold Whitcombe refused and " * 5_000
    assert len(pieces(scanner(), text)) == 5_000


WITHOUT_NER = """
import json, sys
from ft_platform.privacy.scan import Scanner
from ft_platform.use_case import Privacy
found = Scanner(Privacy(ner="none")).find(["Mr. Harold Whitcombe, 12 Main St, a@example.com"])[0]
print(json.dumps([[(s.start, s.end, s.entity) for s in found], "spacy" in sys.modules]))
"""


def test_findings_do_not_depend_on_the_process_and_without_ner_spacy_is_not_imported() -> None:
    runs = [
        subprocess.run([sys.executable, "-c", WITHOUT_NER], check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    found, has_spacy = json.loads(runs[0])
    assert len(found) == 3 and not has_spacy


FLOORS = {"EMAIL": 1.0, "IBAN": 1.0, "IP_ADDRESS": 1.0, "US_SSN": 1.0, "CREDIT_CARD": 0.98, "PHONE": 0.95, "ADDRESS": 0.70, "PERSON": 0.78}
"""Recall by character, below what was measured on 2,000 annotations: a recognizer that gets worse turns this red."""


@pytest.mark.real_data
def test_recall_and_precision_on_annotated_text_do_not_fall(shared_data: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "anonymize_recall.py"
    measure = runpy.run_path(str(script))["measure"]
    entities = measure(shared_data / "presidio_synth" / "synth_dataset_v2.json", Privacy.model_validate({}))["entities"]
    too_low = {e: entities[e]["recall"] for e, floor in FLOORS.items() if entities[e]["recall"] < floor}
    assert too_low == {}
    assert all(entities[e]["precision"] >= 0.95 for e in FLOORS)
