"""Linear probe: logistic regression on frozen hidden states of the base model (Alain and Bengio, Understanding
intermediate layers using linear classifier probes, 2016). What the base model already knows, without training it."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ft_platform.evaluation.systems.logistic_regression import Answers, answered, tuned_regression

REGULARIZATION = (0.001, 0.01, 0.1)
"""Of standardized features. On 1,400 sentences with SmolLM2-135M 0.0001 and 1 were worse than each of these."""

Prompts = Sequence[Sequence[int]]


def linear_probe(
    model: Any,
    train: tuple[Prompts, list[str]],
    validation: tuple[Prompts, list[str]],
    test: Prompts,
    on_rows: Callable[[int], None] = lambda done: None,
) -> tuple[Answers, dict[str, Any]]:
    """The answers to the test records, and the setting with the best macro-F1 on the validation split: regularization,
    class weight, and whether the mean of the states after the prompts' common start or the last state is read.

    One forward pass for each prompt. Features are standardized on the train split.

    Args:
        model: causal LM of transformers.
        train, validation: prompts as token ids, and labels.
        test: prompts.
        on_rows: called with the number of prompts done, of all three.

    Raises:
        DataError: the training split has one label only.
    """
    from threadpoolctl import threadpool_limits

    from ft_platform.models.kernels.packed_forward import shared_start
    from ft_platform.models.prompt_states import pooled_states

    known = [*train[0], *validation[0]]
    prefix = shared_start([*known, *test])
    states = {
        name: (found[: len(train[0])], found[len(train[0]) :])
        for name, found in pooled_states(model, known, prefix, on_rows).items()
    }
    scales = {name: (found.mean(axis=0), found.std(axis=0)) for name, (found, _) in states.items()}
    with threadpool_limits(1):  # as for `tfidf_logreg`
        features = {
            name: (_scaled(of_train, *scales[name]), _scaled(of_validation, *scales[name]))
            for name, (of_train, of_validation) in states.items()
        }
        classifier, pooling, chosen = tuned_regression(features, REGULARIZATION, train[1], validation[1])
    started = time.monotonic()
    asked = pooled_states(model, test, prefix, lambda done: on_rows(len(known) + done))[pooling]
    with threadpool_limits(1):
        predicted, confidence = answered(classifier, _scaled(asked, *scales[pooling]))
    return (predicted, confidence, time.monotonic() - started), {"pooling": pooling, **chosen}


def _scaled(states: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """A feature that never varies is 0."""
    return (states - mean) / np.where(deviation > 0, deviation, 1.0)
