"""What learning from feedback changed: two checkpoints of the same recipe, one trained with it and one without, on the
same test records.

Covered: the chance of which records are in the test split. Not covered: luck of the seed, of which each training has
one (`seed_variation`)."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ft_platform.errors import DataError
from ft_platform.evaluation.effect import effect_between
from ft_platform.evaluation.pairs import splits_behind
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
                return {
                    **effect_between(lake, use_case, one.evaluation, other.evaluation),
                    "feedback_rows": one.feedback,
                }
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
