"""F1 over fields: of all fields that answers or references have, twice those with the right value by the sum of both
counts (micro average)."""

import numpy as np

from ft_platform.evaluation.json_answers import field_counts
from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs


def statistics(outputs: TextOutputs) -> np.ndarray:
    """Fields with the right value, fields of the answer, fields of the reference. Shape `(rows, 3)`."""
    return np.array([field_counts(r, a) for r, a in zip(outputs.references, outputs.answers, strict=True)], float)


def score(sums: np.ndarray) -> np.ndarray:
    # Without any field on either side nothing was right; as scikit-learn's zero_division=0.
    return 2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1)


METRIC = Metric(
    "field_f1",
    "Field F1",
    "generation",
    0.0,
    1.0,
    True,
    -5,
    statistics,
    score,
    lambda outputs: outputs.schema is not None,
)
