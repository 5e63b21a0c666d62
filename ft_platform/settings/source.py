"""Where records come from and which column is what."""

from typing import Literal

from pydantic import Field, model_validator

from ft_platform.settings.section import ColumnName, FeatureName, Section


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
