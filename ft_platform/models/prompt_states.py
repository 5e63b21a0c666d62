"""What a model makes of a prompt before it answers: the last hidden state, from which its output layer reads the
answer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np


def prompt_states(
    model: Any, prompts: Sequence[Sequence[int]], on_rows: Callable[[int], None] = lambda done: None
) -> np.ndarray:
    """Last hidden state at the last token of every prompt. Shape `(prompts, width)`, float32.

    Args:
        model: causal LM of transformers, with or without adapter or label head.
        prompts: token ids of whole prompts.
        on_rows: called with the number of prompts done.
    """
    from ft_platform.models.kernels.packed_forward import last_outputs

    with _without_output_layer(model):
        return last_outputs(model, prompts, on_rows).numpy()


@contextmanager
def _without_output_layer(model: Any) -> Iterator[None]:
    """Inside the block the output layer returns what it is given."""
    head = model.get_output_embeddings()
    head.forward = lambda hidden: hidden
    try:
        yield
    finally:
        del head.forward
