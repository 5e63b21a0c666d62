"""What a system gave for every test record: the input of every metric."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ft_platform.use_case.settings.answer_style import Style


@dataclass(frozen=True)
class LabelOutputs:
    """Answers of a system on a classification test split.

    Attributes:
        labels: every label of the use case, sorted.
        truth, predicted: one label per test record.
        confidence: probability of the predicted label among all labels, shape `(rows,)`; None where a system has none.
    """

    labels: list[str]
    truth: list[str]
    predicted: list[str]
    confidence: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions in `labels` of truth and prediction. Shapes `(rows,)`."""
        position = {label: i for i, label in enumerate(self.labels)}
        return np.array([position[t] for t in self.truth], int), np.array([position[p] for p in self.predicted], int)


@dataclass(frozen=True)
class TextOutputs:
    """Answers of a system on a generation test split.

    Attributes:
        references, answers: reference and generated answer per test record.
        loss_sums: summed negative log-probability of the reference's tokens, in nats. Shape `(rows,)`.
        schema: JSON Schema of answers in JSON (`use_case.settings.answer_fields`); None where answers are texts.
        rejected_loss_sums: `loss_sums` of the answers that people like less; NaN where a record has none, empty where
            nobody asked. Shape `(rows,)`.
        similarities: of answer and reference in [-1, 1]; empty where no `evaluation.similarity_model` is named. Shape
            `(rows,)`.
        style: `task.style`, which the answers are to keep.
        tokens: number of those tokens. Shape `(rows,)`. Both are empty for a system that tells no probabilities.
    """

    references: list[str]
    answers: list[str]
    loss_sums: np.ndarray = field(default_factory=lambda: np.empty(0))
    tokens: np.ndarray = field(default_factory=lambda: np.empty(0))
    schema: dict[str, Any] | None = None
    rejected_loss_sums: np.ndarray = field(default_factory=lambda: np.empty(0))
    similarities: np.ndarray = field(default_factory=lambda: np.empty(0))
    style: Style = field(default_factory=Style)

    def __len__(self) -> int:
        return len(self.references)

    @property
    def pairs(self) -> np.ndarray:
        """Places of the records with a second answer that is liked less. Shape `(pairs,)`."""
        return np.flatnonzero(~np.isnan(self.rejected_loss_sums))

    @property
    def has_losses(self) -> bool:
        """Whether the system tells how probable the references are; one behind an endpoint does not."""
        return len(self.tokens) == len(self.references)


Outputs = LabelOutputs | TextOutputs
