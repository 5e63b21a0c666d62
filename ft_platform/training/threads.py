"""CPU threads of a program."""

import os

from ft_platform.errors import MissingExtra


def threads() -> int:
    """CPU threads of this program: `FT_THREADS`; without it, or where it is no number, all cores it may use."""
    named = os.environ.get("FT_THREADS", "")
    return (int(named) if named.isdecimal() and len(named) < 5 else 0) or len(os.sched_getaffinity(0))


def pin_threads() -> None:
    """Fixes torch's threads: their number changes results in the last bits.

    Raises:
        MissingExtra: this machine was not installed as a worker.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtra("torch", "train") from error

    torch.set_num_threads(threads())
