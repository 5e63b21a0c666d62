"""What an installation asks of signatures and waivers."""

from pydantic import Field, model_validator

from ft_platform.settings.section import Section


class Signatures(Section):
    """Whose signatures and waivers count, for how long, and who is told when one is late."""

    signed_in: bool = Field(
        default=False,
        description=(
            "Count only persons who signed in (`ft ui`); `--by` on a terminal names somebody without a proof. Default:"
            " false, for a machine without logins."
        ),
    )
    confirm_waivers: bool = Field(
        default=False,
        description=(
            "A waiver counts only once a second person of its role, or the superior, has confirmed it (`ft waiver"
            " confirm`). Default: false, because without logins nobody can tell two persons apart."
        ),
    )
    valid_days: int = Field(
        default=365, ge=1, le=3660, description="Days after which a signature or a waiver counts no more. Default: 365."
    )
    remind_days: int = Field(
        default=3, ge=1, le=365, description="Days after which somebody who has not signed is reminded. Default: 3."
    )
    escalate_days: int = Field(
        default=7,
        ge=2,
        le=730,
        description="Days after which the superior is told (`people.superiors`). Default: 7.",
    )

    @model_validator(mode="after")
    def reminds_first(self) -> "Signatures":
        if self.escalate_days <= self.remind_days:
            raise ValueError("`escalate_days` must be above `remind_days`")
        return self
