"""Weights that are divided between the processes of one training: FSDP2, torch's `fully_shard`.

A layer's weights are put together only while it computes, its gradients are summed over the processes and divided
again, and each process keeps the optimizer's moments of its own part. For models that one device does not hold: each
process reads its own rows of each weight, and what is saved is put together one tensor at a time. Seen with two and
four processes on a CPU (gloo); with GPUs it has not been run.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ft_platform.errors import BaseModelError, ConfigError
from ft_platform.training import processes
from ft_platform.training.lora import trainable


def require_divisible(objective: str | None, quantization: str) -> None:
    """Raises ConfigError for what cannot be divided."""
    if objective == "label_head":
        raise ConfigError(
            ["training.objective: label_head cannot be trained with a `sharded` compute profile"],
            "Name another compute.profile, or set training.objective: sft (training.recipe: auto scores labels)",
        )
    if quantization != "none":
        raise ConfigError(
            ["`sharded` compute profiles divide plain weights only"],
            "Leave out base_model.quantization, or name another compute.profile",
        )


def divide(model: Any, folder: Path, dtype: torch.dtype) -> None:
    """Divides every weight of the model between the processes; one layer at a time is whole.

    Args:
        folder: of the base model; each process reads its own rows of the weights that were not read yet.
        dtype: in which they are read, whatever they are kept in.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    base = model.get_base_model() if hasattr(model, "peft_config") else model
    device = "cuda" if torch.cuda.is_available() else "cpu"
    mesh = init_device_mesh(device, (processes.count(),))
    for layer in base.get_decoder().layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # Sums, not means: the loop divides by the weight of the whole batch. A factor of its own would need a
            # product in the sum, which gloo has not.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    _read_own_rows(base, folder, device, dtype)
    model.to(device)  # FSDP notes its parameters anew


def _read_own_rows(base: Any, folder: Path, device: str, dtype: torch.dtype) -> None:
    from safetensors import safe_open

    from ft_platform.models.unread_weights import places

    for path, those in itertools.groupby(places(base, folder), key=lambda place: place.file):
        with safe_open(path, framework="pt") as file:
            for place in those:
                (module, name), *_ = place.owners
                empty = getattr(module, name)
                rows = own_rows(file, place.tensor, empty, dtype).to(device, empty.dtype)
                weight = torch.nn.Parameter(_joined(rows, empty), requires_grad=empty.requires_grad)
                for module, name in place.owners:
                    setattr(module, name, weight)


def trained_parts(model: Any) -> dict[str, torch.nn.Parameter]:
    """Trained weights by name, divided if the model is: the outermost ones are whole after a forward pass, and taken
    apart here."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
    return trainable(model)


def is_divided(weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether these weights are divided between processes."""
    return any(is_part(weight) for weight in weights.values())


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor; where it is divided, every process must ask for it."""
    return tensor.full_tensor() if is_part(tensor) else tensor  # type: ignore[attr-defined]


def own(tensor: torch.Tensor) -> torch.Tensor:
    """What this process has of a tensor: its rows where it is divided."""
    found: Any = tensor.detach()
    return found.to_local() if is_part(tensor) else found


def whole_of(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """All of a tensor of which each process has kept what is its own; every process must ask for it."""
    return whole(divided_like(rows, like)) if is_part(like) else rows


def own_rows(file: Any, name: str, like: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    """What this process has of a tensor that is divided as `like` is, on the CPU. Nothing else of it is read.

    Args:
        file: of `safetensors.safe_open`.
        dtype: to which it is rounded; None: that of `like`.
    """
    rows = file.get_slice(name)[processes.rows_of(like.shape[0])] if is_part(like) else file.get_tensor(name)
    # Copied out of the mapped file, which may be removed while the tensor lives.
    return torch.empty(rows.shape, dtype=dtype or like.dtype).copy_(rows)


def divided_like(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The tensor of which this process has `rows`, on the device of `like` and divided as it is."""
    return _joined(rows.to(like.device), like) if is_part(like) else rows.to(like.device)


def put_own_parts(model: Any, folder: Path) -> None:
    """Puts the weights of a checkpoint into a divided model that is to be trained further.

    Raises:
        BaseModelError: they do not fit, or are refused (`models/guards`).
    """
    from safetensors import safe_open

    from ft_platform.models.adapter import ALL_WEIGHTS, WEIGHTS
    from ft_platform.models.guards.adapter_files import require_finite_weights, require_safe_adapter
    from ft_platform.models.guards.tensor_files import read_header

    everything = (folder / ALL_WEIGHTS).is_file()
    path = folder / (ALL_WEIGHTS if everything else WEIGHTS)
    weights = {name.replace(".default.", "."): weight for name, weight in trained_parts(model).items()}
    try:
        shapes = read_header(path) if everything else require_safe_adapter(folder)
        if {name: info.shape for name, info in shapes.items()} != {n: tuple(w.shape) for n, w in weights.items()}:
            raise BaseModelError("its tensors are not those that are trained")
        require_finite_weights(path)
    except BaseModelError as error:
        raise BaseModelError(f"checkpoint {folder.name}: {error.message}", "Train from the start") from error
    with safe_open(path, framework="pt") as file:
        for name, weight in weights.items():
            own(weight).copy_(own_rows(file, name, weight))


def is_part(tensor: torch.Tensor) -> bool:
    """Whether a tensor is divided between processes."""
    if processes.count() == 1:
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def _joined(rows: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    from torch.distributed.tensor import DTensor

    divided: Any = like
    return DTensor.from_local(
        rows, divided.device_mesh, divided.placements, run_check=False, shape=like.shape, stride=like.stride()
    )
