"""Signatures that are late, and waivers that wait for a second person: who is reminded, and, days later, which superior
is told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ft_platform.lake.releases import releases
from ft_platform.lake.store import Lake
from ft_platform.people.may import Permissions
from ft_platform.people.superiors import superiors
from ft_platform.release.decide import STAGE as DECISION
from ft_platform.release.sign_off import REJECTED, SIGNED, SignOff, sign_off
from ft_platform.release.standing import ACCEPTED
from ft_platform.release.standing_now import standing_now
from ft_platform.release.waivers import second_persons, unconfirmed
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.roles import title

SECOND = "a second person"
"""Stands for a role where anybody but those who have signed may: a signature, or a waiver."""


@dataclass(frozen=True)
class Late:
    """A signature that is late.

    Attributes:
        about: id of the decision or waiver.
        role: or `SECOND`.
        to: e-mail addresses of those who are told: of the role, or, once it is escalated, of its superior.
        says: in two sentences.
    """

    about: str
    role: str
    escalated: bool
    to: Sequence[str]
    says: str


def late(lake: Lake, use_case: NamedUseCase, permissions: Permissions, at: datetime | None = None) -> list[Late]:
    """What is late: signatures of the newest decision, if it holds now and was never released, and confirmations of
    waivers. A reminder stays in the list after the escalation has come to it.

    Raises:
        CorruptVersion: as `waivers` and `sign_off`.
        VersionRefused: as `sign_off`.
    """
    moment = at or datetime.now(UTC)
    return [*_signatures(lake, use_case, permissions, moment), *_waivers(lake, use_case, permissions, moment)]


def _signatures(lake: Lake, use_case: NamedUseCase, permissions: Permissions, at: datetime) -> Iterator[Late]:
    decision = next(iter(lake.artifacts(use_case.name, DECISION)), None) if use_case.signing_roles else None
    if decision is None or any(one.record["decision"]["id"] == decision.id for one in releases(lake, use_case.name)):
        return
    limits, since = use_case.policy.signatures, datetime.fromisoformat(lake.manifest(decision).written_at)
    if (at - since).days < limits.remind_days:
        return
    standing = standing_now(lake, use_case, at.date(), decision.artifact_id)
    if standing is None or standing.state != ACCEPTED:
        return
    found = sign_off(lake, use_case, decision, permissions, at)
    for one in found.roles:
        if one.state not in (SIGNED, REJECTED):
            words = f"{title(one.role)} {one.why}: {decision.id}"
            sign = f"Sign or reject it: ft sign {use_case.name} --as {one.role}"
            above = superiors(one.role, use_case, permissions.people)
            yield from _told(use_case, decision.id, one.role, (at - since).days, one.persons, above, words, sign)
    if found.second is not None:
        yield from _second(use_case, decision.id, found, permissions, at)


def _second(
    use_case: NamedUseCase, about: str, found: SignOff, permissions: Permissions, at: datetime
) -> Iterator[Late]:
    """All roles have signed, and a second person has to."""
    days = (at - max(datetime.fromisoformat(one.at) for one in found.signatures)).days
    above = [one for role in found.roles for one in superiors(role.role, use_case, permissions.people)]
    words = f"A second person has to sign: {about}"
    sign = f"Sign it, in any role that is asked for: ft sign {use_case.name}"
    yield from _told(use_case, about, SECOND, days, found.second or [], list(dict.fromkeys(above)), words, sign)


def _waivers(lake: Lake, use_case: NamedUseCase, permissions: Permissions, at: datetime) -> Iterator[Late]:
    for one in unconfirmed(lake, use_case, at.date()):
        days = (at.date() - one.granted_on).days
        who = second_persons(one, use_case)
        above = superiors(one.role, use_case, permissions.people)
        words = f"A second person has to confirm the waiver of {one.rule}: {one.id}"
        yield from _told(
            use_case, one.id, SECOND, days, who, above, words, f"Confirm it: ft waiver confirm {use_case.name} {one.id}"
        )


def _told(
    use_case: NamedUseCase,
    about: str,
    role: str,
    days: int,
    persons: Sequence[str],
    above: Sequence[str],
    words: str,
    do: str,
) -> Iterator[Late]:
    """The reminder, once it is due, and the escalation.

    Args:
        days: that it has waited.
        persons, above: who may do it, and their superiors.
        words: what waits.
        do: what to do.
    """
    limits = use_case.policy.signatures
    waits = f"{words} has waited for {days} days"
    if days >= limits.remind_days:
        yield Late(about, role, False, persons, f"{waits}. {do}")
    if days >= limits.escalate_days:
        asked = f"{', '.join(persons) or 'Nobody who is named'} could do it"
        missing = "" if above else "; no superior is named (people.superiors)"
        yield Late(about, role, True, above, f"{waits}. {asked}{missing}")
