"""Great Expectations suites."""

from typing import Any, Literal

from pydantic import Field

from ft_platform.settings.section import Section


class Expectation(Section):
    """One Great Expectations rule on a table."""

    table: Literal["cleaned_records", "splits"] = Field(description="Table the expectation is about.")
    expectation: str = Field(pattern=r"^expect_[a-z_]+$", description="Name in Great Expectations, e.g. `expect_column_values_to_not_be_null`.")
    kwargs: dict[str, Any] = Field(default_factory=dict, description="Arguments of the expectation, in Great Expectations' own names.")


class Validation(Section):
    """Great Expectations suites. The defaults of each stage always run; these are added."""

    min_rows: int = Field(default=20, ge=1, le=1_000_000_000, description="Fewest rows that `cleaned_records` may have.")
    expectations: list[Expectation] = Field(default_factory=list, description="Additional expectations.")
