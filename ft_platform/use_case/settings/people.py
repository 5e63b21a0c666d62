"""The section `people` of the installation: who has a role in all of it, and who stands above whom."""

from typing import Annotated

from pydantic import Field, StringConstraints

from ft_platform.use_case.settings.alerting import ChannelName, TimeOfDay, TimeZone
from ft_platform.use_case.settings.roles import RoleName
from ft_platform.use_case.settings.section import Person, Section

Member = Annotated[
    str, StringConstraints(max_length=320, pattern=r"^(group:[A-Za-z0-9_.:/\-]+|[^@\s]+@[^@\s]+\.[^@\s]+)$")
]


class Digest(Section):
    """Once a day each person is told what waits for them, if that has changed. Counts and last days only."""

    channels: Annotated[list[ChannelName], Field(min_length=1, max_length=10)] = Field(
        description=(
            "Channels of `alerting.channels`. One of e-mail sends to each person whom something waits for; the others"
            " get one message for all roles."
        )
    )
    at: TimeOfDay = Field(default="07:00", description="HH:MM, from which on the message is sent. Default: 07:00.")
    time_zone: TimeZone = Field(
        default="UTC", max_length=100, description="Name of the IANA time zone, as `Europe/Berlin`. Default: UTC."
    )


class People(Section):
    """Roles of persons and groups in the whole installation. Owners of a use case stand in its own file."""

    roles: dict[RoleName, Annotated[list[Member], Field(max_length=1000)]] = Field(
        default_factory=dict,
        max_length=8,
        description=(
            "Role -> who has it in every use case: e-mail addresses, or `group:<name>` of the organization's directory."
            " `administrator` and `auditor` are given here alone."
        ),
    )
    superiors: dict[RoleName, Person] = Field(
        default_factory=dict,
        max_length=8,
        description=(
            "Role -> who is told when somebody with it does not sign in time. Default: the owner in the role that it"
            " reports to."
        ),
    )

    digest: Digest | None = Field(default=None, description="A message each day of what waits. Default: none.")

    def having(self, role: str) -> list[str]:
        """Who has a role in the whole installation."""
        return next((members for name, members in self.roles.items() if name == role), [])
