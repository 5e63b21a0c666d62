"""What a training starts from: model, objective, rows of both sides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ft_platform.errors import ConfigError
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.training.recipe import Recipe
from ft_platform.training.rendered import RenderedSplit
from ft_platform.use_case.settings.training import Training


@dataclass
class Prepared:
    """Everything up to the first optimizer step.

    Attributes:
        model: with trainable weights.
        objective: `training.objectives.Objective`; None of a `TextClassifier`, which has learned already.
        rows, validation: what the objective takes.
        sides: the rendered splits, `train` and `validation`.
        batching: `packed`, or `padded` with the reason; and whether layers are computed again.
        layers: how many layers compute by our own code, and why the others do not.
        recipe: how it is trained, with nothing left open, and why.
        dtype: precision in which the base model was loaded and computes, e.g. `bfloat16`; where all weights are
            trained, they are kept in float32.
        chosen: which training records were chosen (`training.window`); empty: all.
    """

    model: Any
    objective: Any
    rows: Sequence[Any]
    validation: Sequence[Any]
    sides: dict[str, RenderedSplit]
    renderer: Renderer
    base: ResolvedModel
    batching: str
    layers: str
    dtype: str
    recipe: Recipe
    chosen: dict[str, Any] = field(default_factory=dict)

    @property
    def training(self) -> Training:
        return self.recipe.training

    def recompute_layers(self) -> None:
        """Lets the layers keep their inputs only (`models.recomputation`).

        Raises:
            ConfigError: this architecture cannot.
        """
        from ft_platform.models.kernels.recomputation import recompute_layers

        try:
            recompute_layers(self.model)
        except ValueError as error:
            raise ConfigError(
                [f"training.gradient_checkpointing: {error}"], "Set training.gradient_checkpointing: never"
            ) from None
        self.batching += ", layers computed again"
