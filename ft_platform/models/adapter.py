"""A fine-tuned adapter on its base model, computed exactly as in training."""

from pathlib import Path
from typing import Any

from ft_platform.errors import BaseModelError
from ft_platform.models.safety.adapter_files import WEIGHTS, require_finite_weights, require_fitting_adapter, require_safe_adapter

__all__ = ["WEIGHTS", "with_adapter"]


def with_adapter(model: Any, folder: Path) -> Any:
    """The base model with the adapter of a checkpoint, ready for evaluation.

    Args:
        model: base model of `base_model.load`; it is changed.
        folder: checkpoint (`Lake.local_copy`).

    Raises:
        BaseModelError: the folder holds no safetensors adapter, one for another base model, or one that is refused (`models/safety`).
    """
    from peft import PeftModel

    from ft_platform.models.fused_lora import fuse

    try:
        require_fitting_adapter(model, require_safe_adapter(folder))
        require_finite_weights(folder / WEIGHTS)
    except BaseModelError as error:
        raise BaseModelError(f"checkpoint {folder.name}: {error.message}", error.next_step) from error
    try:
        adapted = PeftModel.from_pretrained(model, folder, is_trainable=False)
    except (RuntimeError, ValueError, KeyError) as error:
        raise BaseModelError(
            f"the adapter of checkpoint {folder.name} does not fit the base model: {type(error).__name__}", "Use the base model it was trained on"
        ) from error
    fuse(adapted)
    return adapted.eval()
