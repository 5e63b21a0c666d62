"""The label of the most similar training record: what a model would be worth that had only learned its training records
by heart."""

import time
from collections import Counter
from typing import Any

import numpy as np

from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.evaluation.systems.logistic_regression import Answers
from ft_platform.evaluation.systems.tfidf import tfidf_vectorizer
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts

NEIGHBOURS = (1, 5, 15)
"""How many of the most similar records vote; chosen on the validation split."""
QUESTIONS_AT_ONCE = 256


def nearest_neighbour(
    train: LabelledTexts, validation: LabelledTexts, test_texts: list[str]
) -> tuple[Answers, dict[str, Any]]:
    """The answers to the test records, and the number of neighbours with the best macro-F1 on the validation split.

    Similarity is the cosine of TF-IDF vectors, as for the examples of few-shot prompts. Of labels with equal votes that
    of the more similar record wins."""
    vectorizer = tfidf_vectorizer()
    known = vectorizer.fit_transform(train.texts)
    labels = np.array(train.labels)
    counts = sorted({min(count, len(labels)) for count in NEIGHBOURS})
    scores = [0.0] * len(counts)
    if validation.texts:
        all_labels = sorted({*train.labels, *validation.labels})
        nearest = _nearest(vectorizer.transform(validation.texts), known, counts[-1])
        scores = [
            metric("macro_f1").value(LabelOutputs(all_labels, validation.labels, _voted(labels[nearest[:, :count]])))
            for count in counts
        ]
    best = max(range(len(counts)), key=lambda place: (scores[place], -place))
    started = time.monotonic()
    predicted = _voted(labels[_nearest(vectorizer.transform(test_texts), known, counts[best])])
    answers = (predicted, None, time.monotonic() - started)
    return answers, {"neighbours": counts[best], "validation_macro_f1": scores[best]}


def _nearest(questions: Any, known: Any, count: int) -> np.ndarray:
    """Positions of the most similar training records, the most similar one first. Shape `(questions, count)`."""
    found = []
    for start in range(0, questions.shape[0], QUESTIONS_AT_ONCE):
        similarity = (questions[start : start + QUESTIONS_AT_ONCE] @ known.T).toarray()
        # Rounded and stable, so that the order of equally similar records does not hang on the last bit.
        found.append(np.argsort(-similarity.round(6), axis=1, kind="stable")[:, :count])
    return np.concatenate(found) if found else np.empty((0, count), dtype=np.int64)


def _voted(labels: np.ndarray) -> list[str]:
    """The label with most votes of each row. Shape of `labels`: `(questions, neighbours)`."""
    # most_common keeps the order of first sight among equals: the more similar record.
    return [str(Counter(row).most_common(1)[0][0]) for row in labels.tolist()]
