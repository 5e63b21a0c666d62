"""The weights that are trained: a fresh LoRA adapter on frozen weights, or all weights of the model."""

import math
from typing import Any

import torch

from ft_platform.errors import ConfigError
from ft_platform.models.kernels.fused_lora import fuse
from ft_platform.models.label_head import add_label_head
from ft_platform.models.text_classifier import TextClassifier
from ft_platform.models.unread_weights import seeming_read
from ft_platform.use_case.settings.training import Training


def with_trainable_weights(
    model: Any, training: Training, labels: int = 0, head_start: torch.Tensor | None = None, fused: bool = True
) -> Any:
    """The model whose trainable weights are what `training.method` says, in float32, seeded.

    Args:
        model: base model; it is changed.
        labels: how many a head for `training.objective: label_head` scores.
        head_start: weights that the head starts with, `(labels, width)`. None: they start at random.
        fused: as for `add_adapter`.

    Raises:
        ConfigError: `training.target_modules` names no module of this model.
    """
    if training.objective == "label_head":
        torch.manual_seed(training.seed)
        head = add_label_head(model, labels, head_start)
        with torch.no_grad():
            head.weight.mul_(training.label_head_scale)
        adapted = add_adapter(model, training, fused)
        head.requires_grad_(True)
        return adapted
    if training.method == "lora":
        return add_adapter(model, training, fused)
    torch.manual_seed(training.seed)
    return model.float().requires_grad_(True).train()


def add_adapter(model: Any, training: Training, fused: bool = True) -> Any:
    """The model with trainable adapters in float32 on frozen weights, seeded.

    Args:
        model: base model; it is changed.
        training: rank, alpha, rslora, dora, dropout, target modules and seed.
        fused: let layers sum before they round (`models.kernels.fused_lora`), which holds every weight whole.

    Raises:
        ConfigError: `training.target_modules` names no module of this model.
    """
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(training.seed)
    target = training.target_modules
    config = LoraConfig(
        r=training.rank,
        lora_alpha=training.alpha,
        lora_dropout=training.dropout,
        use_rslora=training.rslora,
        use_dora=training.dora,
        target_modules=target,
        task_type="CAUSAL_LM",
    )
    try:
        with seeming_read(model):
            adapted = get_peft_model(model, config, autocast_adapter_dtype=True)
    except ValueError as error:
        raise ConfigError(
            [f"training.target_modules {target!r} does not fit the base model: {error}"],
            "Use all-linear, or names as in the model, e.g. [q_proj, v_proj]",
        ) from None
    if fused:
        fuse(adapted)
    return adapted.train()


def trainable(model: Any) -> dict[str, torch.nn.Parameter]:
    """Trained weights by name; those of a `TextClassifier` are none of torch."""
    if isinstance(model, TextClassifier):
        return {}
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def learning_rate_factor(step: int, steps: int, training: Training) -> float:
    """Share in (0, 1] of the peak learning rate at optimizer step `step` in [0, steps)."""
    warmup = round(training.warmup_fraction * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(steps - warmup, 1)
    if training.schedule == "linear":
        return 1.0 - done
    if training.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    return 1.0
