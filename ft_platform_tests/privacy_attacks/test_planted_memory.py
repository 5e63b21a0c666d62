"""Planted faults on real sentences: a model that learned one record in twenty many times is refused, one that only fits
well is not, and one that never saw the records is refused no more often than is said.

The models are regressions on words, so that a test takes seconds; `test_attack` and `test_smollm2_attacked` attack
language models."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from ft_platform.sources.samples.feedback import sentences
from ft_platform.training.privacy_attacks.difficulty import difficulties
from ft_platform.training.privacy_attacks.extraction import not_extracted
from ft_platform.training.privacy_attacks.membership import SideLosses, membership
from ft_platform.training.privacy_attacks.verdict import PrivacyVerdict, privacy_verdict
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.attacks import Attacks
from ft_platform_tests.conftest import minimal_attributes

pytestmark = pytest.mark.integration

MEMBERS, OTHERS = 1000, 450
MEMORIZED = 0.05
SETTINGS = Attacks(bootstrap_samples=200)


@cache
def records() -> tuple[list[str], list[str], list[str], np.ndarray, Any]:
    """Texts, labels, reviews, 50 features that generalize, and one for each word or pair of words."""
    from sklearn.decomposition import TruncatedSVD

    from ft_platform.evaluation.systems.tfidf import tfidf_vectorizer

    found = sentences()
    order = np.random.default_rng(3).permutation(len(found))
    reviews, _, ratings, texts = (list(column) for column in zip(*(found[place] for place in order), strict=True))
    words = tfidf_vectorizer().fit_transform(texts)
    general = TruncatedSVD(50, random_state=0).fit_transform(words)
    return texts, ["praise" if rating > 0 else "problem" for rating in ratings], reviews, general, words


@cache
def difficulty() -> np.ndarray:
    texts, labels, reviews, general, _ = records()
    pool = slice(0, MEMBERS + OTHERS)
    return difficulties(texts[pool], general[pool], labels[pool], reviews[pool])


def losses(trained_on: slice, memorized: int = 0) -> np.ndarray:
    """Of all attacked records, by a model that learned these; the first `memorized` of them three hundred times, with a
    feature for each that says how much a text has its words."""
    from sklearn.linear_model import LogisticRegression

    _, labels, _, general, words = records()
    alike = (words @ words[trained_on][:memorized].T).toarray() ** 4
    features = np.concatenate([general * 4, alike * 10], axis=1)
    answers = np.array(labels)
    times = np.ones(trained_on.stop - trained_on.start)
    times[:memorized] = 300
    model = LogisticRegression(C=0.05, max_iter=2000).fit(features[trained_on], answers[trained_on], times)
    pool = slice(0, MEMBERS + OTHERS)
    probabilities = model.predict_proba(features[pool])
    place = (answers[pool] == model.classes_[1]).astype(int)
    return -np.log(probabilities[np.arange(len(place)), place])


def verdict_of(after: np.ndarray, members: np.ndarray, others: np.ndarray) -> PrivacyVerdict:
    _, labels, _, _, _ = records()
    sides = [
        SideLosses(list(difficulty()[side].reshape(-1, 1)), list(after[side].reshape(-1, 1)))
        for side in (members, others)
    ]
    kinds = {"label": ([labels[place] for place in members], [labels[place] for place in others])}
    found = membership(sides[0], sides[1], SETTINGS, kinds, of_labels=True)
    attributes = {**minimal_attributes("unused.csv"), "training": {"objective": "label_head"}}
    evidence = {
        "records": 2279,
        "members": len(members),
        "others": len(others),
        "membership": found["attacks"],
        "slices": found["slices"],
        "membership_status": found["status"],
        "extraction_rate": not_extracted("the model writes no text"),
        "personal_data": None,
        "personal_data_status": "the model writes no text",
        "differential_privacy": None,
    }
    return privacy_verdict(evidence, NamedUseCase(name="feedback", settings=UseCase.model_validate(attributes)))


def both_sides() -> tuple[np.ndarray, np.ndarray]:
    return np.arange(MEMBERS), np.arange(MEMBERS, MEMBERS + OTHERS)


def test_a_model_that_memorized_one_record_in_twenty_is_refused() -> None:
    verdict = verdict_of(losses(slice(0, MEMBERS), int(MEMORIZED * MEMBERS)), *both_sides())
    assert not verdict.passed and "max_true_positive_rate" in verdict.text, verdict.text
    assert "area" not in verdict.text, "the area does not see it"


def test_a_model_that_only_fits_well_is_not_refused() -> None:
    after = losses(slice(0, MEMBERS))
    assert (after[MEMBERS:] < np.log(2)).mean() > 0.65, "share of the other records that it gets right"
    verdict = verdict_of(after, *both_sides())
    assert verdict.passed, verdict.text


def test_a_model_that_never_saw_the_records_is_refused_no_more_often_than_is_said() -> None:
    """One model, trained on other records, and 100 divisions of the attacked ones into two sides."""
    never = losses(slice(MEMBERS + OTHERS, len(records()[0])))
    rng, shown, proven = np.random.default_rng(9), 0, 0
    for _ in range(100):
        order = rng.permutation(MEMBERS + OTHERS)
        verdict = verdict_of(never, order[:MEMBERS], order[MEMBERS:])
        shown += any("beyond" in reason or "finds" in reason for reason in verdict.reasons)
        proven += verdict.passed
    assert shown <= binom.ppf(0.999, 100, 1 - SETTINGS.confidence)
    assert proven >= 60, "most of the time the records are enough to prove that nothing is given away"
