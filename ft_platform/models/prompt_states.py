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


def pooled_states(
    model: Any,
    prompts: Sequence[Sequence[int]],
    prefix: Sequence[int],
    on_rows: Callable[[int], None] = lambda done: None,
) -> dict[str, np.ndarray]:
    """`{"mean", "last"}`: last hidden states of every prompt after the prefix, their mean and the one at the last
    token. Shape `(prompts, width)` each, float32; one forward pass for each prompt.

    Args:
        model, on_rows: as of `prompt_states`.
        prompts: one or more.
        prefix: token ids that all prompts start with and none ends with.
    """
    from ft_platform.models.kernels.packed_forward import outputs_of

    found: dict[int, tuple[Any, Any]] = {}
    with _without_output_layer(model):
        for row, states in outputs_of(model, prompts, prefix, on_rows, range):
            found[row] = states.mean(dim=0).numpy(), states[-1].numpy()
    return {
        name: np.stack([found[row][place] for row in range(len(prompts))])
        for place, name in enumerate(("mean", "last"))
    }


def middle_states(
    model: Any,
    prompts: Sequence[Sequence[int]],
    prefix: Sequence[int],
    on_rows: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """Mean after the prefix of the hidden states in the middle of the layers, for half of the work of `pooled_states`.
    Shape `(prompts, width)`, float32.

    They often say more about a text than the last ones (Skean et al., arXiv:2502.02013). Arguments: of `pooled_states`.
    """
    with _half_of_the_layers(model):
        return pooled_states(model, prompts, prefix, on_rows)["mean"]


@contextmanager
def _half_of_the_layers(model: Any) -> Iterator[None]:
    """Inside the block only the first half of the layers is computed. Of an architecture that does not count its layers
    by the configuration, all are."""
    config = model.config.get_text_config()
    layers = config.num_hidden_layers
    config.num_hidden_layers = (layers + 1) // 2
    try:
        yield
    finally:
        config.num_hidden_layers = layers


@contextmanager
def _without_output_layer(model: Any) -> Iterator[None]:
    """Inside the block the output layer returns what it is given."""
    head = model.get_output_embeddings()
    head.forward = lambda hidden: hidden
    try:
        yield
    finally:
        del head.forward
