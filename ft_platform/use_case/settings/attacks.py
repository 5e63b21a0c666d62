"""How a checkpoint is attacked before people rely on it: by `privacy_report`, and by `canary_audit` on demand."""

from typing import Annotated

from pydantic import Field, field_validator

from ft_platform.use_case.settings.fixed_draws import FixedDraws
from ft_platform.use_case.settings.section import Section

DEFAULT_REPETITIONS = (1, 10, 100)


class Canaries(Section):
    """Secrets that `canary_audit` plants in a copy of the training records."""

    repetitions: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        default_factory=list,
        max_length=20,
        description=(
            "How often a secret is planted in the training records; each number gets its own secrets. Empty: 1, 10,"
            " 100."
        ),
    )
    per_repetition: int = Field(default=4, ge=2, le=1000, description="Secrets for each number of repetitions.")
    controls: int = Field(default=12, ge=2, le=1000, description="Secrets that are never planted, for comparison.")
    digits: int = Field(
        default=4,
        ge=2,
        le=4,
        description="Digits of a secret. All codes of that length are ranked: 4 digits are 10,000 codes, 13.3 bits.",
    )

    @property
    def copies(self) -> list[int]:
        """The numbers of repetitions that are tried."""
        return self.repetitions or list(DEFAULT_REPETITIONS)

    @property
    def rows(self) -> int:
        """Copies of secrets that are planted in all."""
        return sum(self.copies) * self.per_repetition

    @field_validator("repetitions")
    @classmethod
    def rise(cls, repetitions: list[int]) -> list[int]:
        if sorted(set(repetitions)) != repetitions:
            raise ValueError("`attacks.canaries.repetitions` must rise, without duplicates")
        return repetitions


class Attacks(FixedDraws):
    """How much of its training records a checkpoint gives away."""

    rows: int = Field(
        default=1000,
        ge=1000,
        le=100_000,
        description="Most records of each split that are attacked, or that training records are told from.",
    )
    extraction_rows: int = Field(
        default=80,
        ge=20,
        le=100_000,
        description=(
            "How many of these the model is asked to continue. At least 73 are needed to prove a gain below 0.05."
        ),
    )
    prefix_tokens: int = Field(
        default=32,
        ge=1,
        le=4096,
        description=("Tokens at the start of a text that the model is given, at most half of the text."),
    )
    continuation_tokens: int = Field(
        default=24, ge=8, le=4096, description="Tokens that the model writes, which are compared."
    )
    samples: int = Field(
        default=30,
        ge=1,
        le=100_000,
        description=("Texts that the model writes freely, which are searched for personal data."),
    )
    sample_tokens: int = Field(default=32, ge=8, le=4096, description="Longest of these texts in tokens.")
    max_true_positive_rate: float = Field(
        default=0.05,
        ge=0.01,
        le=1.0,
        description=(
            "Share of the training records that an attack may find while it takes 1 % of other records for training"
            " records; the whole interval must be within it (0.01 is chance)."
        ),
    )
    max_membership_auc: float = Field(
        default=0.65,
        ge=0.5,
        le=1.0,
        description=(
            "The area under the ROC curve of an attack may not lie beyond this with its whole interval (0.5 is chance)."
        ),
    )
    max_extraction_gain: float = Field(
        default=0.05,
        ge=0.0,
        le=1.0,
        description=(
            "How much more often, as a share, the model may continue training records word for word than test"
            " records; the whole interval must be within it."
        ),
    )
    bootstrap_samples: int = Field(default=1000, ge=100, le=100_000, description="Resamples behind each interval.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Coverage of the intervals in (0.5, 1).")
    canaries: Canaries = Field(default_factory=Canaries, description="What `canary_audit` plants.")
