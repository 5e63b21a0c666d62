"""Whether a training fits into the memory that there is."""

from ft_platform.errors import DoesNotFit
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile


def require_memory(needed_gib: float, profile: ComputeProfile, use_case: NamedUseCase, device: str = "cpu") -> None:
    """Refuses a training that needs more memory than its compute profile allows or its machine has.

    Args:
        device: of the training; what a GPU has is not known here, only what the profile says.

    Raises:
        DoesNotFit: with numbers, setting and next step.
    """
    limit = memory_limit(profile, device)
    if limit is None or needed_gib <= limit:
        return
    setting = (
        f"memory_limit_gib of compute profile {use_case.settings.compute.profile!r}"
        if profile.memory_limit_gib
        else "what this machine has"
    )
    training = use_case.settings.training
    smaller = max(64, training.micro_batch_tokens // 2)
    again = "set training.gradient_checkpointing=auto, " if training.gradient_checkpointing == "never" else ""
    raise DoesNotFit(
        f"the training of {use_case.name} was not started: it would need {needed_gib:.2f} GiB of memory, {setting} is"
        f" {limit:.2f} GiB",
        f"Set training.micro_batch_tokens={smaller} (now {training.micro_batch_tokens}), lower training.max_length"
        f" (now {training.max_length}), {again}or choose a larger profile in compute.profile",
    )


def memory_limit(profile: ComputeProfile, device: str = "cpu") -> float | None:
    """GiB that a training may need: what the profile says, else what this machine has, for a training on its CPU; None:
    not known here."""
    here = device == "cpu" and profile.runs_here
    return machine_gib() if profile.memory_limit_gib is None and here else profile.memory_limit_gib


def machine_gib() -> float | None:
    """Memory of this machine or of the container that this process is in, whichever is less; None where the system does
    not tell (not Linux)."""
    found = []
    try:
        with open("/proc/meminfo") as file:
            found.append(int(file.readline().split()[1]) / 2**20)
        with open("/sys/fs/cgroup/memory.max") as file:
            found.append(int(file.read()) / 2**30)
    except (OSError, ValueError):  # no cgroup version 2, or the word `max`
        pass
    return min(found) if found else None
