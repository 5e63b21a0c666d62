"""Share of answers that have the fields of `task.fields`, of the right types, and no others."""

import numpy as np

from ft_platform.evaluation.json_answers import meets_schema, read_object
from ft_platform.evaluation.metric import Metric
from ft_platform.evaluation.outputs import TextOutputs


def statistics(outputs: TextOutputs) -> np.ndarray:
    assert outputs.schema is not None
    return np.array([[meets_schema(read_object(answer), outputs.schema), 1.0] for answer in outputs.answers], float)


def score(sums: np.ndarray) -> np.ndarray:
    return sums[..., 0] / sums[..., 1]


METRIC = Metric(
    "schema_validity",
    "Valid by schema",
    "generation",
    0.0,
    1.0,
    True,
    -3,
    statistics,
    score,
    lambda outputs: outputs.schema is not None,
)
