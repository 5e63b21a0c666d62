"""What each team may use of the machines in a month, and who is next when they are full."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ft_platform.use_case.settings.section import Section, TeamName

Priority = Literal["low", "normal", "high"]
PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high")
"""The least urgent first."""
NO_TEAM = "no team"
"""Stands for all use cases whose accountable owner is a person. No team can have this name: it has a space."""
Month = Annotated[str, StringConstraints(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
GpuHours = Annotated[float, Field(ge=0.0, le=1e9)]


class Quota(Section):
    """Most that a team may use in a calendar month (UTC)."""

    gpu_hours: GpuHours | None = Field(default=None, description="GPU-hours of all its programs. Default: no limit.")
    money: GpuHours | None = Field(
        default=None,
        description="Cost of all its programs, in the currency of the compute profiles. Default: no limit.",
    )


class TeamQuota(Quota):
    """The same, and how urgent the work of the team may be."""

    priority: Priority = Field(
        default="normal",
        description="Highest class that `compute.priority` of its use cases may ask for. Default: normal.",
    )
    weight: float = Field(
        default=1.0,
        ge=0.01,
        le=1000.0,
        description="Share of the machines relative to other teams, while several wait. Default: 1.",
    )


class Raise(Section):
    """More for one team in one month."""

    team: TeamName = Field(description="Who gets it.")
    month: Month = Field(description="`YYYY-MM`, in quotes. In other months it changes nothing.")
    gpu_hours: GpuHours = Field(default=0.0, description="GPU-hours on top. Default: none.")
    money: GpuHours = Field(default=0.0, description="Money on top. Default: none.")
    reason: str = Field(min_length=1, max_length=500, description="Why. `ft quota` and the portal show it.")


class Quotas(Section):
    """What each team may use. The team of a use case is that of `owners.accountable`; use cases whose accountable owner
    is a person share the quota of `no team`, which is `per_team`."""

    per_team: Quota = Field(
        default_factory=Quota, description="Limits of each team that `teams` does not name. Default: none."
    )
    teams: dict[TeamName, TeamQuota] = Field(
        default_factory=dict, max_length=1000, description="Team -> its limits, instead of `per_team`."
    )
    raised: list[Raise] = Field(
        default_factory=list, max_length=10_000, description="What was granted on top of limits. Default: nothing."
    )

    def of(self, team: str, month: str) -> Quota:
        """The limits of a team in a month, with what was granted on top."""
        found: Quota = self.teams.get(team, self.per_team)
        more = self.raises(team, month)

        def raised(name: str) -> float | None:
            limit = getattr(found, name)
            return None if limit is None else limit + sum(getattr(one, name) for one in more)

        return Quota(gpu_hours=raised("gpu_hours"), money=raised("money"))

    def raises(self, team: str, month: str) -> list[Raise]:
        return [one for one in self.raised if (one.team, one.month) == (team, month)]

    def setting(self, team: str, name: str) -> str:
        """Where a limit of a team is set, in words."""
        place = f"quotas.teams.{team}" if team in self.teams else "quotas.per_team"
        return f"{place}.{name} of the environment"

    def highest(self, team: str) -> Priority:
        """The highest class that a team may ask for."""
        return self.teams[team].priority if team in self.teams else "normal"

    def weight(self, team: str) -> float:
        return self.teams[team].weight if team in self.teams else 1.0


class Queue(Section):
    """Who is next when all places of the pool `gpu` are taken: the highest class; in it, the team that used the
    machines least; of one team, whoever came first."""

    fair_days: int = Field(default=7, ge=1, le=31, description="Days whose use counts. Default: 7.")
    ageing_hours: float = Field(
        default=24.0,
        ge=0.01,
        le=24.0 * 31,
        description="Hours of waiting that raise a program by one class, so that none waits forever. Default: 24.",
    )
    preempt: bool = Field(
        default=True,
        description=(
            "Whether a program may ask a training of a lower class on this machine to save its state and make room."
            " Default: yes."
        ),
    )
    least_minutes: float = Field(
        default=10.0,
        ge=0.0,
        le=60.0 * 24,
        description="Minutes that a training runs before it may be asked to make room, each time. Default: 10.",
    )
    spare_minutes: float = Field(
        default=10.0,
        ge=0.0,
        le=60.0 * 24,
        description="A training that is expected to end within so many minutes is not asked. Default: 10.",
    )
