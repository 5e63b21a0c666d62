"""What the files of evidence must hold. A key that is missing, not a number, or not finite is a refusal, never a
default."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Typed(BaseModel):
    """Reads strictly: `true` and `"0.5"` are no numbers, NaN and infinity neither. Keys that no rule needs may stand
    beside."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Figure(Typed):
    """A value with its interval."""

    value: float
    low: float
    high: float

    @model_validator(mode="after")
    def ordered(self) -> "Figure":
        if self.low > self.high:
            raise ValueError("the interval ends before it starts")
        return self


class Difference(Figure):
    """The fine-tuned model minus another system. `detectable`: the smallest difference that this test split shows."""

    detectable: float


class Gap(Figure):
    """The best group minus the worst."""

    best: str
    worst: str


class Pairs(Typed):
    """Records that only one of two systems gets right."""

    only_first: int = Field(ge=0)
    only_second: int = Field(ge=0)


class Test(Typed):
    """Whether a difference is chance. `mcnemar`: None where answers are no labels."""

    p: float = Field(ge=0.0, le=1.0)
    p_corrected: float = Field(ge=0.0, le=1.0)
    mcnemar: Pairs | None = None


class ComparedChampion(Typed):
    """The champion that a report compares with, or says why it cannot; None: there was none."""

    checkpoint: str | None


Rows = Annotated[int, Field(ge=1)]


class Taken(Typed):
    """What 1,000 requests take; no price: no money."""

    seconds: float
    money: float | None
    currency: str


class Selective(Typed):
    """Accuracy on the test records that the model is surest of."""

    coverage: float
    rows: Rows
    threshold: float
    accuracy: Figure


class Calibration(Typed):
    """Expected calibration error, and accuracy where the model is sure."""

    ece: Figure
    selective: list[Selective] = []


class About(Typed):
    """What `metrics.json` says about its systems."""

    champion: ComparedChampion | None = None


class FreshEvidence(Typed):
    """Recent requests that are kept for testing; no differences where they are too few."""

    records: int = Field(ge=0)
    first_day: str | None
    last_day: str | None
    differences: dict[str, dict[str, Difference]] = {}
    tests: dict[str, Test] = {}


class GoldenEvidence(Typed):
    """What came out of a golden prompt. `unsaid`: of each list one phrase was to be said; `said`: must never be."""

    kept: bool
    unsaid: list[list[str]]
    said: list[str]


class EvaluationEvidence(Typed):
    """`metrics.json` of `evaluation_report`. `fresh`: None where no request is kept for testing. `left_out`: reason ->
    test records that no system answered."""

    info: About
    systems: dict[str, dict[str, Figure]]
    differences: dict[str, dict[str, Difference]]
    main_metric: str
    tests: dict[str, Test]
    slices: list[dict[str, Any]]
    test_rows: Rows
    left_out: dict[str, Annotated[int, Field(ge=0)]]
    renderer_hash: str
    metric_versions: dict[str, str]
    calibration: dict[str, Calibration]
    per_1000_requests: dict[str, Taken]
    fresh: FreshEvidence | None = None
    golden: dict[str, GoldenEvidence] = {}
    confusion: dict[str, list[list[Annotated[int, Field(ge=0)]]]] = {}

    @property
    def with_answer(self) -> int:
        """Test records that could be evaluated: those with an answer."""
        return self.test_rows + sum(rows for reason, rows in self.left_out.items() if reason != "no_answer")


class Amplification(Typed):
    """How much wider fine-tuning made a gap; None: too few records to tell."""

    value: float | None
    low: float | None
    high: float | None


class RateGap(Figure):
    """The largest difference of a rate of one label between groups."""

    label: str
    rate: str
    highest: str
    lowest: str


class Group(Typed):
    """Test records of a group, and its figures where they are enough."""

    rows: Annotated[int, Field(ge=1)]
    accuracy: Figure | None = None
    rouge_l: Figure | None = None


class Compared(Typed):
    """Groups of one feature, or of a pair of them. A difference of rates is None where there are no labels, or none
    with enough records."""

    status: Literal["within_max_gap", "above_max_gap", "not_enough_evidence"]
    groups: Annotated[dict[str, Group], Field(min_length=1)]
    differences: dict[str, Gap]
    amplification: Amplification | None = None
    demographic_parity: RateGap | None
    equalized_odds: RateGap | None
    errors: dict[str, RateGap | None] = {}


class Swapped(Typed):
    """Share of the answers that change when a term in the prompt is swapped; None: too few prompts hold one."""

    status: Literal["measured", "not_enough_evidence"]
    rows: Annotated[int, Field(ge=0)]
    flip_rate: Figure | None


class FairnessEvidence(Typed):
    """`fairness.json` of `fairness_report`."""

    test_rows: Rows
    gap_metric: Literal["accuracy", "rouge_l"]
    min_group_rows: Rows
    features: dict[str, Compared]
    intersections: dict[str, Compared]
    swaps: dict[str, Swapped]

    @model_validator(mode="after")
    def every_record_is_in_a_group(self) -> "FairnessEvidence":
        for name, compared in {**self.features, **self.intersections}.items():
            if (rows := sum(group.rows for group in compared.groups.values())) != self.test_rows:
                raise ValueError(f"the groups of {name} contain {rows} of {self.test_rows} test records")
        return self


class Attack(Typed):
    """Area under the ROC curve of one membership attack, and the share of the training records that it finds at 1 %
    false alarms."""

    auc: Figure
    at_1_percent: Figure


class Slice(Typed):
    """Training and test records of a label or group that an attacker takes for training records. `low`: lower end of
    the share of training records; `chance`: p-value. Both corrected for the number of slices."""

    kind: str
    name: str
    members: Annotated[int, Field(ge=1)]
    found: Annotated[int, Field(ge=0)]
    others: Annotated[int, Field(ge=1)]
    mistaken: Annotated[int, Field(ge=0)]
    low: float = Field(ge=0.0, le=1.0)
    chance: float = Field(ge=0.0, le=1.0)


class Extraction(Typed):
    """Shares of training and of test records that the model goes on word for word, and the difference; None: `status`
    says why they were not measured."""

    verbatim: Figure | None
    baseline: Figure | None
    gain: Figure | None
    rows: Annotated[int, Field(ge=0)]
    status: str


class Searched(Typed):
    """Texts that the model writes by itself: how many have a finding, and how many findings are originals of the vault;
    None: they could not be compared, and `originals_status` says why."""

    originals: Annotated[int, Field(ge=0)] | None
    originals_status: str = "not known"
    samples: Annotated[int, Field(ge=0)] | None = None
    texts_with_finding: Annotated[int, Field(ge=0)] | None = None


class Promised(Typed):
    """What differential privacy promises about the weights."""

    epsilon: float = Field(ge=0.0)
    delta: float = Field(gt=0.0, lt=1.0)
    unit: Literal["record", "person"]


class PrivacyEvidence(Typed):
    """`privacy.json` of `privacy_report`. What is None was not measured; its status says why. `records`: of all splits.
    `terms`: words and pairs of words that the checkpoint's file lists, where it lists any."""

    records: Annotated[int, Field(ge=0)]
    members: Annotated[int, Field(ge=0)]
    others: Annotated[int, Field(ge=0)]
    membership: dict[str, Attack] | None
    slices: list[Slice]
    membership_status: str
    extraction_rate: Extraction
    personal_data: Searched | None
    personal_data_status: str
    differential_privacy: Promised | None = None
    terms: int | None = None


class Suite(Typed):
    """One suite of the regression tests: tuned minus base, and minus champion where there is one."""

    higher_is_better: bool
    difference: Figure
    difference_to_champion: Figure | None
    margin: float = Field(ge=0.0)


class RegressionEvidence(Typed):
    """`regression.json` of `regression_report`. `not_applicable`: why there are no suites."""

    suites: dict[str, Suite]
    not_applicable: str = ""
    champion: ComparedChampion

    @model_validator(mode="after")
    def has_suites_or_says_why_not(self) -> "RegressionEvidence":
        if bool(self.suites) == bool(self.not_applicable):
            raise ValueError("there are neither suites nor a reason why not, or both")
        return self


class CanaryEvidence(Typed):
    """`canaries.json` of `canary_audit`: repetitions of a secret -> bits of exposure."""

    exposure_bits: Annotated[dict[str, Figure], Field(min_length=1)]


class Seed(Typed):
    """One training of the recipe. `adapter_sha256` is equal for equal weights."""

    seed: int
    adapter_sha256: str


class OverSeeds(Figure):
    """Mean over the seeds, its interval over seeds and test records, the standard deviation between seeds, and one
    value per seed."""

    sd: float = Field(ge=0.0)
    values: list[float]


class Said(Typed):
    """A sentence for people."""

    good: bool
    text: str


class SeedEvidence(Typed):
    """`seeds.json` of `seed_variation`: scores of the fine-tuned model, of the systems it is compared with, and
    fine-tuned minus system."""

    seeds: Annotated[list[Seed], Field(min_length=2)]
    metrics: dict[str, OverSeeds]
    systems: dict[str, dict[str, float]]
    conclusion: Annotated[list[Said], Field(min_length=1)]
    differences: dict[str, dict[str, OverSeeds]]
    main_metric: str
    test_rows: Rows
    renderer_hash: str
    metric_versions: dict[str, str]

    @model_validator(mode="after")
    def seeds_are_several(self) -> "SeedEvidence":
        if len({one.adapter_sha256 for one in self.seeds}) < len(self.seeds):
            raise ValueError("two seeds have the same weights")
        if self.main_metric not in self.metrics:
            raise ValueError("the main metric has no value")
        if any(
            len(found.values) != len(self.seeds)
            for scores in (self.metrics, *self.differences.values())
            for found in scores.values()
        ):
            raise ValueError("a score does not have one value per seed")
        if {system: set(found) for system, found in self.systems.items()} != {
            system: set(found) for system, found in self.differences.items()
        }:
            raise ValueError("scores and differences cover different systems or metrics")
        return self


class HumanReviewEvidence(Typed):
    """`review.json` of `human_review`."""

    evaluation: str
    alternative: str
    win_rate: Figure
    rows: Rows
    confidence: float = Field(gt=0.0, lt=1.0)


class JudgeEvidence(Typed):
    """`judge.json` of `judge_report`."""

    win_rate: Figure
    usable_in_gate: bool


class Shown(Typed):
    """Evidence that people read and no rule measures: it must be there, intact and current."""
