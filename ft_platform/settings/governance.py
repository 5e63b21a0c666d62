"""Which records may be used."""

from typing import Literal

from pydantic import Field, model_validator

from ft_platform.settings.section import Section


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
