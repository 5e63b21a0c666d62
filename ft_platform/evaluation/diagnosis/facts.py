"""What a diagnosis rests on: figures of the evaluation, the course of the training, and what is known of records."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ft_platform.evaluation.diagnosis.wrong_labels import LabelOpinion

METRICS = {
    "validation_macro_f1": "macro-F1",
    "validation_preferred": "the share of pairs in the right order",
}
"""Of all validation records. chrF and field F1 are of a few of them only, so that their error is not known here."""


@dataclass(frozen=True)
class Finding:
    """One thing that holds the model back.

    Attributes:
        case: name of the rule.
        text: what was found, with figures.
        remedy: what helps.
        command: what to type.
    """

    case: str
    text: str
    remedy: str
    command: str

    def to_dict(self) -> dict[str, str]:
        return {"case": self.case, "text": self.text, "remedy": self.remedy, "command": self.command}


@dataclass(frozen=True)
class Facts:
    """All that the rules may ask for. What is not known is None or empty, and the rules that need it are skipped.

    Attributes:
        name: of the use case.
        figures: of the evaluation (`evaluation.scores`).
        checkpoint: id of the one that is diagnosed.
        training: its `training.json`.
        confidence: of intervals and tests, in (0.5, 1).
        scores: of the fine-tuned model, one per test record, higher is better. Shape `(rows,)`.
        shortened: test records whose text was cut to `evaluation.max_prompt_tokens`. Shape `(rows,)`, dtype bool.
        longest: tokens of the longest test prompt, uncut, and of the longest reference.
        limits: `training.max_length`, `evaluation.max_prompt_tokens` and `evaluation.max_new_tokens`.
        unfinished, long_references: answers that are empty or fill `max_new_tokens`, references that do not fit into
            it; None where nothing is written.
        labels: label -> training records.
        opinion: about training labels.
        sides: of the test records of whose label a word-count model is sure and has another one: how often the
            fine-tuned model agrees with that model, and how often with the label.
        dates: of test records as ISO 8601, "" where it is not known. Shape `(rows,)`; empty: none has one.
        newest: date of the newest training record.
        doubling: what a learning curve of this use case says about twice the records (`curve_figures`).
    """

    name: str
    figures: Mapping[str, Any]
    checkpoint: str
    training: Mapping[str, Any]
    confidence: float
    scores: np.ndarray = field(default_factory=lambda: np.empty(0))
    shortened: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    longest: tuple[int, int] = (0, 0)
    limits: tuple[int, int, int] = (0, 0, 0)
    unfinished: int | None = None
    long_references: int | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    opinion: LabelOpinion | None = None
    sides: tuple[int, int] = (0, 0)
    dates: np.ndarray = field(default_factory=lambda: np.empty(0, object))
    newest: str = ""
    doubling: Mapping[str, Any] | None = None

    @cached_property
    def validations(self) -> list[Mapping[str, float]]:
        """Points of the curve with a validation, that before the first step first."""
        return [one for one in self.training["curve"] if "validation_loss" in one]

    @property
    def validation_rows(self) -> int:
        return self.training["counts"]["validation"]["rows"]

    @cached_property
    def metric(self) -> str:
        """What validation records were judged by beside the loss; "" where nothing was."""
        return next((name for name in METRICS if all(name in one for one in self.validations)), "")

    @property
    def z(self) -> float:
        """Standard errors that an interval of this confidence reaches to each side."""
        from scipy.stats import norm

        return float(norm.ppf((1 + self.confidence) / 2))

    def loss_error(self, loss: float) -> float:
        """Standard error of a mean loss of the validation records: losses are spread about as widely as they are high,
        as in `training.loop`."""
        return loss / math.sqrt(self.validation_rows)

    def metric_rose(self, first: Mapping[str, float], last: Mapping[str, float]) -> bool:
        """Whether the validation metric rose by more than chance, by the standard error of a share of the validation
        records; not so where there is no metric."""
        if not self.metric:
            return False
        before, after = first[self.metric], last[self.metric]
        return after - before > self.z * math.sqrt(max(before * (1 - before), 0.0) / self.validation_rows)

    def run(self, *settings: str) -> str:
        """The command that trains again with other settings, which it writes into the file: a model that was trained
        with settings of one run only cannot be released."""
        return " ".join(["ft run", self.name, *(f"--set {one}" for one in settings), "--keep"])
