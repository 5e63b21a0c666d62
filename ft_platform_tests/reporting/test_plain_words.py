"""What a clerk reads first: never more than the figures show."""

import pytest

from ft_platform.reporting import alt_texts, plain_words
from ft_platform.reporting.decision_brief import _short
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.reporting.test_home import metrics

CONFIDENCE = 0.95


def with_difference(tuned: float, low: float, high: float, system: str = "base_few_shot") -> dict:
    found = metrics(tuned)
    for one in found["differences"][system].values():
        one |= {"low": low, "high": high}
    return found


@pytest.mark.parametrize(
    ("tuned", "low", "high", "good", "words", "advice"),
    [
        (0.87, 0.1, 0.3, True, "Fine-tuning pays off: it gets about 20 more of 100", "ft decide letters"),
        (0.6, -0.1, -0.02, False, "the best prompt gets about 7 more of 100 records right", "Do not release it"),
        (0.69, -0.1, 0.14, False, "We cannot say that fine-tuning is better", "Do not decide on this yet"),
    ],
    ids=["better", "worse", "too close"],
)
def test_the_gain_is_what_the_test_split_shows(tuned, low, high, good, words, advice) -> None:
    found = with_difference(tuned, low, high)
    gain = plain_words.gain(found, CONFIDENCE)
    assert gain["good"] is good and words in gain["text"]
    assert advice in " ".join(plain_words.next_after_evaluation(found, CONFIDENCE, "letters"))


def test_the_diagnosis_stands_in_the_brief_and_an_evaluation_without_one_adds_nothing() -> None:
    decision = {"use_case": "letters", "rules": [], "valid_until": None, "checkpoint": "ckpt-1", "simpler": None}
    settings = UseCase.model_validate(minimal_attributes("unused.csv"))
    evaluation = metrics() | {"slices": []}
    title = "What would make it better"
    assert title not in dict(_short(decision, evaluation, NamedUseCase(name="letters", settings=settings), None))
    evaluation["diagnosis"] = {"text": "It was cut.", "remedy": "Let it in.", "command": "ft run letters"}
    told = dict(_short(decision, evaluation, NamedUseCase(name="letters", settings=settings), None))
    assert told[title] == ["It was cut.", "Let it in. Type: ft run letters"]


def test_a_word_count_model_that_is_better_is_said_to_be() -> None:
    found = metrics()
    found["systems"]["tfidf_logreg"] = found["systems"]["fine_tuned"]
    found["differences"]["tfidf_logreg"] = {"macro_f1": {"value": -0.1, "low": -0.2, "high": -0.05}}
    found["tests"]["tfidf_logreg"] = found["tests"]["base_few_shot"]
    assert "TF-IDF) is better still" in plain_words.gain(found, CONFIDENCE)["text"]
    assert "Ask whether" in plain_words.next_after_evaluation(found, CONFIDENCE, "letters")[0]


def test_texts_are_scored_and_not_counted() -> None:
    found = metrics()
    score = {"rouge_l": {"value": 0.41, "low": 0.39, "high": 0.43}}
    found |= {"systems": {"fine_tuned": score, "base_few_shot": score}, "main_metric": "rouge_l"}
    assert "of 100" not in plain_words.quality(found) and "score 0.410 for ROUGE-L" in plain_words.quality(found)


def test_parts_that_are_too_small_are_no_proof_of_fairness() -> None:
    small = {"by": "region", "part": "west", "rows": 3, "enough_evidence": False}
    assert plain_words.worse_for([small], CONFIDENCE, True)[0].startswith(
        "No part of the test split has enough records"
    )


def test_an_alt_text_has_the_first_figures_and_says_how_many_more_there_are() -> None:
    counts = {f"label {number}": number for number in range(11)}
    text = alt_texts.counts("Records of each label", counts)
    assert text.startswith("Records of each label: label 0 0; label 1 1; ") and text.endswith("; and 3 more.")
    matrix = alt_texts.confusion(["praise", "problem"], [[5, 2], [1, 4]])
    assert "9 of 12 records are right" in matrix and "praise taken for problem 2 times" in matrix
