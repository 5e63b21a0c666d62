"""Which records may be used."""

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from ft_platform.use_case.settings.section import ColumnName, Section
from ft_platform.use_case.settings.source import DATABASES, RecordMapping

LedgerField = Literal[
    "subject", "status", "purpose", "lawful_basis", "jurisdiction", "withdrawn", "valid_from", "valid_until"
]
Value = Annotated[str, StringConstraints(min_length=1, max_length=300)]
"""A value as the source, the ledger or SPDX writes it."""
TO_BE_STATED = "to be stated"
"""What `ft new` writes where only a person can say what permits the use of the records. It permits nothing."""
MOST_VALUES = 500
LEDGER_DEFAULTS = {"subject": "subject_id", "status": "status"}
DENIED_LICENCES = ["NONE", "NOASSERTION", "unknown", "CC-*-NC*", "CC-*-ND*"]
"""SPDX 2.3, clause 7.13: NONE is no licence, NOASSERTION one that nobody has looked at. NC forbids commercial use, ND
adaptations (creativecommons.org/licenses)."""


class Governance(Section):
    """Which records may be used at all. What is not positively permitted is removed, with its reason."""

    purpose: str = Field(
        min_length=3,
        max_length=300,
        description=("What the records are used for; must be among a record's purposes if `record.purpose` is mapped."),
    )
    accepted_consent: list[Value] = Field(
        default_factory=list,
        max_length=MOST_VALUES,
        description=(
            "Values of `record.consent`, and of the status in the ledger, that permit use. Any other value, or an"
            " empty one, removes the record."
        ),
    )
    without_consent_column: Literal["refuse", "ledger", "lawful_basis", "licence"] = Field(
        default="refuse",
        description=(
            "What permits the use of a source that has no consent column: nothing (`refuse`), the `consent_ledger`, one"
            " of `lawful_bases_without_consent`, or the `licence` of a published dataset."
        ),
    )
    consent_ledger: str | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description=(
            "Table with one row per person, looked up by `record.subject`: a CSV, JSON Lines or Parquet file or a"
            " Delta table, as a path or fsspec URI (`s3://...`), or the URL of a database with `ledger_table`."
            " Records of a person who is not in it, or whose row does not permit this use, are removed. Every run"
            " reads it again."
        ),
    )
    ledger_table: str | None = Field(
        default=None,
        min_length=1,
        max_length=400,
        description="Table or view of the database that `consent_ledger` names, as `name` or `schema.name`.",
    )
    ledger_password_variable: str | None = Field(
        default=None,
        pattern=r"^[A-Z_][A-Z0-9_]*$",
        max_length=100,
        description="Environment variable with the password of the ledger's database.",
    )
    ledger_columns: dict[LedgerField, ColumnName] = Field(
        default_factory=dict,
        max_length=8,
        description=(
            "Columns of the ledger by meaning: `subject` (default `subject_id`), `status` (default `status`), and if"
            " the ledger has them, `purpose` (separated by `;`), `lawful_basis`, `jurisdiction`, `withdrawn`,"
            " `valid_from` and `valid_until` (YYYY-MM-DD, both days included)."
        ),
    )
    lawful_bases: list[Value] = Field(
        default_factory=list,
        max_length=MOST_VALUES,
        description=(
            "Lawful bases that permit use, e.g. `consent`, `contract`; for `record.lawful_basis` or the ledger's"
            " column."
        ),
    )
    lawful_bases_without_consent: list[Value] = Field(
        default_factory=list,
        max_length=MOST_VALUES,
        description=("Those of `lawful_bases` that permit use without consent. A withdrawal still removes the record."),
    )
    jurisdictions: list[Value] = Field(
        default_factory=list,
        max_length=MOST_VALUES,
        description=(
            "Jurisdictions whose records may be used, e.g. `DE`; for `record.jurisdiction` or the ledger's column."
        ),
    )
    licence: str | None = Field(
        default=None,
        max_length=200,
        description=(
            "Licence of the dataset: an SPDX id (`CC-BY-4.0`), or `proprietary` for your own data. Required unless"
            " `record.licence` is mapped; a licence in `denied_licences` is an error."
        ),
    )
    accepted_licences: list[Value] = Field(
        default_factory=list, max_length=MOST_VALUES, description="Values of `record.licence` that permit use."
    )
    denied_licences: list[Value] = Field(
        default=DENIED_LICENCES,
        max_length=MOST_VALUES,
        description=(
            "Licences that nothing may be trained on, in upper or lower case; `*` matches any characters. They take"
            " precedence over `accepted_licences`."
        ),
    )
    max_removed_share: float = Field(
        default=0.9,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share in [0, 1] of records that may be refused; more stop the stage. Older versions of a changed"
            " record do not count."
        ),
    )

    @model_validator(mode="after")
    def ledger_is_a_file_or_a_table(self) -> "Governance":
        is_database = (self.consent_ledger or "").partition("://")[0].partition("+")[0] in DATABASES
        if is_database and not self.ledger_table:
            raise ValueError("`ledger_table` is needed for a ledger in a database")
        if (self.ledger_table or self.ledger_password_variable) and not is_database:
            raise ValueError(
                "`ledger_table` and `ledger_password_variable` are only for a database; `consent_ledger` must begin"
                f" with one of {', '.join(DATABASES)}"
            )
        return self

    @property
    def licence_in_words(self) -> str:
        return self.licence or "stated by each record"

    @model_validator(mode="after")
    def permission_is_stated(self) -> "Governance":
        if self.without_consent_column == "licence" and not (self.licence or "").strip():
            raise ValueError("`without_consent_column: licence` needs `licence`")
        if self.without_consent_column == "ledger" and not self.consent_ledger:
            raise ValueError("`without_consent_column: ledger` needs `consent_ledger`")
        if self.without_consent_column == "lawful_basis" and not self.lawful_bases_without_consent:
            raise ValueError("`without_consent_column: lawful_basis` needs `lawful_bases_without_consent`")
        if not self.accepted_consent and (self.without_consent_column in ("refuse", "ledger") or self.consent_ledger):
            raise ValueError("`accepted_consent` needs at least one value, or set `without_consent_column: licence`")
        if unknown := sorted(set(self.lawful_bases_without_consent) - set(self.lawful_bases)):
            raise ValueError(f"`lawful_bases_without_consent` names {unknown}, not among `lawful_bases`")
        if self.licence and self.denies(self.licence):
            raise ValueError(
                f"`governance.licence` {self.licence!r} is in `governance.denied_licences`: this dataset may not be"
                " used for training"
            )
        return self

    def denies(self, licence: str) -> bool:
        """Whether a licence is on the deny list."""
        name = licence.strip().casefold()
        return any(fnmatchcase(name, pattern.strip().casefold()) for pattern in self.denied_licences)

    def unstated(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Places where a person has not said yet what permits the use of the records, each with the question."""
        questions = {
            (
                "licence",
            ): "what is the licence of the dataset? An SPDX id such as `CC-BY-4.0`, or `proprietary` for your own"
            " records",
            ("accepted_consent", 0): "which values of the consent column permit this use?",
            ("accepted_licences", 0): "which values of the licence column permit this use?",
        }
        values = {("licence",): self.licence} | {
            (name, 0): next(iter(getattr(self, name)), None) for name in ("accepted_consent", "accepted_licences")
        }
        return [
            (place, f"is still to be stated: {questions[place]}") for place, v in values.items() if v == TO_BE_STATED
        ]

    def ledger_fields(self) -> dict[str, str]:
        """What the ledger holds -> its column there; `subject` and `status` always."""
        return {**LEDGER_DEFAULTS, **self.ledger_columns}

    def problems_with(self, record: RecordMapping) -> list[str]:
        """What does not fit together between this section and the mapping of the records. Empty: all does."""
        problems = []
        if not (self.licence or "").strip() and not record.licence:
            problems.append(
                "`governance.licence` is not stated: name the licence of the dataset (SPDX id, or `proprietary` for"
                " your own data)"
            )
        if self.consent_ledger and not record.subject:
            problems.append(
                "`governance.consent_ledger` is looked up by person: name the person's column in `record.subject`"
            )
        if self.ledger_columns and not self.consent_ledger:
            problems.append("`governance.ledger_columns` needs `governance.consent_ledger`")
        if self.without_consent_column == "lawful_basis" and not record.lawful_basis:
            problems.append("`governance.without_consent_column: lawful_basis` needs `record.lawful_basis`")
        ledger = self.ledger_columns if self.consent_ledger else {}
        lists = [
            ("lawful_basis", "lawful_bases", self.lawful_bases, record.lawful_basis or ledger.get("lawful_basis")),
            ("jurisdiction", "jurisdictions", self.jurisdictions, record.jurisdiction or ledger.get("jurisdiction")),
            ("licence", "accepted_licences", self.accepted_licences, record.licence),
        ]
        for column, setting, accepted, mapped in lists:
            if mapped and not accepted:
                problems.append(f"`{column}` is mapped: name the accepted values in `governance.{setting}`")
            if accepted and not mapped:
                problems.append(f"`governance.{setting}` is set, but no column is mapped for it: map `record.{column}`")
        return problems
