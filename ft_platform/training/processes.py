"""Several processes that train one model together: each computes a share of every batch, gradients are summed.

Started by `torchrun` (compute profile with `processes`); in a process of its own every function here is the trivial
one. The sum over all processes is divided once by the weight of the whole batch, so the result is that of one process
up to rounding."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

Row = TypeVar("Row")
PATIENCE = timedelta(minutes=30)
"""How long one process waits for the others in a step."""


@contextmanager
def process_group() -> Iterator[None]:
    """Joins the processes that torchrun started, if it started this one: NCCL between GPUs, gloo otherwise."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def count() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def number() -> int:
    """Of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this process is the one that reports, saves and publishes."""
    return number() == 0


def draw_apart(seed: int) -> None:
    """Lets dropout of every process draw other numbers; the weights were made with the same ones."""
    if count() > 1:
        torch.manual_seed(seed + 1_000_003 * number())


def own_share(rows: Sequence[Row]) -> Sequence[Row]:
    """The rows of this process; every row belongs to exactly one."""
    return share_of(rows, number())


def share_of(rows: Sequence[Row], process: int) -> Sequence[Row]:
    """The rows of a process, by its number."""
    return rows[process :: count()]


def rows_of(length: int) -> slice:
    """Which of so many rows of a tensor this process has where it is divided: as `torch.chunk` does, so the last ones
    may have fewer or none."""
    most = -(-length // count())
    first = min(number() * most, length)
    return slice(first, min(first + most, length))


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replaces every gradient by the sum over all processes; one without rows counts as zeros."""
    if count() == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)


def summed(*values: float) -> tuple[float, ...]:
    """Each value summed over all processes."""
    if count() == 1:
        return values
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    together = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(together)
    return tuple(together.tolist())


def gathered(value: Any) -> list[Any]:
    """The values of all processes, in the order of their numbers."""
    if count() == 1:
        return [value]
    found: list[Any] = [None] * count()
    dist.all_gather_object(found, value)
    return found


def wait_for_all() -> None:
    if count() > 1:
        dist.barrier()
