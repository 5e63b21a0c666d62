"""Products in bfloat16 with weights in float32, for training all weights."""

from collections.abc import Sequence
from typing import Any

import torch

from ft_platform.training.batches import Forward


def in_bfloat16(forward: Forward) -> Forward:
    """The same forward pass under autocast: weights and their updates keep float32, where small ones do not vanish."""

    def run(model: Any, segments: Sequence[Any], prefix: Sequence[int], keep: Sequence[tuple[int, int]]) -> Any:
        with torch.autocast(model.device.type, dtype=torch.bfloat16):
            return forward(model, segments, prefix, keep)

    return run
