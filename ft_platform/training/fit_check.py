"""The last look before the first optimizer step: does this training fit into memory?"""

import resource
import sys
from typing import Any

from ft_platform.costs.admission import require_memory
from ft_platform.environment import ComputeProfile
from ft_platform.training.memory import memory_errors, peak_gib
from ft_platform.training.prepare import Prepared
from ft_platform.use_case import NamedUseCase, Training


def require_fit(prepared: Prepared, training: Training, profile: ComputeProfile, use_case: NamedUseCase) -> None:
    """Refuses a training whose heaviest micro-batch would need more memory than there is. Takes one forward pass.

    Raises:
        DoesNotFit: with numbers, setting and next step.
        OutOfMemory: already in that pass.
    """
    import torch

    from ft_platform.training.memory_parts import memory_parts
    from ft_platform.training.plan import heaviest_micro_batch, plan_of

    # Dropout draws random numbers; the training itself must draw the same ones with this check and without it.
    with torch.random.fork_rng(), memory_errors(training.micro_batch_tokens, training.max_length):
        parts = memory_parts(prepared.model, prepared.objective, heaviest_micro_batch(prepared, training, plan_of(prepared, training)))
    needed = _in_use(prepared.model.device) + parts.to_come
    if prepared.model.device.type == "cuda" and profile.memory_limit_gib is None:
        total = torch.cuda.get_device_properties(prepared.model.device).total_memory
        profile = profile.model_copy(update={"memory_limit_gib": total / 2**30})
    require_memory(needed / 2**30, profile, use_case, prepared.model.device.type)


def _in_use(device: Any) -> int:
    """Bytes in use now: of the GPU if the model is on one, of this process otherwise."""
    import torch

    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    if sys.platform != "linux":
        return int(peak_gib() * 2**30)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
