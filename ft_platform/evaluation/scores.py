"""All figures of an evaluation as plain values: what `metrics.json` holds."""

from dataclasses import replace
from typing import Any

from ft_platform.evaluation.calibration import calibration
from ft_platform.evaluation.comparison import paired_difference, tests
from ft_platform.evaluation.intervals import figure
from ft_platform.evaluation.label_counts import confusion_matrix, per_label_table
from ft_platform.evaluation.metric import main_metric, metrics_of
from ft_platform.evaluation.outputs import LabelOutputs, Outputs
from ft_platform.evaluation.win_rate import win_rates
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.evaluation import Evaluation

FINE_TUNED = "fine_tuned"


def scores(outputs: dict[str, Outputs], task: Task, settings: Evaluation) -> dict[str, Any]:
    """Figures of every system.

    Returns:
        `{"systems": {system: {metric: {"value", "low", "high"}}}, "differences": {system: {metric: {"value", "low",
        "high", "p", "detectable"}}}, "tests": {system: {"metric", "p", "p_corrected", "mcnemar"}}, "main_metric",
        "win_rates", "test_rows", "labels", "per_class": {system: {label:
        {"precision", "recall", "f1", "support"}}}, "confusion": {system: matrix}, "calibration": {system: ...}}`.
        `differences` are fine-tuned minus system on the same records, `tests` say whether they are chance, by
        `main_metric`; the last four hold labels only. A system has the metrics that apply to its outputs.
    """
    metrics = metrics_of(task.kind)
    outputs = _same_labels(outputs)
    labelled = {system: found for system, found in outputs.items() if isinstance(found, LabelOutputs)}
    tuned = outputs.get(FINE_TUNED)
    others = {system: found for system, found in outputs.items() if tuned is not None and system != FINE_TUNED}
    differences = {
        system: {
            m.name: paired_difference(m, tuned, found, settings)
            for m in metrics
            if m.applies(tuned) and m.applies(found)
        }
        for system, found in others.items()
        if tuned is not None
    }
    main = main_metric(metrics, outputs.values())
    calibrated = {system: calibration(found, settings) for system, found in labelled.items()}
    return {
        "systems": {
            system: {m.name: figure(m, found, settings) for m in metrics if m.applies(found)}
            for system, found in outputs.items()
        },
        "differences": differences,
        "tests": tests(outputs, differences, FINE_TUNED, main),
        "main_metric": main.name,
        "win_rates": win_rates(outputs, settings),
        "test_rows": len(next(iter(outputs.values()))),
        "labels": next(iter(labelled.values())).labels if labelled else [],
        "per_class": {system: per_label_table(found) for system, found in labelled.items()},
        "confusion": {system: confusion_matrix(found) for system, found in labelled.items()},
        "calibration": {system: found for system, found in calibrated.items() if found},
    }


def _same_labels(outputs: dict[str, Outputs]) -> dict[str, Outputs]:
    """Outputs whose labels are those of all systems, so that one list names rows and columns of every confusion matrix:
    some systems answer what is no label of the use case."""
    lists = [found.labels for found in outputs.values() if isinstance(found, LabelOutputs)]
    labels = list(dict.fromkeys(label for one in lists for label in one))
    return {
        system: replace(found, labels=labels) if isinstance(found, LabelOutputs) else found
        for system, found in outputs.items()
    }
