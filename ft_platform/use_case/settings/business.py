"""Business figures of a use case: what `roi_report` works out its value from. Each is an assumption and is called one
in every report."""

from datetime import date
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from ft_platform.use_case.settings.file_names import NameOfFile
from ft_platform.use_case.settings.section import ColumnName, Section
from ft_platform.use_case.settings.source import DATABASES, FORMATS

DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


class Measurements(Section):
    """A file of measurements from before and after the model was introduced."""

    uri: str = Field(
        min_length=1,
        max_length=4000,
        description="One file: a local path or an fsspec URI (`s3://...`) on the list of allowed sources.",
    )
    format: Annotated[str, NameOfFile(FORMATS, others=("auto",), without=("delta",))] = Field(
        default="auto", description="File format. `auto`: by file extension."
    )
    date: ColumnName = Field(default="date", description="Column with the day or time of a measurement.")
    metric: ColumnName = Field(
        default="metric",
        description=(
            "Column with what was measured: `customer_satisfaction`, `employee_productivity`, `minutes_per_case`"
            " (working time) or `accuracy`."
        ),
    )
    value: ColumnName = Field(default="value", description="Column with the measured number.")
    period: ColumnName | None = Field(
        default=None,
        description=(
            "Column that says `before` or `after`. Default: compare the row's day with `business.introduced_on`."
        ),
    )
    case: ColumnName | None = Field(
        default=None, description="Column with the id of a case; a duplicate is an error. Default: none."
    )
    opened_at: ColumnName | None = Field(
        default=None,
        description=(
            "Column with the time a case was opened; together with `closed_at` instead of `date`, `metric` and"
            " `value`. Default: none."
        ),
    )
    closed_at: ColumnName | None = Field(
        default=None,
        description=("Column with the time a case was closed; empty while the case is open. Default: none."),
    )
    working_time: bool = Field(
        default=False,
        description=(
            "Whether somebody works on the case from opening to closing, so the time costs money. Otherwise it is how"
            " long a customer waits."
        ),
    )
    time_format: str = Field(
        default="",
        max_length=100,
        description="Format of days and times, as for Python's strptime, e.g. `%m/%d/%Y %H:%M`. Empty: ISO 8601.",
    )

    @field_validator("uri")
    @classmethod
    def is_no_database(cls, uri: str) -> str:
        if "://" in uri and uri.split("://", 1)[0].split("+")[0].lower() in DATABASES:
            raise ValueError("measurements must come from a file: export the table first")
        return uri

    @model_validator(mode="after")
    def has_one_form(self) -> "Measurements":
        if (self.opened_at is None) != (self.closed_at is None):
            raise ValueError("`opened_at` and `closed_at` need each other")
        if self.working_time and self.opened_at is None:
            raise ValueError("`working_time` needs `opened_at` and `closed_at`")
        return self


class Business(Section):
    """What the work costs with and without the model. All of it may be left out: what then cannot be worked out is
    shown as not measured."""

    volume_per_month: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000_000,
        description=("Cases per month, with or without the model. Default: not declared."),
    )
    adoption: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description=("Share of cases in [0, 1] that the model answers. Default: not declared."),
    )
    minutes_without: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Working minutes per case without the model. Default: not declared, or measured.",
    )
    minutes_with: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description=(
            "Working minutes per case that the model answers, including the check. Default: not declared, or measured."
        ),
    )
    cost_per_hour: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Cost of an hour of work, in the currency of the environment. Default: not declared.",
    )
    accuracy_without: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description=(
            "Share of cases in [0, 1] that people get right without the model. Default: not declared, or measured."
        ),
    )
    cost_of_error: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000_000,
        description="Cost of a wrongly handled case, in the currency of the environment. Default: not declared.",
    )
    investment: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000_000_000,
        description=(
            "One-time cost of introducing the model, in the currency of the environment; the programs in the ledger"
            " are added. Default: not declared."
        ),
    )
    api_price_per_1000: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description=(
            "Another provider's price for 1,000 requests to a prompted model, in the same currency. Default: none."
        ),
    )
    uncertainty: float = Field(
        default=0.2,
        ge=0,
        le=0.9,
        description=(
            "How far each assumption may be off, as a share in [0, 0.9]; used in intervals and in the sensitivity"
            " analysis."
        ),
    )
    introduced_on: str | None = Field(
        default=None,
        pattern=DAY,
        max_length=10,
        description=(
            "Day (YYYY-MM-DD) on which the model was introduced: measurements from then on count as after. Default:"
            " not yet."
        ),
    )
    measurements: list[Measurements] = Field(
        default_factory=list, max_length=20, description="Files with measurements. Empty: nothing was measured."
    )

    @field_validator("introduced_on", mode="before")
    @classmethod
    def is_a_day(cls, value: Any) -> Any:
        """YAML reads an unquoted day as a date."""
        if isinstance(value, date):
            return value.isoformat()[:10]
        if isinstance(value, str):
            try:
                date.fromisoformat(value)
            except ValueError:
                raise ValueError("must be a day in the form YYYY-MM-DD") from None
        return value

    @model_validator(mode="after")
    def knows_what_is_after(self) -> "Business":
        if self.introduced_on is None and any(one.period is None for one in self.measurements):
            raise ValueError("`business.introduced_on` is needed for measurements without a `period` column")
        return self
