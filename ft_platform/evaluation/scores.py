"""All figures of an evaluation as plain values: what `metrics.json` holds."""

from typing import Any

from ft_platform.evaluation.calibration import calibration
from ft_platform.evaluation.comparison import paired_difference, tests
from ft_platform.evaluation.intervals import figure
from ft_platform.evaluation.label_counts import confusion_matrix, per_label_table
from ft_platform.evaluation.metric import metrics_for
from ft_platform.evaluation.outputs import LabelOutputs, Outputs
from ft_platform.use_case import Evaluation, Task

FINE_TUNED = "fine_tuned"


def scores(outputs: dict[str, Outputs], task: Task, settings: Evaluation) -> dict[str, Any]:
    """Figures of every system.

    Returns:
        `{"systems": {system: {metric: {"value", "low", "high"}}}, "differences": {system: {metric: {"value", "low", "high", "p",
        "detectable"}}}, "tests": {system: {"metric", "p", "p_corrected", "mcnemar"}}, "test_rows", "labels", "per_class": {system: {label:
        {"precision", "recall", "f1", "support"}}}, "confusion": {system: matrix}, "calibration": {system: ...}}`. `differences` are fine-tuned
        minus system on the same records, `tests` say whether they are chance; the last four hold labels only.
    """
    metrics = metrics_for(task.kind, outputs.values())
    labelled = {system: found for system, found in outputs.items() if isinstance(found, LabelOutputs)}
    tuned = outputs.get(FINE_TUNED)
    others = {system: found for system, found in outputs.items() if tuned is not None and system != FINE_TUNED}
    differences = {system: {m.name: paired_difference(m, tuned, found, settings) for m in metrics} for system, found in others.items() if tuned is not None}
    calibrated = {system: calibration(found, settings) for system, found in labelled.items()}
    return {
        "systems": {system: {m.name: figure(m, found, settings) for m in metrics} for system, found in outputs.items()},
        "differences": differences,
        "tests": tests(outputs, differences, FINE_TUNED, metrics[0]),
        "test_rows": len(next(iter(outputs.values()))),
        "labels": next(iter(labelled.values())).labels if labelled else [],
        "per_class": {system: per_label_table(found) for system, found in labelled.items()},
        "confusion": {system: confusion_matrix(found) for system, found in labelled.items()},
        "calibration": {system: found for system, found in calibrated.items() if found},
    }
