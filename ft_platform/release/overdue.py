"""Signatures that are late: who is reminded, and, days later, which superior is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.people.may import Permissions
from ft_platform.people.superiors import superiors
from ft_platform.release.decide import STAGE as DECISION
from ft_platform.release.sign_off import REJECTED, SIGNED, sign_off
from ft_platform.release.standing import ACCEPTED, standing_of
from ft_platform.settings.roles import title
from ft_platform.use_case.named import NamedUseCase


@dataclass(frozen=True)
class Late:
    """A signature that is late.

    Attributes:
        to: e-mail addresses of those who are told: of the role, or, once it is escalated, of its superior.
        says: in two sentences.
    """

    decision: str
    role: str
    escalated: bool
    to: Sequence[str]
    says: str


def late_signatures(
    lake: Lake, use_case: NamedUseCase, permissions: Permissions, at: datetime | None = None
) -> list[Late]:
    """What is late on the newest decision, if it is accepted and was not released. A reminder stays in the list after
    the escalation has come to it.

    Raises:
        VersionRefused: as `sign_off`.
    """
    decision = (
        next(iter(lake.artifacts(use_case.name, DECISION)), None) if use_case.settings.release.approvals else None
    )
    if decision is None or standing_of(lake, decision).state != ACCEPTED:
        return []
    if any(one.record["decision"]["id"] == decision.id for one in standing_releases(lake, use_case.name)):
        return []
    at, limits = at or datetime.now(UTC), use_case.policy.signatures
    since = datetime.fromisoformat(lake.manifest(decision).written_at)
    days = (at - since).days
    if days < limits.remind_days:
        return []
    found = []
    for one in sign_off(lake, use_case, decision, permissions, at).roles:
        if one.state in (SIGNED, REJECTED):
            continue
        waits = f"{title(one.role)} {one.why}: {decision.id} has waited for {days} days"
        sign = f"Sign or reject it: ft sign {use_case.name} --as {one.role}"
        found.append(Late(decision.id, one.role, False, one.persons, f"{waits}. {sign}"))
        if days >= limits.escalate_days:
            above = superiors(one.role, use_case, permissions.people)
            asked = f"{', '.join(one.persons) or 'Nobody who is named'} could sign"
            missing = "" if above else "; no superior is named (people.superiors)"
            found.append(Late(decision.id, one.role, True, above, f"{waits}. {asked}{missing}"))
    return found
