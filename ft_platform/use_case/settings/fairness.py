"""Which groups are compared, how identity is swapped, and what is done about a gap."""

from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ft_platform.use_case.settings.section import FeatureName, LabelName, Section

if TYPE_CHECKING:
    from ft_platform.use_case.settings.source import RecordMapping

GroupName = Annotated[str, StringConstraints(min_length=1, max_length=500)]
"""A value of a feature, or of two together (`north and old`); `not stated` where a record has none."""
Compared = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""A sensitive feature, or two of them (`region and age`)."""
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=1000)]
Term = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"\w")]
Mitigation = Literal[
    "none",
    "reweighting",
    "resampling",
    "counterfactual_augmentation",
    "threshold_optimizer",
    "exponentiated_gradient",
    "correlation_remover",
]
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
        description=(
            "Pairs such as `[he, she]`: whole words, in either case, each replaced by the other. For a term in"
            " several pairs, the first counts."
        ),
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
        default_factory=list,
        max_length=50,
        description=(
            "Names in `record.features` that must not make a difference. Requests may say them in `metadata`, to be"
            " kept with their texts (`monitoring.capture`)."
        ),
    )
    min_group_rows: int = Field(
        default=20,
        ge=2,
        le=1_000_000,
        description=(
            "Fewest test records for comparing a group. A smaller group is not enough evidence: the report names it,"
            " and `release_decision` refuses."
        ),
    )
    pooled_groups: dict[
        Compared,
        Annotated[
            dict[GroupName, Annotated[list[GroupName], Field(min_length=1, max_length=1000)]], Field(max_length=1000)
        ],
    ] = Field(
        default_factory=dict,
        max_length=100,
        description=(
            "Small groups to compare as one: feature, or two of them (`region and age`) -> name of the pooled group"
            " -> its values (`not stated`: no value). Only the pooled group is measured, and every report says so."
        ),
    )
    small_groups: dict[Compared, Annotated[dict[GroupName, Reason], Field(max_length=1000)]] = Field(
        default_factory=dict,
        max_length=100,
        description=(
            "Small groups that a release may leave unmeasured: feature, or two of them -> group -> the reason, in 20"
            " characters or more. Reports and the decision repeat it. At least two groups must still be compared."
        ),
    )
    max_gap: float = Field(
        default=0.2,
        ge=0.0,
        le=1.0,
        description=(
            "Largest difference in [0, 1] of accuracy (or ROUGE-L) between groups. The whole interval must be within"
            " it, for the report's check and for `release_decision`."
        ),
    )
    swaps: list[Swap] = Field(
        default_factory=list,
        max_length=20,
        description=(
            "Term lists: test prompts that contain a term are also asked with its counterpart, and changed answers"
            " are counted."
        ),
    )
    mitigation: Mitigation = Field(
        default="none",
        description=(
            "How to reduce a gap. On training records: `reweighting`, `resampling` (Kamiran and Calders, 2012),"
            " `counterfactual_augmentation` (copies with swapped terms). On outputs, as an additional system beside"
            " the fine-tuned model: `threshold_optimizer`, `exponentiated_gradient`, `correlation_remover`"
            " (Fairlearn)."
        ),
    )
    mitigation_feature: FeatureName | None = Field(
        default=None,
        description=(
            "Sensitive feature whose groups the mitigation should treat alike. Default: the first of"
            " `sensitive_features`."
        ),
    )
    mitigation_label: LabelName | None = Field(
        default=None,
        description=(
            "Label whose rates `threshold_optimizer` and `exponentiated_gradient` equalize, against all others."
            " Needed with more than two labels. `splits` refuses a label that no training record has."
        ),
    )
    mitigation_constraint: Constraint = Field(
        default="demographic_parity",
        description=(
            "What `threshold_optimizer` and `exponentiated_gradient` equalize: selection rates, or error rates."
        ),
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
            found.append(
                f"`fairness.sensitive_features` names {unknown}, not among `record.features` {sorted(record.features)}"
            )
        if self.mitigation_feature and self.mitigation_feature not in self.sensitive_features:
            found.append(
                f"`fairness.mitigation_feature` {self.mitigation_feature!r} is not among `fairness.sensitive_features`"
            )
        if self.mitigation in ON_LABELS and kind != "classification":
            found.append(f"`fairness.mitigation: {self.mitigation}` needs `task.kind: classification`")
        if self.mitigation in ON_LABELS and not self.sensitive_features:
            found.append(f"`fairness.mitigation: {self.mitigation}` needs `fairness.sensitive_features`")
        if self.mitigation == "counterfactual_augmentation" and not self.swaps:
            found.append("`fairness.mitigation: counterfactual_augmentation` needs `fairness.swaps`")
        found += self._problems_with_groups()
        renamed = record.label_names.get(self.mitigation_label or "")
        if renamed and self.mitigation_label not in record.label_names.values():
            found.append(
                f"`fairness.mitigation_label` {self.mitigation_label!r} is a label of the source, which"
                f" `record.label_names` renames to {renamed!r}"
            )
        doubled = sorted(
            {swap.name for swap in self.swaps if [other.name for other in self.swaps].count(swap.name) > 1}
        )
        if doubled:
            found.append(f"`fairness.swaps` names {doubled} more than once")
        return found

    def _problems_with_groups(self) -> list[str]:
        """Pools and reasons that name what is not compared, or one value twice."""
        names = {*self.sensitive_features, *(" and ".join(pair) for pair in combinations(self.sensitive_features, 2))}
        found = []
        for field, named in (("pooled_groups", self.pooled_groups), ("small_groups", self.small_groups)):
            unknown = sorted(set(named) - names)
            if unknown:
                found.append(f"`fairness.{field}` names {unknown}, not among what is compared: {sorted(names)}")
        for name, pools in self.pooled_groups.items():
            values = [value for parts in pools.values() for value in parts]
            of_others = {pool for pool, parts in pools.items() if pool in set(values) - set(parts)}
            doubled = sorted({value for value in values if values.count(value) > 1} | of_others)
            if doubled:
                found.append(f"`fairness.pooled_groups` {name} puts {doubled} into more than one group")
            gone = sorted(set(self.small_groups.get(name, {})) & (set(values) - set(pools)))
            if gone:
                found.append(f"`fairness.small_groups` {name} names {gone}, which `fairness.pooled_groups` pools")
        return found
