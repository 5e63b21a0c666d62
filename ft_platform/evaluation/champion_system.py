"""The champion as one more system of an evaluation report, on the same test records as the fine-tuned model."""

import json
from collections.abc import Collection
from typing import Any

from deltalake.exceptions import DeltaError

from ft_platform.errors import FtError, VersionRefused
from ft_platform.evaluation.evaluate import Evaluator
from ft_platform.lake.provenance import learned_record_ids
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.rendering.renderer import Renderer

CHAMPION = "champion"


def why_not_comparable(
    lake: Lake, champion: ArtifactVersion, evaluator: Evaluator, base: ResolvedModel, fresh: Collection[str] = ()
) -> str:
    """Why a champion cannot stand beside the other systems, in words; empty where it can.

    It cannot with another base model or renderer (other labels, another instruction), with a label head where the
    others write their labels, and not where it learned from records that are test records now: it would look better
    than it is.

    Args:
        fresh: ids of requests that are test records as well.
    """
    training = json.loads(lake.read_file(champion, "training.json"))
    try:
        require_same_rendering(training, evaluator.renderer, base, champion)
    except VersionRefused as refusal:
        return refusal.message
    if evaluator.settings.label_answers == "generated" and training["training"]["objective"] == "label_head":
        return f"{champion.id} has a label head, which scores labels, and evaluation.label_answers is generated"
    try:
        seen = learned_record_ids(lake, champion) & {*evaluator.test.rows["record_id"].to_pylist(), *fresh}
    except (FtError, OSError, DeltaError) as error:
        return (
            f"the records that {champion.id} learned from cannot be read any more ({type(error).__name__}), so test"
            " records may be among them"
        )
    return f"{champion.id} learned from {len(seen)} of these test records" if seen else ""


def require_same_rendering(
    training: dict[str, Any], renderer: Renderer, base: ResolvedModel, checkpoint: ArtifactVersion
) -> None:
    """Raises VersionRefused if a checkpoint was trained with another renderer or base model than it would be evaluated
    with."""
    difference = base.other_than(training)
    if not difference and training["renderer_hash"] != renderer.hash:
        difference = f"renderer {training['renderer_hash'][:12]}, and this one is {renderer.hash[:12]}"
    if difference:
        raise VersionRefused(
            f"checkpoint {checkpoint.id} was trained with {difference}", f"Train again: ft run {checkpoint.use_case}"
        )
