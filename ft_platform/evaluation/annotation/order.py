"""In which order records are shown to experts: those first whose label or answer is probably wrong.

Labels: how many times as likely as another label a model finds a record's own that did not see the record (TF-IDF +
logistic regression, cross-validated, as in confident learning; Northcutt et al., arXiv:1911.00068). On planted wrong
labels (`benchmarks/annotation.py`) this quotient did well with few labels and with many; the difference of both
probabilities, and the own one alone, each do worse with one of them. Answers: the answer has little in common with
those to the most similar questions of others. Not covered: labels that are wrong in the same way throughout; answers
that are wrong in words of right ones.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ft_platform.evaluation.diagnosis.wrong_labels import FOLDS, out_of_sample
from ft_platform.evaluation.systems.tfidf import tfidf_vectorizer
from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts

NEIGHBOURS = 5
PAIRS = 20_000_000
"""Pairs of records that are compared at a time: 160 MB of similarities."""
CHOSEN = {"C": 10.0, "class_weight": "balanced"}
"""Of the regression where no evaluation has tuned it: the middle of `tfidf_logreg.REGULARIZATION`; a rare label is not
doubted for being rare."""


def by_doubted_label(
    records: LabelledTexts, groups: Sequence[str], chosen: Mapping[str, Any] | None = None
) -> np.ndarray:
    """Places of all records, the most doubtful label first. Shape `(records,)`.

    Args:
        groups: of each record; records of one person or text are never on both sides of a fold.
        chosen: settings of the baseline, where an evaluation has tuned them.

    Returns:
        The order of `records` itself where there are too few groups or labels to ask a model.
    """
    if len(set(groups)) < 2 * FOLDS or len(set(records.labels)) < 2:
        return np.arange(len(records.labels))
    labels, probabilities = out_of_sample(records, groups, dict(chosen or CHOSEN))
    return np.argsort(quotients(probabilities, [labels.index(label) for label in records.labels]), kind="stable")


def quotients(probabilities: np.ndarray, given: Sequence[int]) -> np.ndarray:
    """Probability of each record's own label over that of the likeliest other one. Shape `(records,)`.

    Args:
        probabilities: shape `(records, labels)`.
        given: column of each record's own label.
    """
    rows = np.arange(len(given))
    others = probabilities.copy()
    others[rows, given] = 0.0
    return probabilities[rows, given] / np.maximum(others.max(axis=1), 1e-12)


def by_unusual_answer(questions: Sequence[str], answers: Sequence[str], groups: Sequence[str]) -> np.ndarray:
    """Places of all records, those first whose answer is least like the answers to similar questions. Shape
    `(records,)`."""
    from threadpoolctl import threadpool_limits

    number = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    group = np.array([number[one] for one in groups])
    with threadpool_limits(1):
        asked, said = (tfidf_vectorizer().fit_transform(list(texts)) for texts in (questions, answers))
        alike = np.zeros(len(group))
        size = max(1, PAIRS // max(1, len(group)))
        for start in range(0, len(group), size):
            rows = slice(start, start + size)
            near = (asked[rows] @ asked.T).toarray()
            near[group[rows][:, None] == group[None, :]] = -1.0
            nearest = np.argpartition(-near, min(NEIGHBOURS, near.shape[1] - 1), axis=1)[:, :NEIGHBOURS]
            common = (said[rows] @ said.T).toarray()
            alike[rows] = np.take_along_axis(common, nearest, axis=1).mean(axis=1)
    return np.argsort(alike, kind="stable")
