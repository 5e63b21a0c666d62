"""All figures of an evaluation as plain values: what `metrics.json` holds."""

from typing import Any

from ft_platform.evaluation.intervals import figure, paired_difference
from ft_platform.evaluation.label_counts import confusion_matrix, per_label_table
from ft_platform.evaluation.metric import metrics_of
from ft_platform.evaluation.outputs import LabelOutputs, Outputs
from ft_platform.use_case import Evaluation, Task

FINE_TUNED = "fine_tuned"


def scores(outputs: dict[str, Outputs], task: Task, settings: Evaluation) -> dict[str, Any]:
    """Figures of every system.

    Returns:
        `{"systems": {system: {metric: {"value", "low", "high"}}}, "differences": {system: {metric: {"value", "low", "high"}}},
        "test_rows", "labels", "per_class": {system: {label: {"precision", "recall", "f1", "support"}}}, "confusion":
        {system: matrix}}`. `differences` are fine-tuned minus system on the same records; the last three hold labels only.
    """
    metrics = metrics_of(task.kind)
    labelled = {system: found for system, found in outputs.items() if isinstance(found, LabelOutputs)}
    tuned = outputs.get(FINE_TUNED)
    others = {system: found for system, found in outputs.items() if tuned is not None and system != FINE_TUNED}
    return {
        "systems": {system: {m.name: figure(m, found, settings) for m in metrics} for system, found in outputs.items()},
        "differences": {
            system: {m.name: paired_difference(m, tuned, found, settings) for m in metrics} for system, found in others.items() if tuned is not None
        },
        "test_rows": len(next(iter(outputs.values()))),
        "labels": next(iter(labelled.values())).labels if labelled else [],
        "per_class": {system: per_label_table(found) for system, found in labelled.items()},
        "confusion": {system: confusion_matrix(found) for system, found in labelled.items()},
    }
