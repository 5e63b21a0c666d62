"""CPU threads of a program."""

from ft_platform.errors import MissingExtra
from ft_platform.process.cores import threads


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
