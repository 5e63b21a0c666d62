"""A linear probe as a label head: logistic regression on the last hidden state of each prompt, computed by the base
model as it is (Alain and Bengio, Understanding intermediate layers using linear classifier probes, 2016).

A head multiplies and does nothing else, but a regression wants centred features and an intercept. Both need a constant,
so one is made from the states: the direction in which all of them are close to 1. What the regression learns from is
then a product with the states, and so are its answers: the head gives exactly those."""

from collections.abc import Sequence

import numpy as np

from ft_platform.errors import DataError
from ft_platform.evaluation.systems.linear_probe import REGULARIZATION
from ft_platform.evaluation.systems.logistic_regression import tuned_regression

RIDGE = 1e-3
"""Of the direction, in units of the states' mean square."""
INTERCEPT = 10.0
"""What the constant is multiplied by, so that regularization hardly holds it back."""


def probe_weights(
    states: tuple[np.ndarray, np.ndarray], answers: tuple[Sequence[str], Sequence[str]], labels: Sequence[str]
) -> np.ndarray:
    """Weights of a head, `(labels, width)`, float32; its regularization and class weights are those with the best
    macro-F1 on the validation records.

    Args:
        states: of the train and of the validation prompts, `(prompts, width)`.
        answers: their labels.
        labels: in the order of the head.

    Raises:
        DataError: no training record has one of the labels.
    """
    from threadpoolctl import threadpool_limits

    if missing := sorted(set(labels) - set(answers[0])):
        raise DataError(
            f"no training record has the label {', '.join(missing)}", "Look at the labels in splits, or use `lora`"
        )
    with threadpool_limits(1):  # as `evaluation.systems.linear_probe`
        of_train, of_validation = (one.astype(np.float64) for one in states)
        to_features = _to_features(of_train)
        features = {"last": (of_train @ to_features, of_validation @ to_features)}
        model, _, _ = tuned_regression(features, REGULARIZATION, *answers, fit_intercept=False)
        of_features = model.coef_ if len(model.coef_) > 1 else np.concatenate([-model.coef_ / 2, model.coef_ / 2])
        places = [list(model.classes_).index(label) for label in labels]
        return (of_features @ to_features.T)[places].astype(np.float32)


def _to_features(states: np.ndarray) -> np.ndarray:
    """What makes standardized features and a constant of a state, `(width, width + 1)`."""
    width = states.shape[1]
    squares = states.T @ states / len(states)
    constant = np.linalg.solve(squares + RIDGE * np.trace(squares) / width * np.eye(width), states.mean(axis=0))
    deviation = states.std(axis=0)
    standardized = (np.eye(width) - np.outer(constant, states.mean(axis=0))) / np.where(deviation > 0, deviation, 1.0)
    return np.concatenate([standardized, INTERCEPT * constant[:, None]], axis=1)
