"""How records are divided."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from ft_platform.use_case.settings.section import FeatureName, Section

if TYPE_CHECKING:
    from ft_platform.use_case.settings.privacy import Privacy
    from ft_platform.use_case.settings.source import RecordMapping

SMALLEST_TRAIN_SHARE = 0.1
BenchmarkFile = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"\.(txt|jsonl)$")]


class Splits(Section):
    """How records are divided. Every group of related records stays on one side."""

    strategy: Literal["random", "temporal", "given"] = Field(
        default="random",
        description=(
            "`random`: by a hash of seed and group. `temporal`: the newest groups by `record.date` are for test,"
            " those before them for validation; no training record is newer. `given`: by the feature `given_by`, for"
            " data with an official test split."
        ),
    )
    given_by: FeatureName | None = Field(
        default=None,
        description=(
            "Name in `record.features` whose value is the side of the record: `train`, `validation` or `test`"
            " (`given`). If no record is given for validation, `validation_fraction` or `validation_rows` of the"
            " training records become validation. Records related to one on a later side are removed."
        ),
    )
    validation_fraction: float = Field(
        default=0.15, gt=0.0, lt=0.5, description="Share of records in (0, 0.5) for validation and early stopping."
    )
    test_fraction: float = Field(
        default=0.2,
        gt=0.0,
        lt=0.5,
        description=("Share of records in (0, 0.5) for the test split, used only in evaluation."),
    )
    validation_rows: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Number of records instead of `validation_fraction`."
    )
    test_rows: int | None = Field(
        default=None, ge=1, le=10_000_000, description="Number of records instead of `test_fraction`."
    )
    seed: int = Field(
        default=17,
        ge=0,
        le=2**31 - 1,
        description="Seed of the division (`random`). A different seed divides all records differently.",
    )
    sticky: bool = Field(
        default=True,
        description=(
            "A record keeps its side in the newest version, even when data grows (`random`). If a new record joins"
            " groups on different sides, all go to test if one of them is there, else to validation."
        ),
    )
    stratify: bool = Field(default=True, description="Keep label shares equal on all sides (classification, `random`).")
    max_label_shift: float = Field(
        default=0.2,
        gt=0.0,
        le=1.0,
        description=(
            "Largest total variation distance in (0, 1] between the label shares of a side and of all records"
            " (classification). 1: no limit."
        ),
    )
    group_by_subject: bool = Field(default=True, description="Keep all records of a person on one side.")
    group_by_features: list[FeatureName] = Field(
        default=[],
        max_length=20,
        description=(
            "Names in `record.features`, e.g. a conversation's id: records with the same value stay on one side."
        ),
    )
    near_duplicate_threshold: float = Field(
        default=0.7,
        ge=0.5,
        le=1.0,
        description="Jaccard similarity in [0.5, 1] from which two texts must stay on one side.",
    )
    paraphrases: Literal["ignore", "ngrams", "sentence_model"] = Field(
        default="ignore",
        description=(
            "Whether paraphrases must also stay on one side. `ngrams`: by vectors of character n-grams, learned from"
            " the texts; finds another word order, few inflections, hardly any synonyms. `sentence_model`: by the"
            " vectors of `sentence_model`."
        ),
    )
    sentence_model: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description=(
            "Local folder of a transformers encoder with tokenizer and safetensors, on every machine that runs a"
            " stage. `hf download <org/name> --local-dir <folder>` makes one."
        ),
    )
    paraphrase_similarity: float = Field(
        default=0.9,
        ge=0.5,
        le=1.0,
        description=("Cosine in [0.5, 1] of two vectors from which two texts count as paraphrases; see `paraphrases`."),
    )
    benchmark_files: list[BenchmarkFile] = Field(
        default=[],
        max_length=100,
        description=(
            "Local files with benchmark texts: records that contain one are removed. `.txt`: one text per line;"
            " `.jsonl`: every string of a line is a text."
        ),
    )
    min_rows_per_label: int = Field(
        default=5, ge=3, le=100_000, description="Fewest records of a label; see `rare_labels`."
    )
    rare_labels: Literal["error", "drop", "other"] = Field(
        default="error",
        description="Labels below `min_rows_per_label`: stop, drop their records, or merge them into `other`.",
    )

    def problems_with(self, record: "RecordMapping", privacy: "Privacy") -> list[str]:
        """What does not fit together, in words for the author of the YAML."""
        problems = []
        if (
            self.validation_rows is None
            and self.test_rows is None
            and self.validation_fraction + self.test_fraction > 1 - SMALLEST_TRAIN_SHARE - 1e-9
        ):
            problems.append(
                f"`splits.validation_fraction` + `splits.test_fraction` must leave more than {SMALLEST_TRAIN_SHARE} for"
                " training"
            )
        if (self.paraphrases == "sentence_model") != (self.sentence_model is not None):
            problems.append("`splits.sentence_model` and `splits.paraphrases: sentence_model` need each other")
        if self.strategy == "temporal" and not record.date:
            problems.append("`record.date` is needed for `splits.strategy: temporal`")
        if (self.strategy == "given") != (self.given_by is not None):
            problems.append("`splits.strategy: given` and `splits.given_by` need each other")
        if self.given_by and self.given_by not in record.features:
            problems.append(
                f"`splits.given_by` names {self.given_by!r}, not among `record.features` {sorted(record.features)}"
            )
        if self.given_by and (self.given_by in privacy.columns or self.given_by in privacy.quasi_identifiers):
            problems.append(
                f"`splits.given_by` names {self.given_by!r}, which `privacy.columns` or `privacy.quasi_identifiers`"
                " changes"
            )
        if self.given_by and self.given_by in self.group_by_features:
            problems.append(
                f"`splits.given_by` and `splits.group_by_features` both name {self.given_by!r}: all records of a side"
                " would be one group"
            )
        if unknown := sorted(set(self.group_by_features) - set(record.features)):
            problems.append(
                f"`splits.group_by_features` names {unknown}, not among `record.features` {sorted(record.features)}"
            )
        if emptied := sorted(name for name in self.group_by_features if privacy.columns.get(name) == "drop"):
            problems.append(
                f"`splits.group_by_features` names {emptied}, which `privacy.columns` empties; use `pseudonym` there"
            )
        return problems
