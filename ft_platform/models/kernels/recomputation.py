"""Layers that keep only their input and are computed again in the backward pass: gradient checkpointing (Chen et al.,
arXiv:1604.06174).

It takes a second forward pass of every layer and leaves losses and gradients as they are, bit for bit on a CPU: the
same functions run on the same numbers, with the random numbers of the first time.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from ft_platform.models.kernels.fused_rotary import NAME, rotating_modules


def recompute_layers(model: Any) -> None:
    """From now on the layers of `model` keep their inputs only, while it trains.

    Args:
        model: causal LM of transformers, with or without peft adapters; not compiled.

    Raises:
        ValueError: this architecture cannot.
    """
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    base.activation_checkpointing_enable({"use_reentrant": False, "context_fn": partial(_contexts, _exchanged(model))})
    # the reentrant way needs gradients of embeddings, which would be computed for nothing here
    base.disable_input_require_grads()


def layers_of(model: Any) -> list[Any]:
    """The layers that can be computed again, the outermost ones only; none for an architecture that does it another way
    or not at all."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        if isinstance(module, GradientCheckpointingLayer) and not any(name.startswith(f"{outer}.") for outer in found):
            found[name] = module
    return list(found.values())


def recomputes(model: Any) -> bool:
    """Whether layers of `model` are computed again."""
    return any(layer.gradient_checkpointing for layer in layers_of(model))


@contextmanager
def keeping_everything(model: Any) -> Iterator[None]:
    """Inside the block no layer is computed again."""
    layers = [module for module in model.modules() if getattr(module, "gradient_checkpointing", False)]
    for layer in layers:
        layer.gradient_checkpointing = False
    try:
        yield
    finally:
        for layer in layers:
            layer.gradient_checkpointing = True


def _exchanged(model: Any) -> list[tuple[Any, str]]:
    """Owners and names of what `packed_forward` exchanges while rows run, and puts back before the backward pass
    begins."""
    from transformers import PreTrainedModel

    configs = {id(module.config): module.config for module in model.modules() if isinstance(module, PreTrainedModel)}
    return [
        *((config, "_attn_implementation") for config in configs.values()),
        *((module, NAME) for module in rotating_modules(model)),
    ]


def _contexts(exchanged: list[tuple[Any, str]]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around a layer's forward pass, where this is called, and around its recomputation: there everything is again what
    it is now."""
    return nullcontext(), _set([(owner, name, getattr(owner, name)) for owner, name in exchanged])


@contextmanager
def _set(values: list[tuple[Any, str, Any]]) -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in values]
    for owner, name, value in values:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
