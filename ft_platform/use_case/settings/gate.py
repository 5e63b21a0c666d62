"""What a checkpoint must show before it may be released."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from ft_platform.use_case.settings.section import Section

if TYPE_CHECKING:
    from ft_platform.use_case.settings.fairness import Fairness

SystemName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]
"""Name of a system or of a metric."""
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=1000)]

CHEAPER = ("majority", "nearest_neighbour", "tfidf_logreg")
"""Systems that are far cheaper to run than a language model; only classification has them."""
CLASSIFIERS = (*CHEAPER, "linear_probe")
"""Systems that are no language model. A linear probe spares the training, but a request takes the same forward pass as
with the fine-tuned model, so it is not among those that must be beaten unless somebody asks for it."""
DECIDES, SUGGESTS = "decides", "suggests"
"""What a release claims to do (`gate.claim`)."""
OF_EVERY_TASK = ("base_few_shot", "champion")


def alternatives(kind: str) -> tuple[str, ...]:
    """Systems that every model must beat unless a reason says otherwise.

    Args:
        kind: of the task.
    """
    return (*(CHEAPER if kind == "classification" else ()), *OF_EVERY_TASK)


class Gate(Section):
    """Rules of `release_decision`. Missing, stale, broken or insufficient evidence refuses, whatever stands here."""

    claim: Literal["decides", "suggests"] = Field(
        default=DECIDES,
        description=(
            "What a release may do. `decides`: its labels are used as they are. `suggests`: a person decides on every"
            " request, and our server marks every label so. A figure must then keep `floors` and beat other systems"
            " than the champion, but nobody has to prove it with the whole interval. Only for"
            " `task.kind: classification` and targets of kind `local`."
        ),
    )
    beats: list[SystemName] | None = Field(
        default=None,
        max_length=20,
        description=(
            "Systems that the fine-tuned model must beat on the test split, and over the seeds if"
            " `seed_variation.seeds` is above 1. Default: `base_few_shot`, `champion` (the last accepted checkpoint, if"
            " there is one), and for classification those that are far cheaper to run: `majority`, `nearest_neighbour`"
            " and `tfidf_logreg`. A list of your own must have them too, apart from those in `may_lose_to`."
        ),
    )
    may_lose_to: dict[SystemName, Reason] = Field(
        default_factory=dict,
        max_length=20,
        description=(
            "System of the default of `beats` that the model need not beat -> the reason, in 20 characters or more."
            " Under the default policy a person must approve it."
        ),
    )
    metric: SystemName | None = Field(
        default=None, description="Metric of `beats`. Default: the first metric of the task."
    )
    margin: float = Field(
        default=0.0,
        ge=0.0,
        le=1000.0,
        description=(
            "The whole interval of the difference must be above this, in units of `metric`; a tie is refused."
        ),
    )
    floors: dict[SystemName, float] = Field(
        default_factory=dict,
        max_length=20,
        description="Metric -> value that the worse end of the fine-tuned model's interval must reach.",
    )
    without_sensitive_features: str = Field(
        default="",
        max_length=1000,
        description="Why no group can be treated worse, if `fairness.sensitive_features` is empty.",
    )
    max_amplification: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description=(
            "How much fine-tuning may widen the gap between groups, compared with the base model; the upper end of"
            " the interval counts."
        ),
    )
    max_demographic_parity_difference: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description=(
            "Largest difference between groups in how often a label is given, for every sensitive feature; the upper"
            " end of the interval counts."
        ),
    )
    max_equalized_odds_difference: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description=(
            "Largest difference between groups in the true or false positive rate of a label, for every sensitive"
            " feature; the upper end of the interval counts."
        ),
    )
    max_flip_rate: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share of answers that change when an identity term is swapped, for every entry of"
            " `fairness.swaps`; the upper end of the interval counts."
        ),
    )
    max_exposure_bits: float | None = Field(
        default=None,
        ge=0.0,
        le=64.0,
        description=(
            "Most bits of exposure that `canary_audit` may find for a secret that occurs once; the upper end of the"
            " interval counts."
        ),
    )
    max_epsilon: float | None = Field(
        default=None,
        gt=0.0,
        le=100.0,
        description=(
            "Largest epsilon that `training.differential_privacy` may have spent; training without it is refused."
        ),
    )
    max_calibration_error: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Largest expected calibration error of the fine-tuned model; the upper end of its interval counts.",
    )
    max_seconds_per_1000_requests: float | None = Field(
        default=None, gt=0.0, le=1e9, description="Most seconds for 1,000 requests."
    )
    max_money_per_1000_requests: float | None = Field(
        default=None,
        ge=0.0,
        le=1e9,
        description=(
            "Highest cost of 1,000 requests, in the currency of the environment; needs a price in the compute profile."
        ),
    )
    min_human_win_rate: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description=(
            "Smallest share of the fine-tuned model's answers that experts must prefer (`ft review`); the lower end of"
            " the interval counts."
        ),
    )
    min_judge_win_rate: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description=(
            "Smallest share of its answers that a judge calibrated against people must prefer; the lower end of the"
            " interval counts."
        ),
    )

    @model_validator(mode="after")
    def reasons_contradict_nothing(self) -> "Gate":
        if both := sorted({*(self.beats or [])} & {*self.may_lose_to}):
            raise ValueError(f"`gate.may_lose_to` names {', '.join(both)}, and so does `gate.beats`: remove one")
        return self

    def hashed(self) -> dict[str, Any]:
        """Without a field that is newer than decisions, where it is not set."""
        return self.model_dump(mode="json", exclude={"claim"} if self.claim == DECIDES else None)

    def must_beat(self, kind: str, method: str) -> list[str]:
        """Systems that the model must beat, also those that `beats` leaves out without a reason. Not itself.

        Args:
            kind: of the task.
            method: of the training.
        """
        named: list[str] = [*alternatives(kind), *(self.beats or [])]
        return [name for name in dict.fromkeys(named) if name not in (*self.may_lose_to, method)]

    def problems_with(self, fairness: "Fairness", kind: str, method: str) -> list[str]:
        """Limits that would hold nothing back, and exceptions from what nothing asks for, in sentences. Arguments as
        of `must_beat`."""
        of_labels = [
            name
            for name in ("max_demographic_parity_difference", "max_equalized_odds_difference")
            if getattr(self, name) is not None
        ]
        of_groups = [*of_labels, *(["max_amplification"] if self.max_amplification is not None else [])]
        found = [f"`gate.{name}` needs `task.kind: classification`" for name in of_labels if kind != "classification"]
        if self.claim == SUGGESTS and kind != "classification":
            found.append("`gate.claim: suggests` needs `task.kind: classification`: every other answer is read anyway")
        if unknown := [name for name in self.may_lose_to if name not in alternatives(kind)]:
            found.append(
                f"`gate.may_lose_to` names {', '.join(unknown)}; of this kind of task it can name"
                f" {', '.join(alternatives(kind))}"
            )
        if not self.must_beat(kind, method) and not self.floors:
            found.append("`gate.may_lose_to` has every system and `gate.floors` none: any model would be good enough")
        if not fairness.sensitive_features:
            found += [f"`gate.{name}` needs `fairness.sensitive_features`" for name in of_groups]
        if self.max_flip_rate is not None and not fairness.swaps:
            found.append("`gate.max_flip_rate` needs `fairness.swaps`")
        return found
