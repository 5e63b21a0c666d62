"""Planted wrong labels and answers stand at the start of what experts are shown."""

import numpy as np
import pytest

from ft_platform.evaluation.annotation.order import by_doubted_label, by_unusual_answer, quotients
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts
from ft_platform_tests.graph import records


def planted(share: float, seed: int = 0) -> tuple[LabelledTexts, np.ndarray]:
    rows, rng = records(80), np.random.default_rng(seed)
    names = sorted({row["label"] for row in rows})
    texts = [row["text"].split(": ", 1)[1] for row in rows]  # the start names the label
    wrong = np.zeros(len(rows), bool)
    wrong[rng.choice(len(rows), round(share * len(rows)), replace=False)] = True
    labels = [
        str(rng.choice([name for name in names if name != row["label"]])) if is_wrong else row["label"]
        for row, is_wrong in zip(rows, wrong, strict=True)
    ]
    return LabelledTexts(texts, labels), wrong


def test_most_planted_wrong_labels_are_in_the_first_tenth() -> None:
    found, wrong = planted(0.05)
    order = by_doubted_label(found, [str(place) for place in range(len(wrong))])
    assert sorted(order.tolist()) == list(range(len(wrong)))
    assert wrong[order[: len(wrong) // 10]].sum() >= 0.6 * wrong.sum()


def test_copies_of_a_record_do_not_vouch_for_it() -> None:
    """Twenty copies with the same wrong label are of one group, so no model learns the label from one for another."""
    found, _ = planted(0.0)
    texts, labels = [*found.texts, *[found.texts[0]] * 20], [*found.labels, *["student loan"] * 20]
    assert found.labels[0] != "student loan"
    groups = [str(place) for place in range(len(found.texts))]
    order = by_doubted_label(LabelledTexts(texts, labels), [*groups, *["0"] * 20])
    assert {*range(len(found.texts), len(texts))} <= set(order[:24].tolist())


@pytest.mark.parametrize("labels", [["a"] * 30, ["a", "b"] * 4])
def test_too_little_to_ask_a_model_keeps_the_order(labels: list[str]) -> None:
    found = LabelledTexts(["word"] * len(labels), labels)
    assert by_doubted_label(found, [str(place) for place in range(len(labels))]).tolist() == list(range(len(labels)))


def test_the_quotient_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.0, 1.0, 0.0]])
    assert quotients(probabilities, [0, 2, 1]).tolist() == pytest.approx([3.5, 0.5, 1e12])


def test_an_answer_to_another_question_comes_first() -> None:
    topics = {
        "card": "block the card in the app",
        "loan": "ask the branch for a new rate",
        "house": "send the deed to us",
    }
    rows = [
        (f"my {topic} number {n} has a problem", f"please {answer} {n}")
        for topic, answer in topics.items()
        for n in range(20)
    ]
    swapped = [5, 25, 45]
    answers = [answer for _, answer in rows]
    for place in swapped:
        answers[place] = rows[(place + 20) % 60][1]
    order = by_unusual_answer([question for question, _ in rows], answers, [str(place) for place in range(60)])
    assert sorted(order.tolist()) == list(range(60)) and set(order[:6]) >= set(swapped)
