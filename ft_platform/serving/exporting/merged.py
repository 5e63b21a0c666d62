"""A checkpoint as one folder of safetensors weights, the adapter added to the weights of the base model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ft_platform.errors import BaseModelError, ExportRefused
from ft_platform.models import base_model
from ft_platform.models.adapter import ALL_WEIGHTS, WEIGHTS, with_adapter
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.guards.adapter_files import (
    require_finite_weights,
    require_fitting_adapter,
    require_safe_adapter,
)
from ft_platform.models.guards.tensor_files import read_header

DTYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
"""Name in torch -> in safetensors."""


def merged_model(resolved: ResolvedModel, checkpoint: Path, dtype: str, quantization: str) -> tuple[Any, Any]:
    """The base model with the change of the adapter in its weights, float32, and its tokenizer. A label head stands in
    place of its output layer.

    Args:
        dtype: in which the checkpoint was trained and evaluated: its base weights are rounded to that first.
        quantization: of `base_model` of the use case.

    Raises:
        ExportRefused: the base model was in 4 bits.
        BaseModelError: adapter and base model do not fit.
    """
    if quantization != "none":
        raise ExportRefused(
            f"the adapter was trained on a base model in {quantization}, whose weights it corrects: merged into others"
            " it is another model",
            "Use --as adapter, or train with base_model.quantization: none",
        )
    model, tokenizer = base_model.load(resolved, dtype)
    model = model.float()
    if (checkpoint / ALL_WEIGHTS).is_file():
        return with_adapter(model, checkpoint), tokenizer
    from peft import PeftModel

    from ft_platform.models.label_head import with_label_head

    require_fitting_adapter(model, require_safe_adapter(checkpoint))
    require_finite_weights(checkpoint / WEIGHTS)
    adapted: Any = PeftModel.from_pretrained(with_label_head(model, checkpoint), checkpoint, is_trainable=False)
    return adapted.merge_and_unload(safe_merge=True), tokenizer


def write_merged(folder: Path, model: Any, dtype: str, end_of_turn: int) -> None:
    """Writes the weights in `dtype`, and the settings that tell where an answer ends.

    Args:
        end_of_turn: id of the token at which writing stops.
    """
    import torch

    model.generation_config.eos_token_id = end_of_turn
    model.generation_config.pad_token_id = end_of_turn
    model.config.eos_token_id = end_of_turn
    model.to(getattr(torch, dtype)).save_pretrained(folder, safe_serialization=True)


def rounded(dtype: str) -> Callable[[str, Any], Any]:
    """What is left of a tensor that is stored in `dtype`."""
    import torch

    return lambda name, tensor: tensor.to(getattr(torch, dtype)).float()


def require_dtype(folder: Path, dtype: str, end_of_turn: int) -> None:
    """That the files hold weights of this precision, and stop where the renderer ends an answer.

    Raises:
        ExportRefused: they do not.
        BaseModelError: a file is damaged.
    """
    files = sorted(folder.glob("*.safetensors"))
    found = {info.dtype for file in files for info in read_header(file).values()}
    said = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("dtype")
    if found != {DTYPES[dtype]} or said != dtype:
        raise ExportRefused(f"the weights are {sorted(found)} (config.json says {said}), expected {dtype}")
    stops = json.loads((folder / "generation_config.json").read_text(encoding="utf-8")).get("eos_token_id")
    if stops != end_of_turn:
        raise ExportRefused(f"answers would end at token {stops}, expected {end_of_turn}")


def exported_model(folder: Path) -> Any:
    """The model as it is on disk, through the same inspection as any base model, float32.

    Raises:
        BaseModelError: a file is damaged or cannot be loaded.
    """
    try:
        model, _ = base_model.load(ResolvedModel(folder, "", "the exported model"), "float32")
    except BaseModelError as error:
        raise ExportRefused(error.message, "Export it again") from error
    return model
