"""The last look before the first optimizer step: does this training fit into memory, if need be with layers that are
computed again?"""

import resource
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ft_platform.costs.memory_needs import memory_limit, require_memory
from ft_platform.errors import DoesNotFit
from ft_platform.training.memory import memory_errors, peak_gib
from ft_platform.training.prepared import Prepared
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.training import Training

if TYPE_CHECKING:
    from ft_platform.training.memory_parts import MemoryParts


def require_fit(prepared: Prepared, training: Training, profile: ComputeProfile, use_case: NamedUseCase) -> None:
    """Refuses a training whose heaviest micro-batch would need more memory than there is. Takes one forward pass.

    Raises:
        DoesNotFit: with numbers, setting and next step.
        OutOfMemory: already in that pass.
    """
    from ft_platform.training.plan import heaviest_micro_batch, plan_of, tokens_of

    parts, device = fitting_parts(prepared, training, profile), prepared.model.device.type
    needed, known = _needed_gib(prepared, parts), _known(profile, prepared)
    limit = memory_limit(known, device)
    if limit is not None and needed > limit:
        heaviest = heaviest_micro_batch(prepared, training, plan_of(prepared, training))
        if len(heaviest) == 1:
            raise _one_record_is_too_long(
                tokens_of(heaviest, prepared.objective), parts, needed, limit, training, use_case
            )
    require_memory(needed, known, use_case, device)


def _one_record_is_too_long(
    tokens: int, parts: "MemoryParts", needed: float, limit: float, training: Training, use_case: NamedUseCase
) -> DoesNotFit:
    """Smaller micro-batches are no help then, and neither are more devices."""
    of_tokens = parts.activations / 2**30  # the answer, of which the logits are, is never shortened
    # What grows with the square of the length shrinks faster than this; what does not grow with it is the twentieth.
    fits = int(0.95 * min(tokens, training.max_length) * (1 - (needed - limit) / of_tokens))
    again = "Set training.gradient_checkpointing=auto. " if training.gradient_checkpointing == "never" else ""
    shorter = (
        f"Set training.max_length={fits} (now {training.max_length}), or choose"
        if fits >= 32  # the least that the setting allows
        else "No length would fit: choose"
    )
    return DoesNotFit(
        f"the training of {use_case.name} was not started: it would need {needed:.2f} GiB of memory, of which a single"
        f" record of {tokens:,} tokens takes {of_tokens:.2f} GiB, and there are {limit:.2f} GiB; a record is not"
        " divided between devices, and a smaller training.micro_batch_tokens does not help",
        f"{again}{shorter} a profile with more memory in compute.profile",
    )


def fitting_parts(prepared: Prepared, training: Training, profile: ComputeProfile) -> "MemoryParts":
    """What the training keeps in memory; with `training.gradient_checkpointing: auto` layers are computed again from
    here on, if it would not fit otherwise.

    Raises:
        OutOfMemory: already in the forward pass that counts.
    """
    import torch

    from ft_platform.training.memory_parts import memory_parts
    from ft_platform.training.plan import heaviest_micro_batch, plan_of

    # Dropout draws random numbers; the training itself must draw the same ones with this check and without it.
    with torch.random.fork_rng(), memory_errors(training):
        parts = memory_parts(
            prepared.model, prepared.objective, heaviest_micro_batch(prepared, training, plan_of(prepared, training))
        )
        if training.differential_privacy.on:
            parts = replace(parts, gradients=2 * parts.gradients)  # of one record, and the sum
        limit = memory_limit(_known(profile, prepared), prepared.model.device.type)
        if (
            training.gradient_checkpointing != "auto"
            or limit is None
            or _needed_gib(prepared, parts) <= limit
            or not _may_recompute(prepared, parts)
        ):
            return parts
        prepared.recompute_layers()
        return parts.with_layers_computed_again()


def _may_recompute(prepared: Prepared, parts: "MemoryParts") -> bool:
    """Whether it is possible and of use. `torch.compile` does not go with it."""
    return parts.spared > 0 and "compiled" not in prepared.batching


def _needed_gib(prepared: Prepared, parts: "MemoryParts") -> float:
    return (_in_use(prepared.model.device) + parts.to_come) / 2**30


def _known(profile: ComputeProfile, prepared: Prepared) -> ComputeProfile:
    """The profile; where it does not name a limit, with that of the GPU that the model is on."""
    import torch

    if prepared.model.device.type != "cuda" or profile.memory_limit_gib is not None:
        return profile
    total = torch.cuda.get_device_properties(prepared.model.device).total_memory
    return profile.model_copy(update={"memory_limit_gib": total / 2**30})


def _in_use(device: Any) -> int:
    """Bytes in use now: of the GPU if the model is on one, of this process otherwise."""
    import torch

    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    if sys.platform != "linux":
        return int(peak_gib() * 2**30)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
