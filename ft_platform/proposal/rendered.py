"""How long the rows of a source are once the base model's renderer has written them: where `training.max_length` comes
from."""

from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.environment import Environment
from ft_platform.errors import BaseModelError, MissingExtra
from ft_platform.models.model_sources import is_here
from ft_platform.sources.mapping import map_batch
from ft_platform.use_case import NamedUseCase

ROWS = 500
"""Rendered in less than a second; the 99th percentile rests on five of them."""


def sampled(rows: pa.Table, count: int) -> pa.Table:
    """Rows at equal distances: files are often sorted by label."""
    places = np.unique(np.linspace(0, rows.num_rows - 1, min(count, rows.num_rows)).astype(int))
    return rows.take(pa.array(places))


def rendered_lengths(use_case: NamedUseCase, rows: pa.Table, environment: Environment) -> list[int] | None:
    """Tokens of sampled rows as training would see them, or None where the base model is not on this machine.

    Args:
        rows: all columns of the source, as strings.

    Raises:
        SourceError: rows are no conversations.
    """
    settings = use_case.settings
    batch = sampled(rows, ROWS).combine_chunks().to_batches()[0]
    mapped = map_batch(use_case, batch, settings.source.uri, 1)
    if not is_here(settings.base_model, environment.cache_path):
        return None
    labels = mapped.fields["label"].to_pylist()
    return _lengths(use_case, mapped.messages.to_pylist(), labels, environment)


def _lengths(
    use_case: NamedUseCase, conversations: list[list[dict[str, str]]], labels: list[Any], environment: Environment
) -> list[int] | None:
    from ft_platform.models import base_model
    from ft_platform.models.quiet import quiet_transformers
    from ft_platform.models.renderer import NotRendered, Renderer
    from ft_platform.models.tokenizer import load_tokenizer

    settings = use_case.settings
    try:
        quiet_transformers()  # the first conversion of a GGUF file shows a bar of its own
        resolved = base_model.resolve(settings.base_model, environment.cache_path, environment.unpinned_base_models)
        tokenizer = load_tokenizer(resolved).tokenizer
    except (BaseModelError, MissingExtra, ImportError):
        return None
    scored = settings.training.objective == "label_head"
    known = sorted({label for label in labels if label})
    renderer = Renderer(tokenizer, settings.task, known if settings.task.kind == "classification" else ())
    found = []
    for messages, label in zip(conversations, labels, strict=True):
        spoken = [message for message in messages if message["role"] != "rejected"]
        try:
            answer = label if settings.task.kind == "classification" else None
            row = renderer.example(spoken, answer)
        except NotRendered:
            continue
        found.append(row.prompt_length if scored else len(row.input_ids))
    return found or None
