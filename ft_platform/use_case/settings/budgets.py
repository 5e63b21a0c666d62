"""What programs may cost in a month."""

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Budgets(BaseModel):
    """Most money that programs may cost in a calendar month (UTC), in the currency of the compute profiles."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    per_month: float | None = Field(
        default=None, ge=0.0, description=("Limit for all use cases together. Default: no limit.")
    )
    per_use_case: float | None = Field(
        default=None, ge=0.0, description=("Limit for each use case that `use_cases` does not name. Default: no limit.")
    )
    use_cases: dict[str, float] = Field(
        default_factory=dict, description="Limits of single use cases by name, each 0 or more."
    )

    @field_validator("use_cases")
    @classmethod
    def are_not_negative(cls, value: dict[str, float]) -> dict[str, float]:
        if wrong := sorted(name for name, limit in value.items() if not limit >= 0):
            raise ValueError(f"limits must be 0 or more: {wrong}")
        return value

    def of(self, use_case: str) -> float | None:
        """The limit of one use case."""
        return self.use_cases.get(use_case, self.per_use_case)
