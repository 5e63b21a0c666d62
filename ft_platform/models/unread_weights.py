"""A model whose weights have shapes and no numbers yet (torch's `meta` device), and where each of them lies in the
safetensors files of its folder. What reads them takes as much of each as it needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ft_platform.models.guards.tensor_files import read_header


@dataclass(frozen=True)
class Place:
    """A tensor of a file.

    Attributes:
        owners: modules that hold it, each with its name there; several where weights are tied.
    """

    file: Path
    tensor: str
    owners: list[tuple[torch.nn.Module, str]]


def unread(config: Any, dtype: Any, attention: str) -> Any:
    """The model of a configuration: weights without numbers, buffers (such as those of rotary embeddings, which no file
    holds) on the CPU."""
    from accelerate import init_empty_weights
    from transformers import AutoModelForCausalLM

    with init_empty_weights():
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
    model.tie_weights()  # what was tied inside was taken apart: each assigned weight is made anew there
    return model


def is_unread(model: Any) -> bool:
    """Whether there are weights without numbers."""
    return any(p.is_meta for p in model.parameters())


def obstacle(model: Any, folder: Path) -> str:
    """Why the weights of this model cannot be read one by one; empty if they can."""
    if model._keep_in_fp32_modules_strict or (model.dtype == torch.float16 and model._keep_in_fp32_modules):
        return "some of its weights stay in float32"
    persistent = model.state_dict().keys() - dict(model.named_parameters(remove_duplicate=False)).keys()
    if persistent:
        return f"{min(persistent)} is no weight"
    shapes = {name: info.shape for path in folder.glob("*.safetensors") for name, info in read_header(path).items()}
    for names, weight in _weights(model):
        found = next((name for name in _aliases(model, names) if name in shapes), None)
        if found is None or shapes[found] != tuple(weight.shape):
            return f"its files hold no {names[0]} of this shape"
    return ""


def places(model: Any, folder: Path) -> Iterator[Place]:
    """Where each weight lies, file by file.

    Args:
        model: of `unread`, without an `obstacle`; adapters may have been added since.
    """
    files = {name: path for path in sorted(folder.glob("*.safetensors")) for name in read_header(path)}
    found = []
    for names, weight in _weights(model):
        if weight.is_meta:
            tensor = next(name for name in _aliases(model, names) if name in files)
            modules = [name.rpartition(".") for name in names]
            owners = [(model.get_submodule(module), attribute) for module, _, attribute in modules]
            found.append(Place(files[tensor], tensor, owners))
    yield from sorted(found, key=lambda place: place.file.name)


@contextmanager
def seeming_read(model: Any) -> Iterator[None]:
    """Inside the block weights without numbers look as if they were on the CPU, and take no memory: peft puts an
    adapter where its layer's weight is. Afterwards they are as before, and frozen."""
    unread_weights = [
        (module, name, weight)
        for module in model.modules()
        for name, weight in module._parameters.items()
        if weight is not None and weight.is_meta
    ]
    for module, name, weight in unread_weights:
        seeming = torch.empty(1, dtype=weight.dtype).expand(weight.shape)
        module._parameters[name] = torch.nn.Parameter(seeming, requires_grad=False)
    try:
        yield
    finally:
        for module, name, weight in unread_weights:
            module._parameters[name] = weight.requires_grad_(False)


def _weights(model: Any) -> list[tuple[list[str], torch.Tensor]]:
    """Each weight once, with all its names."""
    found: dict[int, tuple[list[str], torch.Tensor]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        found.setdefault(id(weight), ([], weight))[0].append(name)
    return list(found.values())


def _aliases(model: Any, names: list[str]) -> Iterator[str]:
    """How the files may call a weight: without the part that peft adds, with or without the name of the base."""
    for name in (name.replace(".base_layer.", ".") for name in names):
        yield from (name, name.removeprefix(f"{model.base_model_prefix}."))
