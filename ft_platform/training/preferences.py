"""Learning from pairs of answers: DPO (Rafailov et al., arXiv:2305.18290) and ORPO (Hong et al., arXiv:2403.07691)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from ft_platform.models.kernels.answer_loss import answer_log_probabilities
from ft_platform.models.kernels.packed_attention import Segment
from ft_platform.models.kernels.packed_forward import batches_of
from ft_platform.process import progress
from ft_platform.training.batches import Forward, Row


@dataclass(frozen=True)
class Pair:
    """A record with two answers.

    Attributes:
        chosen, rejected: rows whose targets are the answer that people like, and the one they like less.
        reference: log-probability of `chosen` minus that of `rejected` under the base model; 0.0 where no reference is
            used.
    """

    chosen: Row
    rejected: Row
    reference: float = 0.0


class PreferenceLoss:
    """DPO or ORPO, summed over pairs.

    DPO: `-log sigmoid(beta (d - d_base))` with `d` the log-probability of the chosen answer minus that of the rejected
    one. ORPO: negative log-likelihood per token of the chosen answer, and `-beta log sigmoid(log odds chosen - log odds
    rejected)` of the mean token probabilities. Prompt and both answers of a pair stand in one micro-batch.

    Args:
        kind: `dpo` or `orpo`.
        beta: see above.
        forward, prefix: as of `AnswerLoss`.
    """

    metric, spread = "validation_preferred", 0.0

    def __init__(self, kind: Literal["dpo", "orpo"], beta: float, forward: Forward, prefix: list[int]) -> None:
        self.kind, self.beta, self.forward, self.prefix = kind, beta, forward, prefix
        self.shared_tokens = len(prefix)

    def loss(self, model: Any, rows: Sequence[Pair]) -> torch.Tensor:
        return self._losses(self._logs(model, rows), rows).sum()

    def measure(self, model: Any, rows: Sequence[Pair]) -> tuple[float, list[bool]]:
        """Also whether the answer that people like is the more probable one, as `preference_rate` asks."""
        logs = self._logs(model, rows)
        return float(self._losses(logs, rows).sum()), (logs[:, 0] > logs[:, 1]).tolist()

    def metrics(self, measured: Sequence[bool]) -> dict[str, float]:
        return {self.metric: sum(measured) / len(measured)}

    def ask(self, model: Any) -> dict[str, float]:
        return {}

    def _logs(self, model: Any, rows: Sequence[Pair]) -> torch.Tensor:
        """Log-probability of the chosen and of the rejected answer. Shape `(pairs, 2)`."""
        answers = [answer for pair in rows for answer in (pair.chosen, pair.rejected)]
        return summed_log_probabilities(model, self.forward, self.prefix, answers).view(-1, 2)

    def _losses(self, logs: torch.Tensor, rows: Sequence[Pair]) -> torch.Tensor:
        answers = [answer for pair in rows for answer in (pair.chosen, pair.rejected)]
        if self.kind == "dpo":
            reference = torch.tensor([pair.reference for pair in rows], device=logs.device)
            return -torch.nn.functional.logsigmoid(self.beta * (logs[:, 0] - logs[:, 1] - reference))
        lengths = torch.tensor([len(answer.targets) for answer in answers], device=logs.device).view(-1, 2)
        means = logs / lengths
        odds = means - torch.log1p(-torch.exp(means.clamp(max=-1e-6)))
        return -means[:, 0] - self.beta * torch.nn.functional.logsigmoid(odds[:, 0] - odds[:, 1])

    def weight(self, rows: Sequence[Pair]) -> int:
        return len(rows)

    def kept(self, rows: Sequence[Pair]) -> int:
        return sum(len(pair.chosen.targets) + len(pair.rejected.targets) for pair in rows)

    def length(self, row: Pair) -> int:
        return len(row.chosen.ids) + len(row.rejected.ids)


def summed_log_probabilities(model: Any, forward: Forward, prefix: list[int], rows: Sequence[Row]) -> torch.Tensor:
    """Log-probability of all targets of each row. Shape `(rows,)`, float32, with gradients where they are enabled."""
    segments = [Segment(row.ids) for row in rows]
    keep = [(number, place) for number, row in enumerate(rows) for place in row.places]
    targets = torch.tensor([target for row in rows for target in row.targets], device=model.device)
    logs = answer_log_probabilities(model, forward, segments, prefix, keep, targets)
    owners = torch.tensor([number for number, row in enumerate(rows) for _ in row.places], device=model.device)
    return logs.new_zeros(len(rows)).index_add(0, owners, logs)


def with_reference(
    model: Any, forward: Forward, prefix: list[int], pairs: Sequence[Pair], micro_batch_tokens: int
) -> list[Pair]:
    """The pairs with what the model, as it is now, says about them: called before the first step, when it equals the
    base model."""
    model.eval()
    found: list[Pair] = []
    room = max(micro_batch_tokens - len(prefix), 1)
    with torch.no_grad():
        for numbers in batches_of([len(pair.chosen.ids) + len(pair.rejected.ids) for pair in pairs], room):
            rows = [answer for n in numbers for answer in (pairs[n].chosen, pairs[n].rejected)]
            logs = summed_log_probabilities(model, forward, prefix, rows).view(-1, 2)
            found += [
                Pair(pairs[n].chosen, pairs[n].rejected, float(d))
                for n, d in zip(numbers, (logs[:, 0] - logs[:, 1]).tolist(), strict=True)
            ]
            progress.report("adapter_checkpoint", len(found), len(pairs), "pairs seen by the base model")
    return found
