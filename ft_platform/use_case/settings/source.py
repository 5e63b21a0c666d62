"""Where records come from and which column is what."""

import codecs
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ft_platform.use_case.settings.file_names import NameOfFile
from ft_platform.use_case.settings.section import ColumnName, FeatureName, LabelName, Section

DATABASES = (
    "postgresql",
    "mysql",
    "mariadb",
    "mssql",
    "oracle",
    "sqlite",
    "redshift",
    "snowflake",
    "databricks",
    "trino",
    "duckdb",
)
"""Schemes of URLs that mean a database."""


FORMATS = "ft_platform.sources.formats"
"""Package whose files are the formats of sources."""

NO_FILE_HAS = frozenset(
    {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem", "charmap"}
)
"""Text codecs of Python that are for something else than files."""


class Limits(Section):
    """What a source may hold at most. More ends the run with an error that names the limit: against damaged and hostile
    files."""

    files: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description=(
            "Files of the source, and members of an archive. For a folder or glob, up to ten times as many directory"
            " entries are listed."
        ),
    )
    rows: int = Field(default=100_000_000, ge=1, le=10_000_000_000, description="Rows read in one run, from all files.")
    field_characters: int = Field(
        default=20_000_000,
        ge=1000,
        le=1_000_000_000,
        description="Characters in one field. A JSON object may have eight times as many.",
    )
    unpacked_gib: float = Field(
        default=200.0,
        gt=0.0,
        le=100_000.0,
        description="GiB that archives, and compressed pages of Parquet, unpack to in one run.",
    )
    unpacked_ratio: int = Field(
        default=200,
        ge=2,
        le=100_000,
        description=(
            "Unpacked bytes for each packed byte of a file, and bytes of texts for each byte of a file that repeats"
            " them; counts from 16 MiB on (gzip reaches 1,032)."
        ),
    )
    nesting_depth: int = Field(default=64, ge=2, le=500, description="Nesting depth of lists and mappings in JSON.")
    silent_seconds: int = Field(
        default=300,
        ge=1,
        le=86_400,
        description=(
            "Seconds to wait for the next rows or bytes from a database, object store, catalogue or hub (for a query:"
            " the next 1,000 rows)."
        ),
    )


class FreshTest(Section):
    """Which requests with right answers are kept for testing, beside the test split, which stays as it is."""

    share: float = Field(
        default=0.0,
        ge=0.0,
        le=0.5,
        description=(
            "Share of persons in [0, 0.5], drawn by a hash, whose requests are never learned and test the next models"
            " instead (requests that name nobody are drawn one by one). 0: none."
        ),
    )
    min_records: int = Field(
        default=50,
        ge=10,
        le=100_000,
        description="Fewest fresh records on which models are compared; below it the test split alone counts.",
    )
    max_loss: float = Field(
        default=0.05,
        ge=0.0,
        le=1000.0,
        description=(
            "How much worse than the champion the model may be on the test split, in units of `gate.metric`, with the"
            " whole interval."
        ),
    )

    def hashed(self) -> dict[str, Any]:
        """Nothing while none are kept."""
        return self.model_dump(mode="json") if self.share else {}


class Feedback(Section):
    """Whether requests to the released model, with the right answers that people gave, are learned as well."""

    join: bool = Field(
        default=False,
        description=(
            "Whether batches that a person released (`ft feedback`) are read beside `uri`. They are for training only:"
            " what is related to a validation or test record is left out."
        ),
    )
    max_share: float = Field(
        default=0.2,
        gt=0.0,
        lt=1.0,
        description="Largest share of them among the training records; which ones stay does not depend on their order.",
    )
    fresh_test: FreshTest = Field(
        default_factory=FreshTest, description="Which of them test the next models instead, whether or not others join."
    )

    def hashed(self) -> dict[str, Any]:
        """Nothing while none is learned; what is kept for testing is no record of the source."""
        return self.model_dump(mode="json", exclude={"fresh_test"}) if self.join else {}


class Source(Section):
    """Where the raw records come from."""

    uri: str = Field(
        min_length=1,
        max_length=4000,
        description=(
            "File, folder or glob: a local path or an fsspec URI (`s3://...`). `sample://complaints`,"
            " `sample://feedback` and `sample://support` come with the platform."
        ),
    )
    format: Annotated[str, NameOfFile(FORMATS, others=("auto",))] = Field(
        default="auto",
        description=(
            "File format. `auto`: by the file extension (the one before `.gz` or `.zst`; inside a `.zip`, each file's"
            " own); a local folder with `_delta_log` is a Delta table."
        ),
    )
    table: str | None = Field(
        default=None,
        min_length=1,
        max_length=400,
        description="Table or view of a database, as `name` or `schema.name`.",
    )
    query: str | None = Field(
        default=None,
        min_length=1,
        max_length=20_000,
        description="Query to use instead of `table`; begins with SELECT or WITH.",
    )
    high_water_column: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description=(
            "Column of `table` or `query` with times, dates or numbers that only grow: later runs ask only for rows"
            " from the highest value on."
        ),
    )
    password_variable: str | None = Field(
        default=None,
        pattern=r"^[A-Z_][A-Z0-9_]*$",
        max_length=100,
        description="Environment variable with the password of the database.",
    )
    sheet: str | None = Field(
        default=None, min_length=1, max_length=31, description="Sheet of an Excel file. Default: the first."
    )
    encoding: str = Field(
        default="auto",
        max_length=40,
        description=(
            "Text encoding of CSV and JSON files, e.g. `utf-8`, `cp1252`. `auto`: detected, and shown in the asset."
        ),
    )
    delimiter: str = Field(
        default="auto",
        max_length=4,
        description="Column delimiter of CSV files. `auto`: detected among comma, semicolon, tab and pipe.",
    )
    nul_characters: Literal["refuse", "keep"] = Field(
        default="refuse",
        description=(
            "`refuse`: a text with a NUL character ends the run, because most tools cut the text there. `keep`: the"
            " text is read whole, and cleaning removes the character."
        ),
    )
    not_a_number: Literal["refuse", "missing"] = Field(
        default="refuse",
        description=(
            "NaN and Infinity, in JSON (which does not allow them) and in number columns: `refuse` ends the run,"
            " `missing` reads them as no value."
        ),
    )
    sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description=(
            "SHA-256 (hex) that a source of one file must have. Checksum files (`<file>.sha256`, `SHA256SUMS`) are"
            " used automatically."
        ),
    )
    vanished_rows: Literal["keep", "remove"] = Field(
        default="keep",
        description=(
            "Rows that the source no longer has: `keep` them, or `remove` them from the next version, which reads all"
            " files again as soon as one has changed or vanished."
        ),
    )
    limits: Limits = Field(
        default_factory=Limits,
        description="Limits on the size of the source; the policy of the installation sets ceilings.",
    )

    feedback: Feedback = Field(
        default_factory=Feedback, description="What is learned of requests to the released model."
    )

    def hashed(self) -> dict[str, Any]:
        """What reading the source depends on; which feedback joins is known by its content."""
        return self.model_dump(mode="json", exclude={"feedback"})

    @field_validator("uri")
    @classmethod
    def has_no_control_characters(cls, value: str) -> str:
        if any(unicodedata.category(one) in ("Cc", "Cs") for one in value):
            raise ValueError("must not contain control characters such as NUL, or bytes that are not UTF-8")
        return value

    @field_validator("encoding")
    @classmethod
    def is_an_encoding(cls, value: str) -> str:
        if value == "auto":
            return value
        try:
            found = codecs.lookup(value)
        except (LookupError, ValueError):
            found = None
        if found is None or not found._is_text_encoding or found.name.replace("_", "-") in NO_FILE_HAS:
            raise ValueError(f"{value!r} is not a text encoding: use one such as utf-8, cp1252 or shift_jis")
        return value

    @field_validator("delimiter")
    @classmethod
    def is_one_character(cls, value: str) -> str:
        if value not in ("auto", "\\t") and (len(value) != 1 or value in '"\r\n\0'):
            raise ValueError("must be one character such as `;` or `\\t`, and neither a quote nor the end of a line")
        return value

    @model_validator(mode="after")
    def fits_together(self) -> "Source":
        scheme = self.uri.split("://", 1)[0].split("+")[0].lower() if "://" in self.uri else ""
        if self.table and self.query:
            raise ValueError("name either `source.table` or `source.query`")
        if scheme in DATABASES and not (self.table or self.query):
            raise ValueError("`source.table` or `source.query` is needed for a database")
        if (self.table or self.query or self.password_variable) and scheme not in DATABASES:
            raise ValueError(
                "`source.table`, `query` and `password_variable` are only for a database; `source.uri` must begin"
                f" with one of {', '.join(DATABASES)}"
            )
        if self.high_water_column and not (self.table or self.query):
            raise ValueError("`source.high_water_column` needs `source.table` or `source.query`")
        if self.high_water_column and self.vanished_rows == "remove":
            raise ValueError(
                "`source.vanished_rows: remove` needs all rows, so it cannot be combined with"
                " `source.high_water_column`"
            )
        return self


CHAT_FORMATS: dict[str, dict[str, Any]] = {
    "alpaca": {"text": ["instruction", "input"], "answer": "output", "optional_columns": ["input"]},
    "sharegpt": {"messages": "conversations"},
    "openai": {"messages": "messages", "tools": "tools", "optional_columns": ["tools"]},
    "prompt_completion": {"text": "prompt", "answer": "completion"},
    "preference": {
        "text": "prompt",
        "answer": "chosen",
        "rejected": "rejected",
        "optional_columns": ["prompt", "rejected"],
    },
    "text_label": {"text": "text", "label": "label"},
}
"""Fields that a format of chat data stands for where the use case does not name them."""


class RecordMapping(Section):
    """Which source column becomes which field of a record. Columns that are not named here never enter the platform."""

    chat_format: Literal["columns", "alpaca", "sharegpt", "openai", "prompt_completion", "preference", "text_label"] = (
        Field(
            default="columns",
            description=(
                "Common columns of chat data: sets `text`, `answer`, `messages` or `label` unless you name them."
                " `alpaca`: instruction, input, output. `sharegpt`: conversations. `openai`: messages, tools."
                " `prompt_completion`: prompt, completion. `preference`: prompt, chosen, rejected (see"
                " `training.objective`). `text_label`: text, label. `columns`: only what you name."
            ),
        )
    )
    id: ColumnName | None = Field(
        default=None,
        description=(
            "Column that identifies a record in the source; must be unique. Without it, records are identified by"
            " content."
        ),
    )
    text: ColumnName | Annotated[list[ColumnName], Field(max_length=50)] | None = Field(
        default=None,
        description=(
            "Column or columns with the user's text; several are joined by a blank line (Alpaca: `[instruction,"
            " input]`)."
        ),
    )
    answer: ColumnName | None = Field(default=None, description="Column with the reference answer (generation).")
    rejected: ColumnName | None = Field(
        default=None,
        description=(
            "Column with an answer that people like less than `answer`; the objectives dpo and orpo of"
            " `training.objective` learn from the pair."
        ),
    )
    messages: ColumnName | None = Field(
        default=None,
        description="Column with chat messages, a list of `{role, content}`, instead of `text` and `answer`.",
    )
    tools: ColumnName | None = Field(
        default=None,
        description=(
            "Column with the descriptions of the tools that may be called in `messages`: a JSON list of `{type,"
            " function}` (OpenAI)."
        ),
    )
    label: ColumnName | None = Field(default=None, description="Column with the label (classification).")
    label_names: dict[LabelName, LabelName] = Field(
        default_factory=dict,
        max_length=10_000,
        description=("Label in the source -> label that the model writes. Labels that are not named stay as they are."),
    )
    subject: ColumnName | None = Field(
        default=None,
        description=(
            "Column that identifies the person a record is about; keeps a person's records on one side of the split."
        ),
    )
    date: ColumnName | None = Field(
        default=None,
        description=(
            "Column with the date of the record: YYYY-MM-DD, with or without a time, or a month or a year."
            " `2019/1/13` also works."
        ),
    )
    consent: ColumnName | None = Field(default=None, description="Column with the consent status.")
    purpose: ColumnName | None = Field(
        default=None, description="Column with the purposes consented to, separated by `;`."
    )
    expires: ColumnName | None = Field(
        default=None, description="Column with the date (YYYY-MM-DD) after which the record may not be used."
    )
    withdrawn: ColumnName | None = Field(
        default=None,
        description=(
            "Column that says whether (`true`/`false`) or when (YYYY-MM-DD) consent was withdrawn. Empty: not"
            " withdrawn. Any other value removes the record."
        ),
    )
    lawful_basis: ColumnName | None = Field(
        default=None,
        description="Column with the lawful basis of the processing (GDPR Art. 6(1)); see `governance.lawful_bases`.",
    )
    jurisdiction: ColumnName | None = Field(
        default=None, description="Column with the jurisdiction of the record; see `governance.jurisdictions`."
    )
    licence: ColumnName | None = Field(
        default=None,
        description=(
            "Column with the licence of each record, for collections with several licences; see"
            " `governance.accepted_licences`."
        ),
    )
    features: dict[FeatureName, ColumnName] = Field(
        default_factory=dict,
        max_length=200,
        description="Name -> column of a feature, for fairness and slices. Features never enter a prompt.",
    )
    optional_columns: list[ColumnName] = Field(
        default_factory=list,
        max_length=300,
        description="Columns of this mapping that the source may lack; the field is then empty.",
    )

    @model_validator(mode="before")
    @classmethod
    def columns_of_the_chat_format(cls, values: Any) -> Any:
        preset = CHAT_FORMATS.get(str(values.get("chat_format"))) if isinstance(values, dict) else None
        if not preset:
            return values
        named = {name for name in ("text", "messages") if values.get(name)}
        filled = {name: column for name, column in preset.items() if name not in ("text", "messages") or not named}
        optional = list(dict.fromkeys([*(values.get("optional_columns") or []), *preset.get("optional_columns", [])]))
        return {
            **filled,
            **{k: v for k, v in values.items() if v is not None},
            **({"optional_columns": optional} if optional else {}),
        }

    @model_validator(mode="after")
    def one_way_to_the_text(self) -> "RecordMapping":
        if (self.text is None) == (self.messages is None):
            raise ValueError("name exactly one of `text` (with `answer` or `label`) and `messages`")
        if self.messages is not None and self.answer is not None:
            raise ValueError("`answer` needs `text`; with `messages`, the last assistant message is the answer")
        if self.rejected is not None and self.answer is None:
            raise ValueError("`rejected` needs `answer`")
        if self.tools is not None and self.messages is None:
            raise ValueError("`tools` needs `messages`")
        return self

    def text_columns(self) -> list[str]:
        if self.text is None:
            return []
        return [self.text] if isinstance(self.text, str) else list(self.text)

    def columns(self) -> list[str]:
        """Every source column that the mapping names, in a fixed order, without repeats."""
        single = [
            self.id,
            *self.text_columns(),
            self.answer,
            self.rejected,
            self.messages,
            self.tools,
            self.label,
            self.subject,
            self.date,
            self.consent,
            self.purpose,
            self.expires,
        ]
        return list(
            dict.fromkeys(c for c in [*single, *self.permission_columns().values(), *self.features.values()] if c)
        )

    def permission_columns(self) -> dict[str, str]:
        """Record column -> source column of what is stated about permission beside consent, purpose and expiry, where
        it is mapped."""
        stated = {
            "withdrawn": self.withdrawn,
            "lawful_basis": self.lawful_basis,
            "jurisdiction": self.jurisdiction,
            "licence": self.licence,
        }
        return {name: column for name, column in stated.items() if column}
