"""What learning from feedback changed: two checkpoints of the same recipe, one trained with it and one without, on the
same test records.

Covered: the chance of which records are in the test split. Not covered: luck of the seed, of which each training has
one (`seed_variation`)."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ft_platform.errors import DataError
from ft_platform.evaluation.comparison import paired_difference
from ft_platform.evaluation.files import read_predictions
from ft_platform.evaluation.metric import main_metric, metrics_of
from ft_platform.evaluation.outputs import Outputs
from ft_platform.evaluation.pairs import splits_behind
from ft_platform.evaluation.predictions import outputs_in, rows_of
from ft_platform.evaluation.records import Side, side_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.governance.feedback_releases import ever_released
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.use_case.named import NamedUseCase


@dataclass(frozen=True)
class _Evaluated:
    """An evaluation and what its checkpoint was trained on.

    Attributes:
        feedback: training records that were requests.
        others: record id -> side, of all other records.
        recipe: hash of the settings of the training.
    """

    evaluation: ArtifactVersion
    recipe: str
    feedback: int
    others: dict[str, str]


def feedback_effect(lake: Lake, use_case: NamedUseCase) -> dict[str, Any]:
    """`{"metric", "value", "low", "high", "p", "detectable", "with", "without", "feedback_rows", "test_rows"}`: score
    with feedback minus score without, of the newest pair that differs in nothing else.

    Raises:
        DataError: there is no such pair.
    """
    found = list(_evaluated(lake, use_case, ever_released(lake, use_case.name)))
    for one in (one for one in found if one.feedback):
        for other in (other for other in found if not other.feedback):
            if one.recipe == other.recipe and one.others == other.others:
                return _compared(lake, use_case, one, other)
    raise DataError(
        f"{use_case.name} has no two evaluations of the same recipe on the same records, with and without feedback",
        f"Run: ft run {use_case.name} --set source.feedback.join=false, then: ft run {use_case.name}",
    )


def _evaluated(lake: Lake, use_case: NamedUseCase, asked: Collection[str]) -> Iterator[_Evaluated]:
    for evaluation in lake.artifacts(use_case.name, "evaluation_report"):
        parents = {parent.name: parent for parent in lake.manifest(evaluation).parents}
        checkpoint = version_of_parent(lake, use_case.name, parents["adapter_checkpoint"])
        splits = splits_behind(lake, evaluation).select(["record_id", "split"]).to_pylist()
        sides = {one["record_id"]: one["split"] for one in splits}
        others = {record: side for record, side in sides.items() if record not in asked}
        yield _Evaluated(evaluation, lake.manifest(checkpoint).settings_hash, len(sides) - len(others), others)


def _compared(lake: Lake, use_case: NamedUseCase, one: _Evaluated, other: _Evaluated) -> dict[str, Any]:
    splits = splits_behind(lake, one.evaluation)
    side = side_of(use_case, splits, "test")
    labels = sorted({*splits["label"].to_pylist()} - {None})
    first, second = (_outputs(lake, use_case, found.evaluation, side, labels) for found in (one, other))
    metric = main_metric(metrics_of(use_case.settings.task.kind), [first, second])
    return {
        "metric": metric.name,
        **paired_difference(metric, first, second, use_case.settings.evaluation),
        "with": one.evaluation.artifact_id,
        "without": other.evaluation.artifact_id,
        "feedback_rows": one.feedback,
        "test_rows": len(side),
    }


def _outputs(lake: Lake, use_case: NamedUseCase, evaluation: ArtifactVersion, side: Side, labels: list[str]) -> Outputs:
    lake.verify_artifact(evaluation)
    task, predictions = use_case.settings.task, rows_of(read_predictions(lake, evaluation), FINE_TUNED)
    return outputs_in(predictions, side, labels, task.schema_of_answers, task.style)[FINE_TUNED]
