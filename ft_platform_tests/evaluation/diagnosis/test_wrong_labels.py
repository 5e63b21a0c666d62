"""Wrong labels that were planted among made-up texts are found, and their share is told; clean labels are not
doubted."""

import numpy as np
import pytest

from ft_platform.evaluation.diagnosis.wrong_labels import LabelOpinion, label_opinion
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts

CHOSEN = {"C": 10.0, "class_weight": "none"}


def planted(noise: float, rows: int = 600, seed: int = 0) -> tuple[LabelledTexts, np.ndarray]:
    """Texts of eight words, half of them of their own topic; a share of labels is drawn again at random. Also which
    labels are wrong."""
    rng = np.random.default_rng(seed)
    true = [f"topic {number % 5}" for number in range(rows)]
    texts = [
        " ".join(
            f"{label.replace(' ', '')}word{rng.integers(30)}" if rng.random() < 0.5 else f"word{rng.integers(200)}"
            for _ in range(8)
        )
        for label in true
    ]
    given = [f"topic {rng.integers(5)}" if rng.random() < noise else label for label in true]
    return LabelledTexts(texts, given), np.array([a != b for a, b in zip(true, given, strict=True)])


def opinion_of(train: LabelledTexts) -> LabelOpinion:
    found = label_opinion(train, [str(number) for number in range(len(train.texts))], CHOSEN, 0.95)
    assert found is not None
    return found


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3, 0.5])
def test_the_planted_share_of_wrong_labels_lies_in_the_interval(noise: float) -> None:
    train, wrong = planted(noise)
    found = opinion_of(train).wrong
    assert found["low"] <= wrong.mean() <= found["high"], (found, wrong.mean())


def test_the_planted_records_are_listed_the_surest_first() -> None:
    train, wrong = planted(0.3)
    places = opinion_of(train).places
    first = places[: wrong.sum()]
    precision, recall = wrong[first].mean(), wrong[first].sum() / wrong.sum()
    assert precision > 0.95 and recall > 0.7
    assert wrong[places[:50]].mean() > 0.95


def test_the_suggested_label_is_the_true_one() -> None:
    train, wrong = planted(0.3)
    found = opinion_of(train)
    assert found.confusion.sum() == len(wrong) and found.confusion.trace() == pytest.approx(len(wrong) * 0.7, rel=0.1)
    right = [f"topic {place % 5}" == label for place, label in zip(found.places, found.suggested, strict=True)]
    assert np.mean(np.array(right)[wrong[found.places]]) > 0.9


def test_records_of_one_group_are_never_asked_of_a_model_that_saw_them() -> None:
    """Each text stands there twice, with a wrong label both times: a model that saw the one would believe the other."""
    train, _ = planted(0.3, rows=300)
    twice = LabelledTexts([*train.texts, *train.texts], [*train.labels, *train.labels])
    groups = [str(number % 300) for number in range(600)]
    kept = label_opinion(twice, groups, CHOSEN, 0.95)
    torn = label_opinion(twice, [str(number) for number in range(600)], CHOSEN, 0.95)
    assert kept and torn and kept.wrong["value"] > 2 * torn.wrong["value"]


def test_equal_texts_with_different_labels_are_counted() -> None:
    train, _ = planted(0.0)
    more = LabelledTexts([*train.texts, f"  {train.texts[0].upper()} "], [*train.labels, "topic 3"])
    assert opinion_of(more).contradictions == 2 and opinion_of(train).contradictions == 0


def test_too_few_records_or_labels_give_no_opinion() -> None:
    train, _ = planted(0.0, rows=9)
    assert label_opinion(train, list("abcdefghi"), CHOSEN, 0.95) is None
    one = LabelledTexts([f"text {number}" for number in range(30)], ["a"] * 30)
    assert label_opinion(one, [str(number) for number in range(30)], CHOSEN, 0.95) is None


def test_a_fold_without_a_label_is_no_error() -> None:
    train, _ = planted(0.0)
    rare = LabelledTexts([*train.texts, "single"], [*train.labels, "once"])
    assert opinion_of(rare).labels[0] == "once"
