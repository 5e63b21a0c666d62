"""Planted hallucinations are found, supported answers are not, and what the method cannot see is written down here."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ft_platform.errors import ConfigError
from ft_platform.evaluation.files import read_metrics, read_predictions
from ft_platform.evaluation.groundedness import FIGURES, Meanings, claims_in, groundedness, meanings_of, statistics
from ft_platform.evaluation.inputs import evaluation_inputs
from ft_platform.evaluation.outputs import Outputs, TextOutputs
from ft_platform.evaluation.predictions import predictions_table, rows_of
from ft_platform.evaluation.records import questions_of, side_of
from ft_platform.models.sentence_encoder import encoder_fingerprint
from ft_platform.reporting.evaluation_report import groundedness_table
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.evaluation import Evaluation
from ft_platform_tests.evaluation.judged_case import judged_case
from ft_platform_tests.evaluation.tiny_case import CANARY, attributes_for, installed, tiny_case
from ft_platform_tests.tiny_models import save_tiny_encoder

CONTEXT = """Ticket 4711. The customer Zanna Orlova ordered the kettle Model K-200 on 2024-03-05 for 1,250.00 EUR.
It was delivered to Tallinn on 9 March. The lid leaks when water boils. The warranty covers leaking lids for 24 months.
Repairs are done in the workshop. A refund is possible within 14 days after delivery."""

SUPPORTED = [
    "The warranty covers leaking lids for 24 months.",
    "Zanna Orlova ordered the kettle on 2024/03/05 for 1250.00 EUR.",
    "The lid leaks when the water is boiling, which the warranty covers.",
    "Hello! Yes. A refund is possible within 14 days.",
    "1. The kettle was delivered to Tallinn.\n2. The lid leaks.",
    "Orlova's kettle leaks.",
]
PLANTED = [
    ("The warranty covers leaking lids for 36 months.", 1, "another number"),
    ("The kettle was delivered to Helsinki on 9 March.", 1, "another name"),
    ("Zanna Orlova ordered the kettle on 2024-04-05.", 1, "another date"),
    ("The lid leaks. Our shop gives discounts to loyal members every summer.", 1, "a sentence about something else"),
    (
        "The warranty covers leaking lids for 24 months. It was sold by Marko for 99 EUR.",
        1,
        "an invented seller and price",
    ),
    ("Contact support@example.com and ask Petra. Quantum flux capacitors need plutonium.", 2, "all invented"),
]


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    return save_tiny_encoder(tmp_path / "encoder")


@pytest.mark.parametrize("answer", SUPPORTED)
def test_what_stands_in_the_context_is_supported(answer: str) -> None:
    found = claims_in(answer, CONTEXT)
    assert found.claims >= 1 and found.unsupported == 0 and found.unsupported_facts == 0


@pytest.mark.parametrize(("answer", "unsupported", "why"), PLANTED, ids=[why for *_, why in PLANTED])
def test_a_planted_hallucination_is_found(answer: str, unsupported: int, why: str) -> None:
    assert claims_in(answer, CONTEXT).unsupported == unsupported


@pytest.mark.parametrize("answer", ["", "Yes.", "OK!", "\n\n", "It is so."])
def test_an_answer_that_claims_nothing_has_no_claim(answer: str) -> None:
    assert claims_in(answer, CONTEXT).claims == 0


def test_without_a_context_every_claim_is_unsupported() -> None:
    assert claims_in("The warranty covers leaking lids.", "") == claims_in("The warranty covers leaking lids.", "...")
    assert claims_in("The warranty covers leaking lids.", "").unsupported == 1


def test_limits_a_contradiction_in_the_same_words_is_not_seen_and_other_words_are_flagged() -> None:
    assert claims_in("The warranty does not cover leaking lids.", CONTEXT).unsupported == 0
    assert claims_in("Guarantee includes dripping covers.", CONTEXT).unsupported == 1


def test_words_from_all_over_the_context_do_not_make_a_claim_supported() -> None:
    context = (
        "The kettle boils. "
        + "Nothing else matters much. " * 5
        + "Oranges ripen slowly. "
        + "Nothing else matters much. " * 5
        + "Trains arrive punctually."
    )
    assert claims_in("Kettle oranges trains punctually slowly.", context).unsupported == 1
    assert claims_in("Oranges ripen slowly.", context).unsupported == 0


def test_figures_are_shares_of_sentences_answers_and_facts_with_intervals() -> None:
    answers = [*SUPPORTED, *(answer for answer, *_ in PLANTED), "Yes."]
    contexts = [CONTEXT] * len(answers)
    settings = Evaluation(bootstrap_samples=200, groundedness="prompt")
    references = [SUPPORTED[0]] * len(answers)
    found = groundedness({"fine_tuned": TextOutputs(references, answers)}, references, contexts, settings)
    claims = [claims_in(answer, CONTEXT) for answer in answers]
    expected = {
        "unsupported_claims": sum(c.unsupported for c in claims) / sum(c.claims for c in claims),
        "hallucination_rate": 6 / 12,
        "unsupported_facts": sum(c.unsupported_facts for c in claims) / sum(c.facts for c in claims),
    }
    for name, value in expected.items():
        figure = found["systems"]["fine_tuned"][name]
        assert figure["value"] == pytest.approx(value) and figure["low"] < value < figure["high"]
        assert found["systems"]["reference"][name]["value"] == 0.0
        assert found["differences"]["reference"][name]["value"] == pytest.approx(value)
        assert found["differences"]["reference"][name]["low"] > 0
    assert list(expected) == list(FIGURES)


def test_where_nobody_claims_anything_there_is_no_number() -> None:
    settings = Evaluation(bootstrap_samples=200, groundedness="prompt")
    found = groundedness({"fine_tuned": TextOutputs(["Yes."], ["No."])}, ["Yes."], [CONTEXT], settings)
    assert set(found["systems"]["fine_tuned"].values()) == {None}
    assert set(found["differences"]["reference"].values()) == {None}
    table = groundedness_table(found)
    assert table and table["rows"][1] == {"title": "Fine-tuned model", "cells": [None, None, None]}
    assert groundedness_table(None) is None


def test_a_long_hostile_text_is_read_in_no_time_worth_naming() -> None:
    hostile = ["1." * 20_000, "a'" * 20_000, "A " * 20_000, "!" * 40_000, "\n" * 40_000, "1-" * 20_000]
    assert statistics(hostile, hostile).shape == (6, 6)


def test_predictions_hold_the_claims_of_each_answer_and_only_where_asked_for(tmp_path: Path) -> None:
    case = judged_case(
        tmp_path / "home", lambda place: "Sorry about 99 Helsinki.", lambda place: "My swipe was handled badly."
    )
    side = side_of(case.use_case, case.lake.read_table(case.splits), "test")
    outputs: dict[str, Outputs] = {
        "fine_tuned": TextOutputs(
            side.answers, ["My swipe was handled badly in 2031."] * len(side), np.ones(len(side)), np.ones(len(side))
        )
    }
    assert "claims" not in predictions_table(case.use_case, side, outputs).schema.names
    attributes = attributes_for(tmp_path, "generation", groundedness="prompt")
    asked = case.use_case.model_copy(update={"settings": UseCase.model_validate(attributes)})
    table = predictions_table(asked, side, outputs)
    assert table["claims"].to_pylist() == [1] * 12 == table["unsupported_claims"].to_pylist()
    found = groundedness(outputs, side.answers, questions_of(asked, side), asked.settings.evaluation)
    assert found["systems"]["fine_tuned"]["hallucination_rate"]["value"] == 1.0
    assert dataclasses.asdict(claims_in("My swipe was handled badly.", side.texts[0]))["unsupported"] == 0


@pytest.mark.integration
def test_an_evaluation_measures_it_where_asked_and_its_figures_can_be_computed_again_from_the_predictions(
    tmp_path: Path, encoder: Path
) -> None:
    case = tiny_case(tmp_path, "generation", groundedness="prompt", groundedness_model=str(encoder))
    found = read_metrics(case.lake, case.report)["groundedness"]
    assert list(found["systems"]) == ["reference", "base_zero_shot", "base_few_shot", "fine_tuned"]
    assert found["rows"] == 12
    seen = list(read_metrics(case.lake, case.base)["groundedness"]["systems"])
    assert seen == ["reference", "base_zero_shot", "base_few_shot"]
    predictions = read_predictions(case.lake, case.report)
    for system in ("base_zero_shot", "fine_tuned"):
        rows = rows_of(predictions, system)
        claims, unsupported = (np.array(rows[name].to_pylist()) for name in ("claims", "unsupported_claims"))
        for name, value in {
            "unsupported_claims": (unsupported.sum(), claims.sum()),
            "hallucination_rate": ((unsupported > 0).sum(), (claims > 0).sum()),
        }.items():
            figure = found["systems"][system][name]
            assert figure is None if value[1] == 0 else figure["value"] == pytest.approx(value[0] / value[1])
    page = case.lake.read_file(case.report, "report.html").decode()
    assert "means about the same (cosine of a sentence encoder from 0.45" in page
    assert found["meanings"]["sha256"][:12] in page
    assert "Claims that the question does not support" in page and "Reference answers" in page and CANARY not in page


GOLD = json.loads((Path(__file__).parent / "groundedness_gold.json").read_text(encoding="utf-8"))
"""Written by hand before anything was measured: supported in the same and in other words, contradicted by a changed
fact or a negation, invented."""


def test_on_sentences_written_by_hand_words_alone_take_other_words_for_invented_and_miss_contradictions() -> None:
    """The table of docs/benchmarks.md: of 18 sentences a kind (12 with a negation) so many are taken as supported."""
    supported: Counter[str] = Counter()
    for document in GOLD:
        for kind in ("same_words", "other_words", "changed_fact", "negated", "invented"):
            found = [claims_in(sentence, document["context"]) for sentence in document[kind]]
            assert all(one.claims == 1 for one in found)
            supported[kind] += sum(one.unsupported == 0 for one in found)
    assert supported == {"same_words": 18, "other_words": 0, "changed_fact": 7, "negated": 12, "invented": 0}


class Directions:
    """An encoder that knows a few sentences; others point to a corner of their own."""

    def __init__(self, **known: list[float]) -> None:
        self.known = {sentence.replace("_", " "): vector for sentence, vector in known.items()}

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self.known.get(text.rstrip("."), [0.0, 0.0, 2.0]) for text in texts]).reshape(-1, 3)


def test_with_an_encoder_the_same_in_other_words_is_supported_and_a_wrong_fact_is_not() -> None:
    known = {
        "The_lid_leaks_when_water_boils": [3.0, 0.0, 0.0],
        "Hot_drinks_drip_everywhere": [0.6, 0.8, 0.0],
        "Helsinki_drips_with_Petra": [9.0, 0.0, 0.0],
    }
    encoder: Any = Directions(**known, Oranges_ripen_slowly=[0.0, 1.0, 0.0])
    answers = [
        "Hot drinks drip everywhere.",
        "Helsinki drips with Petra.",
        "Oranges ripen slowly. Hot drinks drip everywhere.",
        "Yes.",
    ]
    contexts = [CONTEXT] * 4
    assert statistics(answers, contexts)[:, 1].tolist() == [1, 1, 2, 0]
    assert statistics(answers, contexts, Meanings(encoder, "f" * 64, 0.59))[:, 1].tolist() == [0, 1, 1, 0]
    assert statistics(answers, contexts, Meanings(encoder, "f" * 64, 0.61))[:, 1].tolist() == [1, 1, 2, 0]
    assert statistics(answers, [""] * 4, Meanings(encoder, "f" * 64, 0.0))[:, 1].tolist() == [1, 1, 2, 0], (
        "nothing is close to no context"
    )


def test_an_evaluation_with_an_encoder_says_so_and_other_files_of_it_are_another_evaluation(
    tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ft_platform.evaluation.evaluate.generate",
        lambda model, tokenizer, prompts, *_: ["Capacitors need plutonium."] * len(prompts),
    )
    named = {"groundedness": "prompt", "groundedness_model": str(encoder), "groundedness_similarity": 0.5}
    environment, lake, use_case, splits = installed(tmp_path, "generation", **named)
    report = publish_base_evaluation(lake, environment, use_case, splits)
    found = read_metrics(lake, report)["groundedness"]
    assert found["meanings"] == {"sha256": encoder_fingerprint(str(encoder), "x"), "least_similarity": 0.5}
    side = side_of(use_case, lake.read_table(splits), "test")
    contexts, meanings = questions_of(use_case, side), meanings_of(use_case.settings.evaluation)
    predictions = read_predictions(lake, report)
    for system in found["systems"].keys() - {"reference"}:
        rows = rows_of(predictions, system)
        expected = statistics(rows["answer"].to_pylist(), contexts, meanings)[:, 1].tolist()
        assert (
            rows["unsupported_claims"].to_pylist()
            == expected
            == [0] * 12
            != statistics(rows["answer"].to_pylist(), contexts)[:, 1].tolist()
        )
    (encoder / "tokenizer_config.json").write_text("{}")
    assert evaluation_inputs(use_case, "base", splits)[0] != report.artifact_id


def test_a_classification_has_no_groundedness(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"groundedness: prompt` needs `task\.kind: generation"):
        UseCase.model_validate(attributes_for(tmp_path, "classification", groundedness="prompt"))


def test_an_encoder_needs_something_to_measure_and_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"groundedness_model` needs `evaluation\.groundedness: prompt`"):
        UseCase.model_validate(attributes_for(tmp_path, "generation", groundedness_model="models/encoder"))
    settings = Evaluation(groundedness="prompt", groundedness_model=str(tmp_path))
    with pytest.raises(ConfigError, match=r"evaluation\.groundedness_model names .*, which is no folder with a model"):
        meanings_of(settings)
