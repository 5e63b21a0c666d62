"""What training minimizes: a sum over rows, and what that sum is divided by."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from ft_platform.evaluation.label_counts import label_statistics, mean_over_present, precision_recall_f1
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.models.kernels.answer_loss import answer_loss
from ft_platform.models.kernels.packed_attention import Segment
from ft_platform.training.batches import Forward, Row


class Objective(Protocol):
    """A loss over rows of one kind.

    Attributes:
        shared_tokens: tokens that every micro-batch computes once, beside its rows.
        metric: which of `metrics` and `ask` says how good the model is, higher is better; empty: only the loss does.
        spread: standard deviation of a record's loss, in units of the mean: how far that can be luck; 0 where already
            a record's loss is a mean over many tokens.
    """

    shared_tokens: int
    metric: str
    spread: float

    def loss(self, model: Any, rows: Sequence[Any]) -> torch.Tensor:
        """Sum of the losses of `rows`, float32, with gradients where they are enabled."""
        ...

    def measure(self, model: Any, rows: Sequence[Any]) -> tuple[float, list[Any]]:
        """Sum of the losses of `rows` without gradients, and what `metrics` needs of each."""
        ...

    def metrics(self, measured: Sequence[Any]) -> dict[str, float]:
        """How good answers are, from what `measure` found of every validation record; in [0, 1]."""
        ...

    def ask(self, model: Any) -> dict[str, float]:
        """Further metrics, for which the model has to write."""
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

    metric, spread = "", 0.0

    def __init__(self, forward: Forward, prefix: list[int]) -> None:
        self.forward, self.prefix = forward, prefix
        self.shared_tokens = len(prefix)

    def loss(self, model: Any, rows: Sequence[Row]) -> torch.Tensor:
        return summed_loss(model, self.forward, self.prefix, rows)

    def measure(self, model: Any, rows: Sequence[Row]) -> tuple[float, list[Any]]:
        return float(self.loss(model, rows)), []

    def metrics(self, measured: Sequence[Any]) -> dict[str, float]:
        return {}

    def ask(self, model: Any) -> dict[str, float]:
        return {}

    def weight(self, rows: Sequence[Row]) -> float:
        return sum(len(row.targets) * row.weight for row in rows)

    def kept(self, rows: Sequence[Row]) -> int:
        return sum(len(row.targets) for row in rows)

    def length(self, row: Row) -> int:
        return len(row.ids)


class LabelLoss(AnswerLoss):
    """Cross entropy of a label head on the last token of each prompt.

    Args:
        forward, prefix: as of `AnswerLoss`.
        smoothing: share of the target that is spread over all labels (Szegedy et al., arXiv:1512.00567).
    """

    metric, spread = "validation_macro_f1", 1.0

    def __init__(self, forward: Forward, prefix: list[int], smoothing: float = 0.0) -> None:
        super().__init__(forward, prefix)
        self.smoothing = smoothing

    def loss(self, model: Any, rows: Sequence[Row]) -> torch.Tensor:
        if not self.smoothing:
            return super().loss(model, rows)
        return self._losses(self.scores(model, rows), rows)

    def _losses(self, scores: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
        truth = torch.tensor([row.targets[0] for row in rows], device=scores.device)
        weights = torch.tensor([row.weight for row in rows], device=scores.device)
        losses = torch.nn.functional.cross_entropy(scores, truth, reduction="none", label_smoothing=self.smoothing)
        return (losses * weights).sum()

    def measure(self, model: Any, rows: Sequence[Row]) -> tuple[float, list[tuple[int, int]]]:
        """Also the number of the label, and of the likeliest one, of each row."""
        scores = self.scores(model, rows)
        truth = [row.targets[0] for row in rows]
        return float(self._losses(scores, rows)), list(zip(truth, scores.argmax(1).tolist(), strict=True))

    def metrics(self, measured: Sequence[tuple[int, int]]) -> dict[str, float]:
        names = [str(number) for number in range(1 + max(map(max, measured)))]
        outputs = LabelOutputs(names, [names[truth] for truth, _ in measured], [names[said] for _, said in measured])
        precision, recall, f1, support = precision_recall_f1(label_statistics(outputs).sum(axis=0))
        return {
            f"validation_macro_{name}": float(mean_over_present(of_labels, support))
            for name, of_labels in (("precision", precision), ("recall", recall), ("f1", f1))
        }

    def scores(self, model: Any, rows: Sequence[Row]) -> torch.Tensor:
        """What the head says of each row. Shape `(rows, labels)`, float32."""
        keep = [(number, row.places[0]) for number, row in enumerate(rows)]
        return self.forward(model, [Segment(row.ids) for row in rows], self.prefix, keep).float()


def summed_loss(model: Any, forward: Forward, prefix: list[int], rows: Sequence[Row]) -> torch.Tensor:
    """Sum of the cross entropies of all supervised tokens, each times the weight of its row, float32."""
    segments = [Segment(row.ids) for row in rows]
    keep = [(number, place) for number, row in enumerate(rows) for place in row.places]
    targets = torch.tensor([target for row in rows for target in row.targets], device=model.device)
    weights = None
    if any(row.weight != 1.0 for row in rows):
        weights = torch.tensor([row.weight for row in rows for _ in row.targets], device=model.device)
    return answer_loss(model, forward, segments, prefix, keep, targets, weights)
