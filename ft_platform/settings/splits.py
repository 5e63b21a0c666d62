"""How records are divided."""

from typing import Literal

from pydantic import Field

from ft_platform.settings.section import Section


class Splits(Section):
    """How records are divided. Every group of related records stays on one side."""

    validation_fraction: float = Field(default=0.15, gt=0.0, lt=0.5, description="Share of records in (0, 0.5) for early stopping.")
    test_fraction: float = Field(default=0.2, gt=0.0, lt=0.5, description="Share of records in (0, 0.5) for evaluation only.")
    seed: int = Field(default=17, ge=0, le=2**31 - 1, description="Seed of the division.")
    stratify: bool = Field(default=True, description="Keep label shares equal on all sides (classification).")
    group_by_subject: bool = Field(default=True, description="Keep all records of a person on one side.")
    near_duplicate_threshold: float = Field(
        default=0.7, ge=0.5, le=1.0, description="Jaccard similarity in [0.5, 1] from which two texts must stay on one side."
    )
    min_rows_per_label: int = Field(default=5, ge=3, le=100_000, description="Fewest records of a label; see `rare_labels`.")
    rare_labels: Literal["error", "drop", "other"] = Field(
        default="error", description="Labels below `min_rows_per_label`: stop, drop their records, or merge them into `other`."
    )
