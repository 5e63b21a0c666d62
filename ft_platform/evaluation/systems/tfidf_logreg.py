"""TF-IDF + logistic regression, tuned on the validation split: the strong and cheap alternative to a language model."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.errors import DataError
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.evaluation.systems.tfidf import tfidf_vectorizer

REGULARIZATION = (1.0, 10.0, 100.0)
CLASS_WEIGHTS = (None, "balanced")


@dataclass(frozen=True)
class LabelledTexts:
    texts: list[str]
    labels: list[str]


def tfidf_logreg(
    train: LabelledTexts, validation: LabelledTexts, test_texts: list[str]
) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    """One label per test record, its probability, and the setting with the best macro-F1 on the validation split.

    Raises:
        DataError: the training split has one label only.
    """
    from threadpoolctl import threadpool_limits

    if len(set(train.labels)) < 2:
        raise DataError(
            "the training split has one label only", "Look at the labels in splits, or at splits.rare_labels"
        )
    # One thread: the matrices are small, and with another busy process two BLAS threads that wait for each other took
    # 20 times as long.
    with threadpool_limits(1):
        return _tuned_predictions(train, validation, test_texts)


def _tuned_predictions(
    train: LabelledTexts, validation: LabelledTexts, test_texts: list[str]
) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    from sklearn.linear_model import LogisticRegression

    vectorizer = tfidf_vectorizer()
    features = vectorizer.fit_transform(train.texts)
    candidates = [(strength, weight) for weight in CLASS_WEIGHTS for strength in REGULARIZATION]
    fitted = [
        LogisticRegression(C=strength, class_weight=weight, max_iter=1000, tol=1e-3).fit(features, train.labels)
        for strength, weight in candidates
    ]
    scores = [0.0] * len(fitted)
    if validation.texts:
        held_out = vectorizer.transform(validation.texts)
        known = sorted(set(train.labels) | set(validation.labels))
        scores = [
            metric("macro_f1").value(LabelOutputs(known, validation.labels, list(model.predict(held_out))))
            for model in fitted
        ]
    best = max(range(len(fitted)), key=lambda i: (scores[i], -i))
    class_weight = candidates[best][1] or "none"
    chosen = {"C": candidates[best][0], "class_weight": class_weight, "validation_macro_f1": scores[best]}
    probabilities = fitted[best].predict_proba(vectorizer.transform(test_texts))
    return [str(fitted[best].classes_[i]) for i in probabilities.argmax(axis=1)], probabilities.max(axis=1), chosen
