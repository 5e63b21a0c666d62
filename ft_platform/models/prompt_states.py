"""What a model makes of a prompt before it answers: the last hidden state, from which its output layer reads the
answer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

PASS_TOKENS = 2048


def prompt_states(
    model: Any, prompts: Sequence[Sequence[int]], on_rows: Callable[[int], None] = lambda done: None
) -> np.ndarray:
    """Last hidden state at the last token of every prompt. Shape `(prompts, width)`, float32.

    Args:
        model: causal LM of transformers, with or without adapter or label head.
        prompts: token ids of whole prompts.
        on_rows: called with the number of prompts done.
    """
    import torch

    from ft_platform.models.kernels.packed_attention import Segment
    from ft_platform.models.kernels.packed_forward import batches_of, packed_forward, packing_problem, padded_forward

    forward = padded_forward if packing_problem(model) else packed_forward
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), row))
    found: list[np.ndarray] = [np.empty(0)] * len(prompts)
    done = 0
    for batch in batches_of([len(prompts[row]) for row in order], PASS_TOKENS):
        rows = [order[place] for place in batch]
        keep = [(number, len(prompts[row]) - 1) for number, row in enumerate(rows)]
        with torch.inference_mode(), _without_output_layer(model):
            states = forward(model, [Segment(prompts[row]) for row in rows], [], keep).float().cpu().numpy()
        for row, state in zip(rows, states, strict=True):
            found[row] = state
        done += len(rows)
        on_rows(done)
    return np.stack(found)


@contextmanager
def _without_output_layer(model: Any) -> Iterator[None]:
    """Inside the block the output layer returns what it is given."""
    head = model.get_output_embeddings()
    head.forward = lambda hidden: hidden
    try:
        yield
    finally:
        del head.forward
