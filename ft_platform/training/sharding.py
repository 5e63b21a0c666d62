"""Weights that are divided between the processes of one training: FSDP2, torch's `fully_shard`.

A layer's weights are put together only while it computes, its gradients are summed over the processes and divided
again, and each process keeps the optimizer's moments of its own part. For models that one device does not hold. Seen
with two processes on a CPU (gloo); with GPUs it has not been run.
"""

from collections.abc import Mapping
from typing import Any

import torch

from ft_platform.errors import ConfigError
from ft_platform.training import processes


def divide(model: Any) -> None:
    """Divides every weight of the model between the processes; one layer at a time is whole.

    Raises:
        ConfigError: the model cannot be divided.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    from ft_platform.models.label_head import head_of

    if head_of(model) is not None:
        raise ConfigError(
            ["training.objective: label_head cannot be trained with a `sharded` compute profile"],
            "Name another compute.profile, or set training.objective: sft (training.recipe: auto scores labels)",
        )
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    if not all(p.is_floating_point() for p in model.parameters()):
        raise ConfigError(
            ["`sharded` compute profiles divide plain weights only"],
            "Leave out base_model.quantization, or name another compute.profile",
        )
    mesh = init_device_mesh(model.device.type, (processes.count(),))
    for layer in base.get_decoder().layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # Sums, not means: the loop divides by the weight of the whole batch. A factor of its own would need a
            # product in the sum, which gloo has not.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def is_divided(weights: Mapping[str, torch.Tensor]) -> bool:
    """Whether these weights are divided between processes."""
    return any(_is_part(weight) for weight in weights.values())


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor; where it is divided, every process must ask for it."""
    return tensor.full_tensor() if _is_part(tensor) else tensor  # type: ignore[attr-defined]


def part_of(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """What of `value`, which every process has, belongs where `like` is. No process waits for another."""
    if not _is_part(like):
        return value.to(like.device)
    from torch.distributed.tensor import distribute_tensor

    divided: Any = like
    return distribute_tensor(value.to(like.device), divided.device_mesh, divided.placements, src_data_rank=None)


def _is_part(tensor: torch.Tensor) -> bool:
    if processes.count() == 1:
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)
