"""Out of memory: how much is in use, and one typed error for the ways torch says there is no more."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from ft_platform.errors import OutOfMemory
from ft_platform.use_case.settings.training import Training

SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")


def peak_gib() -> float:
    """Most memory used so far in GiB: of the GPU if there is one, of this process otherwise."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@contextmanager
def memory_errors(training: Training) -> Iterator[None]:
    """Turns the memory errors of torch and Python inside the block into `OutOfMemory`, with the setting to lower."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(sign in str(error).lower() for sign in SIGNS):
            raise
        now = training.micro_batch_tokens
        again = "" if training.gradient_checkpointing == "always" else ", set training.gradient_checkpointing=always"
        alone = "each record goes" if training.differential_privacy.on else "long records go"
        if training.differential_privacy.on or now <= training.max_length:
            raise OutOfMemory(
                f"training ran out of memory although {alone} through the model alone; {peak_gib():.1f} GiB were in"
                " use",
                f"Lower training.max_length (now {training.max_length}){again}",
                f"training.max_length={max(32, training.max_length // 2)}",
            ) from None
        raise OutOfMemory(
            f"training ran out of memory with training.micro_batch_tokens={now}; {peak_gib():.1f} GiB were in use",
            f"Set training.micro_batch_tokens={max(64, now // 2)}{again}, or lower training.max_length (now"
            f" {training.max_length})",
            f"training.micro_batch_tokens={max(64, now // 2)}",
        ) from None
