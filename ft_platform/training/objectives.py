"""What training minimizes: a sum over rows, and what that sum is divided by."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from ft_platform.models.kernels.answer_loss import answer_loss
from ft_platform.models.kernels.packed_attention import Segment
from ft_platform.training.batches import Forward, Row


class Objective(Protocol):
    """A loss over rows of one kind.

    Attributes:
        shared_tokens: tokens that every micro-batch computes once, beside its rows.
    """

    shared_tokens: int

    def loss(self, model: Any, rows: Sequence[Any]) -> torch.Tensor:
        """Sum of the losses of `rows`, float32, with gradients where they are enabled."""
        ...

    def weight(self, rows: Sequence[Any]) -> float:
        """What the sum over `rows` is divided by: supervised tokens, pairs or records, each as often as its row
        counts."""
        ...

    def kept(self, rows: Sequence[Any]) -> int:
        """Tokens of `rows` whose logits are computed."""
        ...

    def length(self, row: Any) -> int:
        """Tokens of `row` in memory, beside the shared ones."""
        ...


class AnswerLoss:
    """Cross entropy of the answer tokens: supervised fine-tuning.

    Args:
        forward: `packed_forward` or `padded_forward`.
        prefix: token ids all rows start with.
    """

    def __init__(self, forward: Forward, prefix: list[int]) -> None:
        self.forward, self.prefix = forward, prefix
        self.shared_tokens = len(prefix)

    def loss(self, model: Any, rows: Sequence[Row]) -> torch.Tensor:
        return summed_loss(model, self.forward, self.prefix, rows)

    def weight(self, rows: Sequence[Row]) -> float:
        return sum(len(row.targets) * row.weight for row in rows)

    def kept(self, rows: Sequence[Row]) -> int:
        return sum(len(row.targets) for row in rows)

    def length(self, row: Row) -> int:
        return len(row.ids)


def summed_loss(model: Any, forward: Forward, prefix: list[int], rows: Sequence[Row]) -> torch.Tensor:
    """Sum of the cross entropies of all supervised tokens, each times the weight of its row, float32."""
    segments = [Segment(row.ids) for row in rows]
    keep = [(number, place) for number, row in enumerate(rows) for place in row.places]
    targets = torch.tensor([target for row in rows for target in row.targets], device=model.device)
    weights = None
    if any(row.weight != 1.0 for row in rows):
        weights = torch.tensor([row.weight for row in rows for _ in row.targets], device=model.device)
    return answer_loss(model, forward, segments, prefix, keep, targets, weights)
