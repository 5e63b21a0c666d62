"""What an installation asks of signatures and waivers."""

from pydantic import Field, model_validator

from ft_platform.use_case.settings.roles import OwnerRole
from ft_platform.use_case.settings.section import Section


class Signatures(Section):
    """Whose signatures and waivers count, for how long, and who is told when one is late."""

    signed_in: bool | None = Field(
        default=None,
        description=(
            "Count only persons who signed in, in `ft ui` or with their password on a terminal. `--by` alone names"
            " somebody without a proof. The compliance officers are then those of `people.roles` alone. Default: true"
            " once persons can sign in (`ft users`, `sign_in`), else false."
        ),
    )
    confirm_waivers: bool | None = Field(
        default=None,
        description=(
            "A waiver counts only once a second person of its role, or the superior, has confirmed it (`ft waiver"
            " confirm`). It does in any case where nobody knows who trained the model or changed the file. Default: as"
            " `signed_in`."
        ),
    )
    approvals: list[OwnerRole] = Field(
        default_factory=list,
        max_length=6,
        description=(
            "Roles that must sign every release of every use case, besides `release.approvals` of its file. Default:"
            " none."
        ),
    )
    persons: int = Field(
        default=1,
        ge=1,
        le=6,
        description="How many different persons must sign a release that asks for signatures. Default: 1.",
    )
    reasons: bool = Field(
        default=False, description="An approval counts only with a reason of 10 characters or more. Default: false."
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
    def persons_sign_something(self) -> "Signatures":
        if self.persons > 1 and not self.approvals:
            raise ValueError("`persons` above 1 needs `approvals`, or a use case that asks for none has no signature")
        return self

    @model_validator(mode="after")
    def reminds_first(self) -> "Signatures":
        if self.escalate_days <= self.remind_days:
            raise ValueError("`escalate_days` must be above `remind_days`")
        return self
