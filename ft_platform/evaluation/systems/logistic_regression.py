"""Logistic regression tuned on the validation split, for the baselines that learn from vectors of texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ft_platform.errors import DataError
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import LabelOutputs

CLASS_WEIGHTS = (None, "balanced")

Answers = tuple[list[str], np.ndarray | None, float]
"""What a baseline answers to the test records: a label and its probability (None: it has none) for each, and the
seconds that answering took, without learning."""


def tuned_regression(
    features: Mapping[str, tuple[Any, Any]],
    regularization: Sequence[float],
    train_labels: Sequence[str],
    validation_labels: Sequence[str],
    fit_intercept: bool = True,
) -> tuple[Any, str, dict[str, Any]]:
    """The model with the best macro-F1 on the validation split, the name of its features, and its setting. Of equally
    good ones, and without validation records, the first.

    Args:
        features: name -> vectors of the train and of the validation records, `(records, width)`.
        regularization: values of `C` to try; a small one regularizes strongly.

    Raises:
        DataError: the training split has one label only.
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(train_labels)) < 2:
        raise DataError(
            "the training split has one label only", "Look at the labels in splits, or at splits.rare_labels"
        )
    labels = sorted({*train_labels, *validation_labels})
    best: tuple[Any, str, dict[str, Any]] | None = None
    for name, (train, validation) in features.items():
        for weight in CLASS_WEIGHTS:
            for strength in regularization:
                model = LogisticRegression(
                    C=strength, class_weight=weight, max_iter=1000, tol=1e-3, fit_intercept=fit_intercept
                )
                model.fit(train, train_labels)
                score = 0.0
                if validation_labels:
                    answers = LabelOutputs(labels, list(validation_labels), list(model.predict(validation)))
                    score = metric("macro_f1").value(answers)
                if best is None or score > best[2]["validation_macro_f1"]:
                    setting = {"C": strength, "class_weight": weight or "none", "validation_macro_f1": score}
                    best = model, name, setting
    assert best is not None
    return best


def answered(model: Any, features: Any) -> tuple[list[str], np.ndarray]:
    """The likeliest label of each row, and its probability."""
    probabilities = model.predict_proba(features)
    return [str(model.classes_[i]) for i in probabilities.argmax(axis=1)], probabilities.max(axis=1)
