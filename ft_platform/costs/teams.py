"""Which team a use case belongs to: whose quota its programs use, and whose turn it is in the queue."""

from collections.abc import Iterable, Mapping
from typing import Any

from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.quotas import NO_TEAM


def team_of(use_case: NamedUseCase) -> str:
    """The team in `owners.accountable`; `no team` where that is a person, whose address belongs into no ledger."""
    owner = use_case.settings.owners.accountable
    return owner.removeprefix("team:") if owner.startswith("team:") else NO_TEAM


def teams_of(use_cases: Iterable[NamedUseCase]) -> dict[str, str]:
    """Use case -> team."""
    return {one.name: team_of(one) for one in use_cases}


def team_in(row: Mapping[str, Any], teams: Mapping[str, str]) -> str:
    """The team of a row of the ledger. In one that is older than quotas it is that of its use case.

    Args:
        teams: use case -> team, as far as it is known.
    """
    return row.get("team") or teams.get(row["use_case"], NO_TEAM)
