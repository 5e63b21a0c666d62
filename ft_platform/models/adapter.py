"""A fine-tuned adapter on its base model, computed exactly as in training."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ft_platform.errors import BaseModelError
from ft_platform.models.guards.adapter_files import (
    WEIGHTS,
    require_finite_weights,
    require_fitting_adapter,
    require_safe_adapter,
)
from ft_platform.models.guards.own_files import TERMS
from ft_platform.models.guards.tensor_files import read_header
from ft_platform.models.text_classifier import TextClassifier

__all__ = ["ALL_WEIGHTS", "WEIGHTS", "put_weights", "weights_file", "with_adapter"]

ALL_WEIGHTS = "model.safetensors"
"""Where `training.method: full` keeps the weights."""


def weights_file(files: Collection[str]) -> str:
    """The file with the trained weights among those of a checkpoint."""
    return WEIGHTS if WEIGHTS in files else ALL_WEIGHTS


def with_adapter(model: Any, folder: Path) -> Any:
    """The base model with the adapter of a checkpoint, or with all its weights where all were trained, ready for
    evaluation; the `TextClassifier` of one that needs no base model.

    Args:
        model: base model of `base_model.load`; it is changed.
        folder: checkpoint (`Lake.local_copy`).

    Raises:
        BaseModelError: the folder holds no safetensors adapter, one for another base model, or one that is refused
            (`models/guards`).
    """
    if (folder / TERMS).is_file():
        return TextClassifier.load(folder)
    if (folder / ALL_WEIGHTS).is_file():
        return _with_all_weights(model, folder)
    from peft import PeftModel

    from ft_platform.models.kernels.fused_lora import fuse
    from ft_platform.models.label_head import with_label_head

    try:
        require_fitting_adapter(model, require_safe_adapter(folder))
        require_finite_weights(folder / WEIGHTS)
    except BaseModelError as error:
        raise BaseModelError(f"checkpoint {folder.name}: {error.message}", error.next_step) from error
    try:
        adapted = PeftModel.from_pretrained(with_label_head(model, folder), folder, is_trainable=False)
    except (RuntimeError, ValueError, KeyError) as error:
        raise BaseModelError(
            f"the adapter of checkpoint {folder.name} does not fit the base model: {type(error).__name__}",
            "Use the base model it was trained on",
        ) from error
    fuse(adapted)
    return adapted.eval()


def put_weights(model: Any, folder: Path) -> None:
    """Puts the weights of a checkpoint into a model that is to be trained further.

    Args:
        model: of `training.lora.with_trainable_weights`, of the same shape.
        folder: checkpoint (`Lake.local_copy`).

    Raises:
        BaseModelError: they do not fit, or are refused (`models/guards`).
    """
    if (folder / ALL_WEIGHTS).is_file():
        _with_all_weights(model, folder)
        return
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    from ft_platform.models.label_head import put_head

    try:
        require_safe_adapter(folder)
        require_finite_weights(folder / WEIGHTS)
        weights = load_file(folder / WEIGHTS)
        found = set_peft_model_state_dict(model, weights)
        adapters = sum(name.rpartition(".lora_")[1] != "" for name, p in model.named_parameters() if p.requires_grad)
        if found.unexpected_keys or len(weights) != adapters:
            raise BaseModelError(f"its {len(weights)} tensors are not the {adapters} that are trained")
        put_head(model, folder)
    except (BaseModelError, RuntimeError) as error:
        told = error.message if isinstance(error, BaseModelError) else "its weights have other shapes"
        raise BaseModelError(f"checkpoint {folder.name}: {told}", "Train from the start") from error


def _with_all_weights(model: Any, folder: Path) -> Any:
    """The model with the weights of a checkpoint in place of its own, in its own precision."""
    from safetensors.torch import load_file

    try:
        read_header(folder / ALL_WEIGHTS)
        require_finite_weights(folder / ALL_WEIGHTS)
        missing, unexpected = model.load_state_dict(load_file(folder / ALL_WEIGHTS), strict=False)
    except BaseModelError as error:
        raise BaseModelError(f"checkpoint {folder.name}: {error.message}", error.next_step) from error
    except RuntimeError as error:
        raise BaseModelError(
            f"the weights of checkpoint {folder.name} do not fit the base model", "Use the base model it was trained on"
        ) from error
    tied = set(getattr(model, "all_tied_weights_keys", None) or getattr(model, "_tied_weights_keys", None) or ())
    if unexpected or set(missing) - tied:
        raise BaseModelError(
            f"the weights of checkpoint {folder.name} are not those of the base model",
            "Use the base model it was trained on",
        )
    return model.eval()
