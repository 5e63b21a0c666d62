"""How personal data is found and replaced."""

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from ft_platform.use_case.settings.file_names import file_names
from ft_platform.use_case.settings.section import FeatureName, LabelName, Section
from ft_platform.use_case.settings.source import RecordMapping

EntityName = Annotated[str, StringConstraints(min_length=1, max_length=60)]
OperatorName = Literal["pseudonym", "surrogate", "redact", "mask", "generalize", "date_shift", "keep"]
"""Files in `privacy/operators/`."""
NerName = Literal["spacy", "transformers", "gliner", "none"]
"""Files in `privacy/ner/`, and `none`."""
QuasiIdentifierKind = Literal["age", "number", "date", "postal_code", "category"]
"""Functions in `privacy/hierarchies.py`."""

RECOGNIZERS = "ft_platform.privacy.recognizers"
"""Package whose files are the entities of the platform: `recognizers/iban.py` finds IBAN."""

DATES = ("DATE", "DATE_OF_BIRTH", "DATE_TIME")
GENERALIZABLE = (*DATES, "ADDRESS", "AGE", "IP_ADDRESS")
"""Entities of which a coarser value can be made: a band, a month, a region, a network."""
FITTING = {"date_shift": DATES, "generalize": GENERALIZABLE}
"""Operators that make sense for some entities only."""


CustomName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z_]{1,40}$")]
Reason = Annotated[str, StringConstraints(pattern=r"\w", min_length=10, max_length=1000)]
"""Why something is not measured or not looked for, in a sentence that reports repeat."""


def entity_names() -> list[str]:
    """Every entity that `privacy.entities` and `privacy.operators` of any use case may name, beside its own."""
    return [name.upper() for name in file_names(RECOGNIZERS)]


class CustomEntity(Section):
    """An entity of this use case: what matches a pattern or stands in a list."""

    pattern: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        default=None,
        description="Regular expression (Python's `re`); the whole match is the finding, e.g. `EMP-[0-9]{6}`.",
    )
    words: list[Annotated[str, StringConstraints(min_length=2, max_length=200)]] = Field(
        default_factory=list,
        max_length=20_000,
        description="Words and phrases to find as whole words, e.g. project names.",
    )
    ignore_case: bool = Field(default=False, description="Ignore upper and lower case.")

    @field_validator("pattern")
    @classmethod
    def a_pattern_is_a_pattern(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise ValueError(f"`{pattern}` is not a regular expression: {error}") from None
        if compiled.search(""):
            raise ValueError(f"`{pattern}` matches the empty text, so it would match everywhere")
        return pattern

    @model_validator(mode="after")
    def something_is_looked_for(self) -> "CustomEntity":
        if self.pattern is None and not self.words:
            raise ValueError("it needs a `pattern` or `words`")
        if any(not any(c.isalnum() for c in word) for word in self.words):
            raise ValueError("`words` has an entry without a letter or digit")
        return self


NOT_IN_ANONYMIZATION = ("gold", "without_quasi_identifiers", "min_recall", "special_categories")
"""Fields of `Privacy` that change no record."""


class Privacy(Section):
    """How personal data is found and replaced."""

    entities: list[EntityName] = Field(
        default_factory=list,
        max_length=100,
        description="Entities to look for. Empty: all that have a recognizer (`ft schema entities` lists them).",
    )
    left_out: dict[EntityName, Reason] = Field(
        default_factory=dict,
        max_length=100,
        description=(
            "Entity that is not looked for -> reason. Every default entity that `entities` does not name, or that"
            " `operators` keeps, needs a reason here; the data report repeats it."
        ),
    )
    custom: dict[CustomName, CustomEntity] = Field(
        default_factory=dict,
        max_length=50,
        description=(
            "Entities that only this use case has, e.g. `EMPLOYEE_ID: {pattern: 'EMP-[0-9]{6}'}`. They are looked for"
            " in addition to `entities`, and `operators` may name them."
        ),
    )
    ner: NerName = Field(
        default="none",
        description=(
            "Another model for names in free text, beside the built-in one: a `spacy` pipeline, a token classification"
            " model (`transformers`), or a `gliner` model. It may find a few more and takes several times as long."
        ),
    )
    ner_model: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        default=None,
        description=(
            "Model of the engine: a folder (absolute path), a Hugging Face id `org/name@commit`, or for `spacy` an"
            " installed package. Required for `transformers` and `gliner`. Default for `spacy`: the small English"
            " model."
        ),
    )
    strictness: Literal["balanced", "strict"] = Field(
        default="balanced",
        description=(
            "`strict` also replaces every capitalized word that is no everyday English word (UNKNOWN_NAME) and every"
            " number of three digits or more that is no year or amount (NUMBER). Texts lose product names and"
            " references with it."
        ),
    )
    min_score: float = Field(
        default=0.5, ge=0.0, le=1.0, description="Confidence in [0, 1] from which a finding counts."
    )
    operators: dict[EntityName, OperatorName] = Field(
        default_factory=dict,
        max_length=100,
        description=(
            "Entity -> what replaces it. `pseudonym`: `<PERSON_k3f9q2ab>`, the same for the same original;"
            " `surrogate`: a fictitious value of the same kind; `redact`: `<PERSON>`; `mask`: all but the last"
            " characters; `generalize`: age band, month or year, postal region, network; `date_shift`: dates of a"
            " person move by the same number of days; `keep`: nothing."
        ),
    )
    default_operator: Literal["pseudonym", "surrogate", "redact", "mask"] = Field(
        default="pseudonym", description="What replaces entities that `operators` does not name."
    )
    mask_keep_last: int = Field(
        default=4,
        ge=0,
        le=8,
        description="`mask`: letters and digits kept at the end; never more than a third of them.",
    )
    date_shift_days: int = Field(
        default=180,
        ge=1,
        le=3650,
        description=(
            "`date_shift`: most days that a date moves, forwards or backwards. All dates of a person move alike."
        ),
    )
    age_band_years: int = Field(
        default=10,
        ge=2,
        le=50,
        description="`generalize`: years in the band of an age; 90 and older is one band (45 CFR 164.514(b)).",
    )
    generalize_dates_to: Literal["month", "year"] = Field(
        default="year", description="`generalize`: what to keep of a date."
    )
    pseudonym_characters: int = Field(
        default=8,
        ge=8,
        le=16,
        description=(
            "Characters of a pseudonym in a text, 5 bits each. Probability that two of a million persons share one: 37"
            " % with 8, 0.00004 % with 12."
        ),
    )
    key_version: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description=(
            "Version of the pseudonym key (`ft keys list`). 0: the newest, so that `ft keys rotate` takes effect on the"
            " next run."
        ),
    )
    vault: bool = Field(
        default=False,
        description=(
            "Keep the originals of pseudonyms and surrogates, encrypted, for whoever has the vault key (`ft vault"
            " read`)."
        ),
    )
    columns: dict[FeatureName, Literal["drop", "pseudonym"]] = Field(
        default_factory=dict,
        max_length=200,
        description=(
            "Feature that identifies a person directly -> `drop` (empty it) or `pseudonym` (replace it by a keyed"
            " pseudonym)."
        ),
    )
    allowed_values: dict[FeatureName, Annotated[list[LabelName], Field(max_length=10_000)]] = Field(
        default_factory=dict,
        max_length=200,
        description=(
            "Feature (or `label`) -> its values. Any other value is emptied and counted; these are not scanned for"
            " names and identifiers. A column that is not named here is scanned, and stops the stage if it contains"
            " any, or a feature more than 200 different values."
        ),
    )
    quasi_identifiers: dict[FeatureName, QuasiIdentifierKind] = Field(
        default_factory=dict,
        max_length=12,
        description=(
            "Feature (or `record_date`) that identifies a person together with others -> kind, which says how it is"
            " made coarser until `k` persons share each combination. If empty, `without_quasi_identifiers` must say"
            " why, unless there are no columns beside text and label."
        ),
    )
    without_quasi_identifiers: Reason | None = Field(
        default=None,
        description=(
            "Why no columns together identify a person, if `quasi_identifiers` is empty. k-anonymity is not measured"
            " then, and every report says so and gives this reason. Without either, the check `is_k_anonymous` fails"
            " and nothing is trained; only records of one text and a label, which no other column goes with, need none."
        ),
    )
    k: int = Field(
        default=5,
        ge=2,
        le=100_000,
        description=(
            "Fewest persons with the same combination of quasi-identifiers. A row without a subject counts as one"
            " person."
        ),
    )
    max_not_k_anonymous_percent: float = Field(
        default=5.0,
        ge=0.0,
        le=100.0,
        description="Percent of rows that may be removed (`not_k_anonymous`) instead of making a column coarser.",
    )
    min_recall: float = Field(
        default=0.9,
        ge=0.5,
        le=0.99,
        description=(
            "Share of personal data that the recognizers must find: all together in records that a person marks in the"
            " portal, every entity alone in annotated texts (`gold`, by character). A version with less is refused; a"
            " release needs the lower end of the interval above it."
        ),
    )
    cache_findings: bool = Field(
        default=True,
        description=(
            "Remember where findings are in a text (offsets behind a keyed hash, no text; `<home>/findings`), so that"
            " the next version scans only new texts."
        ),
    )
    gold: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        default=None,
        description=(
            "Annotated texts for measuring `min_recall`: the name of a file that `ft privacy sample` drew and people"
            " filled in, or a file beside this YAML in the same format. For a release, only texts from the records"
            " count. Default: records that a person marks in the portal; before that, sentences that the platform"
            " generates, which count if it generated the records too (`sample://`), or if `policy.own_recall_from`"
            " lets them."
        ),
    )
    special_categories: bool | None = Field(
        default=None,
        description=(
            "Whether texts may tell of health, origin, belief, political opinion, trade unions, sex life, genes or"
            " crimes (articles 9 and 10 GDPR). If so, or if the file does not say, recall is measured on records of"
            " your own (`policy.own_recall_from`)."
        ),
    )
    max_residual_percent: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        description=(
            "Percent of anonymized records in which a second scan may still find a direct identifier; with more, the"
            " version is refused."
        ),
    )

    @field_validator("operators")
    @classmethod
    def operators_fit_entities(cls, operators: dict[str, str]) -> dict[str, str]:
        wrong = [
            f"`{operator}` does not work for {entity}, only for {', '.join(FITTING[operator])}"
            for entity, operator in operators.items()
            if operator in FITTING and entity not in FITTING[operator]
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return operators

    @model_validator(mode="after")
    def an_engine_has_its_model(self) -> "Privacy":
        if self.ner in ("transformers", "gliner") and self.ner_model is None:
            raise ValueError(f"`ner: {self.ner}` needs `ner_model`, a folder or a Hugging Face id")
        if self.ner == "none" and self.ner_model is not None:
            raise ValueError("`ner_model` is set, but `ner` is none")
        return self

    @model_validator(mode="after")
    def a_column_has_one_treatment(self) -> "Privacy":
        for other in ("quasi_identifiers", "allowed_values"):
            both = sorted(set(self.columns) & set(getattr(self, other)))
            if both:
                raise ValueError(
                    f"`privacy.columns` and `privacy.{other}` both name {both}: a column is one or the other"
                )
        return self

    @model_validator(mode="after")
    def reasons_contradict_nothing(self) -> "Privacy":
        if self.quasi_identifiers and self.without_quasi_identifiers:
            raise ValueError(
                "`privacy.quasi_identifiers` names columns, but `privacy.without_quasi_identifiers` says why there"
                " are none: remove one"
            )
        if both := sorted({*self.entities, *self.custom} & set(self.left_out)):
            raise ValueError(f"`privacy.left_out` names {both}, which are looked for: remove them from one")
        return self

    @property
    def in_anonymization(self) -> "Privacy":
        """The part that changes records. What is only measured or stated makes no other table: its checks are made
        again, nothing else."""
        measured = {name: Privacy.model_fields[name].default for name in NOT_IN_ANONYMIZATION}
        return self.model_copy(update={**measured, "left_out": dict.fromkeys(self.left_out, "")})

    def problems_with(self, record: RecordMapping) -> list[str]:
        """What does not fit the columns of a record, as sentences."""
        problems = []
        fields = {
            "columns": (set(record.features), "`record.features`"),
            "quasi_identifiers": (
                {*record.features, *(["record_date"] if record.date else [])},
                "`record.features`, and `record_date` if it is mapped",
            ),
            "allowed_values": (
                {*record.features, *(["label"] if record.label else [])},
                "`record.features`, and `label` if it is mapped",
            ),
        }
        for field, (allowed, words) in fields.items():
            unknown = sorted(set(getattr(self, field)) - allowed)
            if unknown:
                problems.append(f"`privacy.{field}` names {unknown}, not among {sorted(allowed)} ({words})")
        return problems
