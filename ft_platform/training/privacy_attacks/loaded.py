"""The base model that a checkpoint was trained on, as attacks need it."""

import json
from typing import Any

import pyarrow as pa

from ft_platform.evaluation.champion_system import require_same_rendering
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models import base_model
from ft_platform.models.rendering.renderer import Renderer, labels_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.base_model import WORDS_ONLY, reads_words
from ft_platform.use_case.settings.environment import Environment


def loaded_base(
    lake: Lake, environment: Environment, use_case: NamedUseCase, table: pa.Table, checkpoint: ArtifactVersion
) -> tuple[Any, Any, Renderer]:
    """The model without what the checkpoint learned, its tokenizer, and the renderer.

    Args:
        table: of the splits that the checkpoint was trained on.

    Raises:
        VersionRefused: the checkpoint was trained with another renderer or base model.
    """
    settings, training = use_case.settings, json.loads(lake.read_file(checkpoint, "training.json"))
    base = WORDS_ONLY if reads_words(training["base_model"]) else settings.base_model
    resolved = base_model.resolve_here(base, environment)
    model, tokenizer = base_model.load(resolved, base.dtype, base.quantization)
    renderer = Renderer(tokenizer, settings.task, labels_of(table))
    require_same_rendering(training, renderer, resolved, checkpoint)
    return model, tokenizer, renderer
