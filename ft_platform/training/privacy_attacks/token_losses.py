"""How surprised a model is by each token that training would learn."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ft_platform.training.batches import Row

if TYPE_CHECKING:
    from ft_platform.models.rendering.renderer import Renderer
    from ft_platform.training.privacy_attacks.records import Sample

PASS_TOKENS = 1024
"""Tokens in one pass, as in `evaluation.systems.generation`."""


def token_losses(
    model: Any, rows: Sequence[Row], prefix: Sequence[int], on_rows: Callable[[int], None] = lambda done: None
) -> list[np.ndarray]:
    """Negative log-probability in nats of each supervised token. One array of shape `(supervised tokens,)` for each
    row.

    Args:
        rows: what follows `prefix` (`training.batches.split_off_prefix`).
        prefix: token ids all rows start with.
        on_rows: is told how many rows are done.
    """
    import torch

    from ft_platform.models.kernels.packed_attention import Segment
    from ft_platform.models.kernels.packed_forward import batches_of, packed_forward, packing_problem, padded_forward

    forward = padded_forward if packing_problem(model) else packed_forward
    order = sorted(range(len(rows)), key=lambda row: (len(rows[row].ids), row))
    found: list[np.ndarray] = [np.empty(0)] * len(rows)
    done = 0
    for batch in batches_of([len(rows[row].ids) for row in order], PASS_TOKENS):
        taken = [rows[order[place]] for place in batch]
        keep = [(number, place) for number, row in enumerate(taken) for place in row.places]
        targets = torch.tensor([target for row in taken for target in row.targets], device=model.device)
        with torch.inference_mode():
            logits = forward(model, [Segment(row.ids) for row in taken], prefix, keep).float()
            losses = torch.nn.functional.cross_entropy(logits, targets, reduction="none").double().cpu().numpy()
        ends = np.cumsum([len(row.targets) for row in taken])[:-1]
        for place, part in zip(batch, np.split(losses, ends), strict=True):
            found[order[place]] = part
        done += len(taken)
        on_rows(done)
    return found


def losses_of(
    model: Any,
    sample: "Sample",
    renderer: "Renderer",
    prefix: list[int],
    on_rows: Callable[[int], None] = lambda done: None,
) -> list[np.ndarray]:
    """Losses per supervised token, one array for each record.

    Args:
        prefix: token ids all rows start with.
        on_rows: is told how many rows are done.
    """
    from ft_platform.models.label_head import head_of
    from ft_platform.models.text_classifier import TextClassifier
    from ft_platform.training.batches import labelled_prompts, split_off_prefix

    if not sample.rows:
        return []
    if isinstance(model, TextClassifier):
        found = model.of_prompts([row.input_ids[: row.prompt_length] for row in sample.rows], on_rows)
        return [-row[[renderer.labels.index(one)]] for row, one in zip(found, sample.answers, strict=True)]
    if head_of(model):
        rows = labelled_prompts(sample.rows, sample.answers, renderer.labels, prefix)
    else:
        rows = split_off_prefix(sample.rows, prefix)
    return token_losses(model, rows, prefix, on_rows)
