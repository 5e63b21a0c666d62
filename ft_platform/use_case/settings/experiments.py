"""Experiments that a person starts: search for training settings, learning curve, variation with the seed. Of other
stages the gate reads the last section."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from ft_platform.use_case.settings.section import Section
from ft_platform.use_case.settings.training import Training

SearchedField = Literal[
    "learning_rate",
    "rank",
    "alpha",
    "dropout",
    "schedule",
    "warmup_fraction",
    "weight_decay",
    "max_grad_norm",
    "epochs",
    "batch_rows",
    "max_length",
    "patience",
    "beta",
]
"""Fields of `training` that may be searched. Seeds are not: the best of several seeds is luck."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Dimension(Section):
    """Values of one training field: a range, or a list."""

    low: float | None = Field(default=None, description="Lowest value. Default: none, with `choices`.")
    high: float | None = Field(default=None, description="Highest value. Default: none, with `choices`.")
    log: bool = Field(default=False, description="Draw from the range by order of magnitude. Default: evenly.")
    choices: list[int | float | Word] | None = Field(
        default=None, min_length=2, max_length=50, description="Values to choose among. Default: none, with a range."
    )

    @model_validator(mode="after")
    def is_a_range_or_a_list(self) -> "Dimension":
        ranged = self.low is not None and self.high is not None
        if ranged == (self.choices is not None) or (
            self.choices is not None and (self.low is not None or self.high is not None or self.log)
        ):
            raise ValueError("needs `low` and `high`, or `choices`, and not both")
        if (
            self.low is not None
            and self.high is not None
            and (not self.low < self.high or (self.log and self.low <= 0))
        ):
            raise ValueError("`low` must be below `high`, and above 0 with `log: true`")
        return self

    def ends(self) -> list[Any]:
        """The values whose bounds decide whether the whole dimension is allowed."""
        return list(self.choices) if self.choices is not None else [self.low, self.high]


DEFAULT_SPACE: dict[SearchedField, Dimension] = {
    "learning_rate": Dimension(low=5e-5, high=2e-3, log=True),
    "rank": Dimension(choices=[8, 16, 32]),
}
"""The learning rate decides most for LoRA, then the rank (Hu et al., arXiv:2106.09685, sections 7.2 and D.4)."""

DEFAULT_SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)


class Search(Section):
    """How `hyperparameter_search` looks for training settings. It publishes a report; a person decides what of it goes
    into `training`."""

    space: dict[SearchedField, Dimension] = Field(
        default_factory=dict,
        max_length=12,
        description=(
            "Fields of `training` and the values to try; all others keep their value. Empty: `learning_rate` from"
            " 0.00005 to 0.002 by order of magnitude, and `rank` 8, 16 or 32."
        ),
    )
    trials: int = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Number of trainings. A search that continues counts those already made.",
    )
    parallel: int = Field(
        default=1,
        ge=1,
        le=64,
        description=(
            "Trainings at a time, each in its own process with its share of the CPU threads; on `slurm` each in its own"
            " task of a job array, with all that the profile gives. With more than 1, what is tried after the random"
            " trials depends on which one ends first."
        ),
    )
    startup_trials: int = Field(
        default=5,
        ge=1,
        le=1000,
        description=(
            "Random trials before the sampler (TPE) learns from them and before any trial is pruned. Default: that of"
            " Optuna's pruner."
        ),
    )
    prune: bool = Field(
        default=True,
        description=(
            "Stop a trial whose validation loss is above the median of the earlier ones at the same share of an epoch."
        ),
    )
    seed: int = Field(
        default=17, ge=0, le=2**31 - 1, description="Seed of the sampler. Each training keeps `training.seed`."
    )

    @property
    def dimensions(self) -> dict[SearchedField, Dimension]:
        """What is searched."""
        return self.space or DEFAULT_SPACE

    @field_validator("space")
    @classmethod
    def are_allowed_training_values(cls, space: dict[SearchedField, Dimension]) -> dict[SearchedField, Dimension]:
        for name, dimension in space.items():
            whole = Training.model_fields[name].annotation is int
            for value in dimension.ends():
                if whole and isinstance(value, float) and value != int(value):
                    raise ValueError(f"{name} takes whole numbers, got {value:g}")
                try:
                    Training.model_validate({name: int(value) if whole and not isinstance(value, str) else value})
                except ValidationError as error:
                    raise ValueError(f"{name}: {error.errors()[0]['msg']}, got {value!r}") from None
        return space


class LearningCurve(Section):
    """How `learning_curve` measures what more data would bring."""

    shares: list[Annotated[float, Field(gt=0.0, le=1.0)]] = Field(
        default_factory=list,
        max_length=20,
        description=(
            "At least three shares of the training split in (0, 1], rising, the last one 1. Each subset contains the"
            " smaller ones. Empty: 0.05, 0.1, 0.2, 0.5, 1."
        ),
    )
    repeats: int = Field(
        default=1,
        ge=1,
        le=100,
        description=("Trainings per share, each with a different seed for subset, weights and order."),
    )
    bootstrap_samples: int = Field(
        default=1000,
        ge=100,
        le=100_000,
        description="Resamples of validation records (and repeats) behind each interval.",
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="Coverage of the intervals in (0.5, 1).")

    @property
    def points(self) -> list[float]:
        """The shares that are trained on."""
        return self.shares or list(DEFAULT_SHARES)

    @field_validator("shares")
    @classmethod
    def rise_to_one(cls, shares: list[float]) -> list[float]:
        if shares and (len(shares) < 3 or sorted(set(shares)) != shares or shares[-1] != 1.0):
            raise ValueError("`learning_curve.shares` needs three or more rising shares that end with 1")
        return shares


class SeedVariation(Section):
    """How `seed_variation` measures what of the evaluation is luck of the seed.

    A number, not a list: who names the seeds can choose those that look well.
    """

    seeds: int = Field(
        default=1,
        ge=1,
        le=20,
        description=(
            "Trainings of the same recipe to compare on the test split: the checkpoint's, and others with the seeds"
            " after `training.seed`. 3 takes two more trainings. Above 1, the gate needs `seed_variation`: every gain"
            " that `gate.beats` asks for must hold over the seeds. 1: off."
        ),
    )
