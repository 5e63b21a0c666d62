"""Two checkpoints on the same test records: what a change of the training data did."""

from typing import Any

from ft_platform.evaluation.comparison import paired_difference
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.metric import main_metric, metrics_of
from ft_platform.evaluation.outputs import Outputs
from ft_platform.evaluation.pairs import splits_behind
from ft_platform.evaluation.predictions import outputs_in, rows_of
from ft_platform.evaluation.records import Side, side_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase


def effect_between(
    lake: Lake, use_case: NamedUseCase, changed: ArtifactVersion, before: ArtifactVersion
) -> dict[str, Any]:
    """Score of the checkpoint of one evaluation minus that of another, by the test records of the first.

    Returns:
        `{"metric", "value", "low", "high", "p", "detectable", "with", "without", "test_rows"}`.
    """
    splits = splits_behind(lake, changed)
    side = side_of(use_case, splits, "test")
    labels = sorted({*splits["label"].to_pylist()} - {None})
    first, second = (_outputs(lake, use_case, one, side, labels) for one in (changed, before))
    metric = main_metric(metrics_of(use_case.settings.task.kind), [first, second])
    return {
        "metric": metric.name,
        **paired_difference(metric, first, second, use_case.settings.evaluation),
        "with": changed.artifact_id,
        "without": before.artifact_id,
        "test_rows": len(side),
    }


def _outputs(lake: Lake, use_case: NamedUseCase, evaluation: ArtifactVersion, side: Side, labels: list[str]) -> Outputs:
    lake.verify_artifact(evaluation)
    task, predictions = use_case.settings.task, rows_of(read_predictions(lake, evaluation), FINE_TUNED)
    return outputs_in(predictions, side, labels, task.schema_of_answers, task.style)[FINE_TUNED]
