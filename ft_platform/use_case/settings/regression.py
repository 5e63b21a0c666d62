"""What a fine-tuned model may not have forgotten, and how much less of it is still allowed."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ft_platform.use_case.settings.fixed_draws import FixedDraws

Suite = Literal["general_text", "multiple_choice", "instructions"]
TaskName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,99}$")]
Margin = Annotated[float, Field(gt=0.0, le=100.0)]

MARGINS: dict[str, float] = {"general_text": 0.2, "multiple_choice": 0.15, "instructions": 0.15}
"""Margins where the YAML names none: 0.2 nats per token are 22 % of perplexity; 0.15 is what the hundred items of a
suite can show."""

HARNESS_MARGIN = 0.05
LABELS_MARGIN = 0.15
"""How much accuracy a checkpoint that only scores labels may lose against the champion."""


class Regression(FixedDraws):
    """What the fine-tuned model may not have forgotten: suites, margins, rows."""

    suites: list[Suite] = Field(
        default=["general_text", "multiple_choice", "instructions"],
        max_length=3,
        description=(
            "Suites of the platform: `general_text` (log-perplexity in nats per token), `multiple_choice` and"
            " `instructions` (share of correct answers)."
        ),
    )
    text_file: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description=(
            "Plain text in UTF-8 to use instead of the platform's general text; blank lines separate passages. Path"
            " or URI."
        ),
    )
    harness_tasks: list[TaskName] = Field(
        default_factory=list,
        max_length=50,
        description="Tasks of lm-evaluation-harness to run as suites too (extra `harness`).",
    )
    margins: dict[TaskName, Margin] = Field(
        default_factory=dict,
        max_length=60,
        description=(
            "Suite or harness task: how much worse the fine-tuned model may be, in the unit of its metric. Default:"
            " general_text 0.2 (nats per token), multiple_choice 0.15, instructions 0.15, harness tasks 0.05."
        ),
    )
    rows: int | None = Field(
        default=None,
        ge=5,
        le=1_000_000,
        description="Most items of each suite. Empty: all.",
    )
    bootstrap_samples: int = Field(
        default=1000, ge=100, le=100_000, description="Resamples of items behind each interval."
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Coverage of the intervals in (0.5, 1).")

    def margin(self, suite: str) -> float:
        """How much worse the fine-tuned model may be on a suite."""
        return self.margins.get(suite, MARGINS.get(suite, HARNESS_MARGIN))

    @field_validator("suites", "harness_tasks")
    @classmethod
    def are_named_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError(f"duplicate suites: {sorted(name for name in set(names) if names.count(name) > 1)}")
        return names

    @model_validator(mode="after")
    def margins_are_of_suites(self) -> "Regression":
        there = {*self.suites, *self.harness_tasks}
        if unknown := sorted(set(self.margins) - there):
            raise ValueError(f"`regression.margins` names {unknown}, not among its suites {sorted(there)}")
        if self.text_file and "general_text" not in self.suites:
            raise ValueError("`regression.text_file` needs the suite `general_text`")
        if not there:
            raise ValueError(
                "`regression.suites` and `regression.harness_tasks` are both empty: nothing would be measured"
            )
        return self
