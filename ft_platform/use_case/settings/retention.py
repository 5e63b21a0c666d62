"""When rows and versions are deleted for good."""

from pydantic import Field

from ft_platform.use_case.settings.section import Section


class Retention(Section):
    """When rows and versions are deleted for good. By default nothing is. What is set here is kept every day, and
    nobody is asked again."""

    expired_days: int | None = Field(
        default=None,
        ge=0,
        le=36_500,
        description=(
            "Days after the last day of a record (`record.expires`, or `valid_until` of the ledger) after which its"
            " rows are deleted from every version. Empty: never."
        ),
    )
    withdrawn: bool = Field(
        default=False,
        description="Rows whose consent was withdrawn are deleted from every version, too, with the next run.",
    )
    quarantined_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description=(
            "Days after which records that are still in quarantine are deleted from every version. Empty: never."
        ),
    )
    versions_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description=(
            "Days after a version of a table was replaced after which its rows are deleted. What a release, a signed"
            " decision, a deployment or a newest version rests on stays. Empty: never."
        ),
    )
    max_share: float = Field(
        default=0.2,
        ge=0.0,
        le=1.0,
        description=(
            "Largest share of the rows of `raw_records`, in [0, 1], that are deleted without the word of a compliance"
            " officer (`ft retention delete --confirm`). Where it would be more, nothing is deleted: a wrong ledger or"
            " date must not empty the lake."
        ),
    )

    @property
    def judges_rows(self) -> bool:
        """Whether what a record states can end with its deletion."""
        return self.expired_days is not None or self.withdrawn

    @property
    def on(self) -> bool:
        """Whether anything is deleted."""
        return self.judges_rows or self.quarantined_days is not None or self.versions_days is not None

    def in_words(self) -> str:
        """The periods that are set; empty: none is."""
        days = {
            "expired records": self.expired_days,
            "quarantine": self.quarantined_days,
            "replaced versions": self.versions_days,
        }
        told = [f"{what} after {count:,} days" for what, count in days.items() if count is not None]
        return ", ".join([*told, *(["withdrawn records at once"] if self.withdrawn else [])])
