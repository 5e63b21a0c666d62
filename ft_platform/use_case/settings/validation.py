"""Great Expectations suites."""

from typing import Any, Literal

from pydantic import Field

from ft_platform.use_case.settings.section import Section


class Expectation(Section):
    """One Great Expectations rule on a table."""

    table: Literal["cleaned_records", "splits"] = Field(description="Table to check.")
    expectation: str = Field(
        pattern=r"^expect_[a-z_]+$",
        max_length=200,
        description="Name of the expectation in Great Expectations, e.g. `expect_column_values_to_not_be_null`.",
    )
    kwargs: dict[str, Any] = Field(
        default_factory=dict,
        max_length=50,
        description="Arguments of the expectation, named as in Great Expectations.",
    )


class Validation(Section):
    """Great Expectations suites. The defaults of each stage always run; these are added.

    A record that does not meet an expectation on `cleaned_records` goes to `quarantined_records`, where the expectation
    is about single records and allows no exception (`mostly` is 1).
    """

    min_rows: int = Field(default=20, ge=1, le=1_000_000_000, description="Fewest rows of `cleaned_records`.")
    expectations: list[Expectation] = Field(
        default_factory=list, max_length=500, description="Additional expectations."
    )
    max_quarantined_percent: float = Field(
        default=0.0,
        ge=0,
        lt=100,
        description=(
            "Percent of the judged records that may be quarantined; more stop the graph. 0: a single one stops it."
        ),
    )
