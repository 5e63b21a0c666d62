"""Which groups are compared, how identity is swapped, and what is done about a gap."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ft_platform.settings.section import FeatureName, LabelName, Section

if TYPE_CHECKING:
    from ft_platform.settings.source import RecordMapping

Term = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"\w")]
Mitigation = Literal["none", "reweighting", "resampling", "counterfactual_augmentation", "threshold_optimizer", "exponentiated_gradient", "correlation_remover"]
Constraint = Literal["demographic_parity", "equalized_odds"]
IN_TRAINING = ("reweighting", "resampling", "counterfactual_augmentation")
"""Mitigations that change what is learned; the others work on the outputs of a trained model."""
ON_LABELS = ("reweighting", "resampling", "threshold_optimizer", "exponentiated_gradient", "correlation_remover")
"""Mitigations that need labels, and groups to treat alike."""


class Swap(Section):
    """Terms that name an identity, and their counterparts."""

    name: FeatureName = Field(description="Name in the report, e.g. `gender`.")
    terms: list[Annotated[list[Term], Field(min_length=2, max_length=2)]] = Field(
        min_length=1,
        max_length=500,
        description="Pairs such as `[he, she]`: whole words, in either case, each replaced by the other. A term that stands in several pairs takes the first.",
    )

    @model_validator(mode="after")
    def pairs_differ(self) -> "Swap":
        same = [pair[0] for pair in self.terms if pair[0].casefold() == pair[1].casefold()]
        if same:
            raise ValueError(f"`fairness.swaps` {self.name}: {same[0]!r} is paired with itself")
        return self


class TrainingMitigation(Section):
    """What of the fairness settings changes a training."""

    mitigation: Mitigation = "none"
    feature: str | None = None
    swaps: list[Swap] = []


class OutputMitigation(Section):
    """What of the fairness settings changes an evaluation."""

    swaps: list[Swap] = []
    mitigation: Mitigation = "none"
    feature: str | None = None
    label: str | None = None
    constraint: Constraint | None = None


class Fairness(Section):
    """Group comparison of data and outputs."""

    sensitive_features: list[FeatureName] = Field(
        default_factory=list, max_length=50, description="Names from `record.features` that must not make a difference."
    )
    min_group_rows: int = Field(
        default=20, ge=2, le=1_000_000, description="Test records from which a group is compared; smaller ones show as not enough evidence."
    )
    max_gap: float = Field(
        default=0.2,
        ge=0.0,
        le=1.0,
        description="Largest difference in [0, 1] of accuracy (or ROUGE-L) between groups. Above it the check warns; "
        "`release_decision` refuses where the upper end of the interval is, or where groups are too small to be compared.",
    )
    swaps: list[Swap] = Field(
        default_factory=list,
        max_length=20,
        description="Term lists: test prompts that hold a term are also asked with its counterpart, and changed answers are counted.",
    )
    mitigation: Mitigation = Field(
        default="none",
        description="What is done about a gap. On training rows: `reweighting`, `resampling` (Kamiran and Calders, 2012), `counterfactual_augmentation` "
        "(copies with swapped terms). On outputs, as a further system beside the fine-tuned model: `threshold_optimizer`, `exponentiated_gradient`, "
        "`correlation_remover` (Fairlearn).",
    )
    mitigation_feature: FeatureName | None = Field(
        default=None, description="The sensitive feature whose groups the mitigation treats alike. Default: the first of `sensitive_features`."
    )
    mitigation_label: LabelName | None = Field(
        default=None,
        description="The label whose rates `threshold_optimizer` and `exponentiated_gradient` bring together, against all others. Needed with more "
        "than two labels. One that no training record has is refused by `splits`.",
    )
    mitigation_constraint: Constraint = Field(
        default="demographic_parity", description="What `threshold_optimizer` and `exponentiated_gradient` bring together: selection rates, or error rates."
    )

    @property
    def treated_feature(self) -> str | None:
        """The feature whose groups a mitigation treats alike."""
        return self.mitigation_feature or next(iter(self.sensitive_features), None)

    @property
    def in_training(self) -> TrainingMitigation:
        """The part that a checkpoint depends on: another limit or another report trains nothing again."""
        if self.mitigation not in IN_TRAINING:
            return TrainingMitigation()
        if self.mitigation == "counterfactual_augmentation":
            return TrainingMitigation(mitigation=self.mitigation, swaps=self.swaps)
        return TrainingMitigation(mitigation=self.mitigation, feature=self.treated_feature)

    @property
    def in_evaluation(self) -> OutputMitigation:
        """The part that an evaluation depends on."""
        if self.mitigation == "none" or self.mitigation in IN_TRAINING:
            return OutputMitigation(swaps=self.swaps)
        found = OutputMitigation(swaps=self.swaps, mitigation=self.mitigation, feature=self.treated_feature)
        if self.mitigation == "correlation_remover":
            return found
        return found.model_copy(update={"label": self.mitigation_label, "constraint": self.mitigation_constraint})

    def problems_with(self, record: "RecordMapping", kind: str) -> list[str]:
        """What does not fit the other sections, in sentences.

        Args:
            kind: of the task.
        """
        found = []
        unknown = sorted(set(self.sensitive_features) - set(record.features))
        if unknown:
            found.append(f"`fairness.sensitive_features` names {unknown}, not among `record.features` {sorted(record.features)}")
        if self.mitigation_feature and self.mitigation_feature not in self.sensitive_features:
            found.append(f"`fairness.mitigation_feature` {self.mitigation_feature!r} is not among `fairness.sensitive_features`")
        if self.mitigation in ON_LABELS and kind != "classification":
            found.append(f"`fairness.mitigation: {self.mitigation}` needs `task.kind: classification`")
        if self.mitigation in ON_LABELS and not self.sensitive_features:
            found.append(f"`fairness.mitigation: {self.mitigation}` needs `fairness.sensitive_features`")
        if self.mitigation == "counterfactual_augmentation" and not self.swaps:
            found.append("`fairness.mitigation: counterfactual_augmentation` needs `fairness.swaps`")
        renamed = record.label_names.get(self.mitigation_label or "")
        if renamed and self.mitigation_label not in record.label_names.values():
            found.append(f"`fairness.mitigation_label` {self.mitigation_label!r} is a label of the source, which `record.label_names` renames to {renamed!r}")
        doubled = sorted({swap.name for swap in self.swaps if [other.name for other in self.swaps].count(swap.name) > 1})
        if doubled:
            found.append(f"`fairness.swaps` names {doubled} more than once")
        return found
