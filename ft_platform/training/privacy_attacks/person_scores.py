"""How surely a model knows the records of one person: the attacks on a checkpoint, pointed at these records.

Two attacks: the loss below that of the untrained model, compared with records that no model learned (reference-
calibrated membership: Carlini et al., arXiv:2012.07805, section 5.2), and greedy continuation of the records' own words
(arXiv:2202.07646). Covered: aggregates over all records of a request. Not covered: attackers who train models of their
own; with one record nothing is surer than 1 in (unseen records + 1), which `chance` shows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import DataError
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.models.rendering.renderer import Renderer, shared_prefix
from ft_platform.training.dataset import COLUMNS
from ft_platform.training.privacy_attacks.extraction import Target, copied, targets
from ft_platform.training.privacy_attacks.loaded import loaded_base
from ft_platform.training.privacy_attacks.records import Sample, sample_of
from ft_platform.training.privacy_attacks.token_losses import losses_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

MOST_UNSEEN = 400
"""Records to compare with: then 1 record of a person can be surer than 1 in 401."""


def splits_of(lake: Lake, checkpoint: ArtifactVersion) -> TableVersion:
    """What a checkpoint was trained on.

    Raises:
        DataError: its manifest names no splits.
    """
    for parent in lake.manifest(checkpoint).parents:
        version = version_of_parent(lake, checkpoint.use_case, parent) if parent.name == "splits" else None
        if isinstance(version, TableVersion):
            return version
    raise DataError(f"{checkpoint.artifact_id} names no splits that it was trained on")


def scores_of(
    lake: Lake, environment: Environment, use_case: NamedUseCase, checkpoint: ArtifactVersion, rows: pa.Table
) -> dict[str, Any]:
    """Figures of `person_scores`, from the lake.

    Args:
        rows: of the person, columns `training.dataset.COLUMNS`.

    Raises:
        DataError: nothing can be compared.
        VersionRefused, BaseModelError: the checkpoint does not fit the base model.
    """
    table = lake.read_table(splits_of(lake, checkpoint), COLUMNS)
    model, _, renderer = loaded_base(lake, environment, use_case, table, checkpoint)
    others = table.filter(pc.invert(pc.is_in(table["record_id"], rows["record_id"].combine_chunks())))
    own = sample_of(use_case, rows, renderer, rows.num_rows)
    unseen = sample_of(use_case, others.filter(pc.field("split") == "test"), renderer, MOST_UNSEEN, 1)
    if not len(own) or not len(unseen):
        raise DataError(f"{len(own)} records of the person and {len(unseen)} of the test split can be compared")
    with lake.local_copy(checkpoint) as folder:
        return person_scores(use_case, model, renderer, own, unseen, folder)


def person_scores(
    use_case: NamedUseCase,
    model: Any,
    renderer: Renderer,
    own: Sample,
    unseen: Sample,
    checkpoint: Path,
) -> dict[str, Any]:
    """`{"records", "unseen", "score", "score_of_unseen", "auc", "chance", "texts", "verbatim", "near_verbatim",
    "verbatim_untrained"}`: figures, never a text.

    `score`: mean nats per token by which the trained model is surer than the untrained one; `auc` in [0, 1]: how often
    a record of the person scores higher than an unseen one (0.5: cannot be told apart); `chance`: p-value of a score
    this high if the model knew none of the records (Mann-Whitney, one-sided). `texts`: records long enough to continue;
    `verbatim` of them are continued word for word.

    Args:
        model: base model without adapter; it is changed. None: there is no base model.
        own, unseen: records of the person, and records that no model learned; neither is empty.
    """
    from scipy.stats import mannwhitneyu

    from ft_platform.models.adapter import with_adapter

    prefix = shared_prefix([*own.rows, *unseen.rows], renderer.prefix_ids())
    writes_text = use_case.settings.training.objective != "label_head"
    of_answers = use_case.settings.task.kind == "generation"
    found = targets(own, use_case.settings.attacks, of_answers=of_answers) if writes_text else []
    before = [_means(model, one, renderer, prefix) if model else np.zeros(len(one)) for one in (own, unseen)]
    untrained = copied(_written(use_case, model, renderer, found), found)
    model = with_adapter(model, checkpoint)
    mine, others = (
        first - _means(model, one, renderer, prefix) for first, one in zip(before, (own, unseen), strict=True)
    )
    trained = copied(_written(use_case, model, renderer, found), found)
    test = mannwhitneyu(mine, others, alternative="greater")
    return {
        "records": len(mine),
        "unseen": len(others),
        "score": float(mine.mean()),
        "score_of_unseen": float(others.mean()),
        "auc": float(test.statistic) / (len(mine) * len(others)),
        "chance": float(test.pvalue),
        "texts": trained.rows,
        "verbatim": trained.verbatim,
        "near_verbatim": trained.near,
        "verbatim_untrained": untrained.verbatim,
    }


def _means(model: Any, sample: Sample, renderer: Renderer, prefix: list[int]) -> np.ndarray:
    return np.array([row.mean() for row in losses_of(model, sample, renderer, prefix)])


def _written(use_case: NamedUseCase, model: Any, renderer: Renderer, found: list[Target]) -> list[list[int]]:
    from ft_platform.evaluation.systems.generation import continuations

    if not found:
        return []
    tokens = use_case.settings.attacks.continuation_tokens
    return continuations(
        model, [one.prompt for one in found], renderer.end_of_turn[-1], tokens, None, lambda done: None
    )
