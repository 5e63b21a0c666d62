"""The clock of benchmarks that run on a CPU or a GPU."""

import time


def on_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def unit() -> str:
    """What `seconds` counts: `cpu_second` or, on a GPU, `second`."""
    return "second" if on_gpu() else "cpu_second"


def seconds() -> float:
    """Those of this process on the CPU; on a GPU those of the wall, once it has done all that it was given."""
    if not on_gpu():
        return time.process_time()
    import torch

    torch.cuda.synchronize()
    return time.monotonic()
