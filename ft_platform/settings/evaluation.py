"""How systems and groups are compared."""

from typing import Literal

from pydantic import Field

from ft_platform.settings.section import FeatureName, Section


class Evaluation(Section):
    """How systems are compared on the test split."""

    max_test_rows: int | None = Field(default=None, ge=10, le=10_000_000, description="Evaluate on at most this many test records (seeded choice). Empty: all.")
    few_shot_examples: int = Field(default=4, ge=1, le=64, description="Examples from train in the few-shot prompt.")
    few_shot_note: str = Field(default="", max_length=1000, description="Text put before the examples of the few-shot prompt.")
    few_shot_selection: Literal["random", "nearest"] = Field(
        default="nearest", description="`nearest`: by TF-IDF similarity to the question; `random`: one seeded set."
    )
    max_prompt_tokens: int = Field(
        default=512,
        ge=32,
        le=131_072,
        description="Longest prompt in tokens, few-shot examples not counted; the user's text is shortened, the same for every system.",
    )
    max_new_tokens: int = Field(default=96, ge=1, le=8192, description="Longest generated answer in tokens.")
    bootstrap_samples: int = Field(default=1000, ge=100, le=100_000, description="Resamples behind each interval.")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Coverage of the intervals in (0.5, 1).")
    min_slice_rows: int = Field(
        default=20, ge=2, le=1_000_000, description="Test records from which a part of the test split (a feature's value, a label, a text length) is judged."
    )
    groundedness: Literal["none", "prompt"] = Field(
        default="none",
        description="`prompt`: measure which claims of an answer the question's own text supports, for generation whose questions hold the facts (documents, "
        "tickets, search results). Asked of a judge as well, where `judge` names one.",
    )
    seed: int = Field(default=17, ge=0, le=2**31 - 1, description="Seed of samples and resamples.")


class Fairness(Section):
    """Group comparison of the model's outputs."""

    sensitive_features: list[FeatureName] = Field(
        default_factory=list, max_length=50, description="Names from `record.features` that must not make a difference."
    )
    min_group_rows: int = Field(
        default=20, ge=2, le=1_000_000, description="Test records from which a group is compared; smaller ones show as not enough evidence."
    )
    max_gap: float = Field(
        default=0.2, ge=0.0, le=1.0, description="Largest difference in [0, 1] of accuracy (or ROUGE-L) between groups before the check warns."
    )
