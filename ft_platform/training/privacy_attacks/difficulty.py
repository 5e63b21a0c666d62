"""How hard each record's label is for systems that never read the record: what an attack subtracts from the loss of the
fine-tuned model, since a low loss says little about a record that is easy (Watson et al., On the importance of
difficulty calibration in membership inference attacks, ICLR 2022, arXiv:2111.08440).

Two cheap systems learn all attacked records but a fifth, and are asked about that fifth: logistic regression on TF-IDF
vectors, and on hidden states in the middle of the base model, where there is one. Training and other records are
treated alike, so that the scores of an attack on a model that read neither differ by chance alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np

FOLDS = 5
REGULARIZATION = {"tfidf": 10.0, "states": 0.01}
"""The middle ones of those that `evaluation.systems` tries; nothing is tuned here."""
LEAST_PROBABILITY = 1e-4
"""Of a label, and of all others; a difficulty lies between 0.0001 and 9.2 nats."""


def difficulties(
    texts: Sequence[str], states: np.ndarray | None, labels: Sequence[str], groups: Sequence[str]
) -> np.ndarray:
    """Negative log-probability in nats of each record's label, at the mean log-odds of the systems. Shape
    `(records,)`.

    Args:
        texts: words of the users.
        states: of the base model at each record's prompt (`prompt_states.middle_states`), shape `(records, width)`.
            None: there is no base model.
        groups: records of one group (a person, near duplicates) are asked about together.
    """
    from threadpoolctl import threadpool_limits

    from ft_platform.evaluation.systems.tfidf import tfidf_vectorizer

    with threadpool_limits(1):  # as for `tfidf_logreg`
        features: dict[str, Any] = {"tfidf": tfidf_vectorizer().fit_transform(texts)}
        if states is not None:
            scales = states.std(axis=0)
            features["states"] = (states - states.mean(axis=0)) / np.where(scales > 0, scales, 1.0)
        asked = folds(groups)
        found = [_out_of_fold(features[name], labels, asked, REGULARIZATION[name]) for name in features]
    probabilities = np.clip(found, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    log_odds = np.log(probabilities) - np.log1p(-probabilities)
    return np.log1p(np.exp(-log_odds.mean(axis=0)))


def folds(groups: Sequence[str]) -> np.ndarray:
    """Number in [0, 5) of each record's fold, drawn from the sorted names of the groups. Shape `(records,)`."""
    names, place = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    return (np.random.default_rng(0).permutation(len(names)) % FOLDS)[place]


def _out_of_fold(features: Any, labels: Sequence[str], asked: np.ndarray, strength: float) -> np.ndarray:
    """Probability of each record's label; 0 where no other record has it."""
    from sklearn.linear_model import LogisticRegression

    answers = np.asarray(labels, dtype=str)
    found = np.zeros(len(answers))
    for fold in range(FOLDS):
        test, known = np.flatnonzero(asked == fold), np.flatnonzero(asked != fold)
        if not len(test) or len(set(answers[known])) < 2:
            continue
        model = LogisticRegression(C=strength, max_iter=1000, tol=1e-3).fit(features[known], answers[known])
        place = {label: number for number, label in enumerate(model.classes_)}
        rows = zip(model.predict_proba(features[test]), answers[test], strict=True)
        found[test] = [row[place[label]] if label in place else 0.0 for row, label in rows]
    return found
