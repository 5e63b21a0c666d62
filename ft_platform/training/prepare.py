"""What the loop needs: a model with trainable weights, a loss, and both sides of the split as tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ft_platform.environment import Environment
from ft_platform.lake import Lake, TableVersion
from ft_platform.models import base_model
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.renderer import Renderer, labels_of, shared_prefix
from ft_platform.training.audit_verdict import require_audited_renderer
from ft_platform.training.batches import split_off_prefix
from ft_platform.training.dataset import RenderedSplit, read_splits, render_split
from ft_platform.use_case import NamedUseCase


@dataclass
class Prepared:
    """Everything up to the first optimizer step.

    Attributes:
        model: with trainable weights.
        objective: `training.objectives.Objective`.
        rows, validation: what the objective takes.
        sides: the rendered splits, `train` and `validation`.
        batching: `packed`, or `padded` with the reason.
    """

    model: Any
    objective: Any
    rows: Sequence[Any]
    validation: Sequence[Any]
    sides: dict[str, RenderedSplit]
    renderer: Renderer
    base: ResolvedModel
    batching: str


def prepare(lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion) -> Prepared:
    """Loads the base model, renders the splits and adds the weights that are trained.

    Raises:
        BaseModelError: the base model cannot be loaded.
        DataError: nothing is left to learn from.
        ConfigError: `training.target_modules` names no module of this model.
    """
    from ft_platform.models.packed_forward import packed_forward, packing_problem, padded_forward
    from ft_platform.training.lora import add_adapter
    from ft_platform.training.objectives import AnswerLoss

    settings = use_case.settings
    table = read_splits(lake, splits)
    base = base_model.resolve(settings.base_model, environment.cache_path)
    model, tokenizer = base_model.load(base, settings.base_model.dtype)
    renderer = Renderer(tokenizer, settings.task, labels_of(table))
    require_audited_renderer(lake, splits, renderer.hash)
    sides = {side: render_split(table, side, renderer, use_case) for side in ("train", "validation")}
    model = add_adapter(model, settings.training)
    problem = packing_problem(model)
    prefix = shared_prefix([row for side in sides.values() for row in side.rows], renderer.prefix_ids())
    rows, validation = (split_off_prefix(side.rows, prefix) for side in sides.values())
    objective = AnswerLoss(padded_forward if problem else packed_forward, prefix)
    return Prepared(model, objective, rows, validation, sides, renderer, base, f"padded ({problem})" if problem else "packed")
