"""How busy the GPU is and what it draws while it trains: NVML's figures, through torch (extra `gpu`)."""

import math
import time
from collections import defaultdict
from statistics import fmean

import torch

from ft_platform.errors import MissingExtra

SECONDS = 1.0
"""NVML averages over 1/6 to 1 second (documentation of `torch.cuda.utilization`): asking more often tells nothing
new."""


class GpuMeter:
    """Utilization and power draw of the device that a model is on.

    On a machine whose GPUs differ, set CUDA_DEVICE_ORDER=PCI_BUS_ID: torch and NVML then count them alike.

    Attributes:
        problem: why there are no figures of a GPU, with what helps; empty where there are, and on a CPU.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self.problem = ""
        self._device = device or torch.device("cpu")
        self._seen: dict[str, list[float]] = defaultdict(list)
        self._read_at = -math.inf

    def read(self) -> dict[str, float]:
        """`gpu_utilization_percent` in [0, 100] and `gpu_power_watts`; empty on a CPU, without NVML, and within a
        second of the last reading."""
        if self._device.type != "cuda" or self.problem or time.monotonic() - self._read_at < SECONDS:
            return {}
        try:
            import pynvml
        except ModuleNotFoundError:
            self.problem = str(MissingExtra("nvidia-ml-py, which measures utilization and power of the GPU,", "gpu"))
            return {}
        number = self._device.index or 0
        try:
            found = {
                "gpu_utilization_percent": float(torch.cuda.utilization(number)),
                "gpu_power_watts": torch.cuda.power_draw(number) / 1000,
            }
        except (RuntimeError, pynvml.NVMLError) as error:  # a driver that does not answer, a slice of a GPU (MIG)
            self.problem = f"NVML does not tell utilization and power of this GPU: {type(error).__name__}"
            return {}
        self._read_at = time.monotonic()
        for name, value in found.items():
            self._seen[name].append(value)
        return found

    def means(self) -> dict[str, float]:
        """The same figures, averaged over all readings."""
        return {name: round(fmean(values), 1) for name, values in self._seen.items()}
