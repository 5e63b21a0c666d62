"""What waits, told once a day to those for whom it waits, if it is other than what they were told last.

Covered: a message has counts, kinds, roles, names of use cases and last days; what exactly waits stands in the portal,
behind the sign-in. Not covered: members of groups of the directory, whose addresses nobody knows here: what waits for a
role without a named person goes to the addresses of the channel."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

from ft_platform.lake.store import Lake
from ft_platform.monitoring.alerts.alert import Alert
from ft_platform.monitoring.alerts.delivery import known_channel
from ft_platform.monitoring.alerts.outbox import opened
from ft_platform.people.may import Permissions
from ft_platform.use_case.settings.alerting import Email
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.people import Digest
from ft_platform.use_case.settings.roles import ROLES
from ft_platform.web.portal_pages.needs import Need, needs_of

WORDS = {
    "production": ("production that is down", "productions that are down"),
    "checks": ("failed check", "failed checks"),
    "decision": ("decision", "decisions"),
    "signatures": ("signature", "signatures"),
    "waivers": ("waiver", "waivers"),
    "permission": ("permission", "permissions"),
    "retraining": ("model to train again", "models to train again"),
    "alarms": ("alarm", "alarms"),
    "blocked_release": ("blocked release", "blocked releases"),
    "incident": ("incident", "incidents"),
    "access": ("request for access", "requests for access"),
    "erasure": ("erasure", "erasures"),
    "feedback": ("batch of feedback", "batches of feedback"),
    "review": ("review of answers", "reviews of answers"),
    "annotation": ("task for experts", "tasks for experts"),
    "duties": ("need of a release", "needs of a release"),
    "repairs": ("loss by repairs", "losses by repairs"),
}
"""Kind of need -> one, and several."""


@dataclass(frozen=True)
class Told:
    """A message to one recipient.

    Attributes:
        to: e-mail address; empty: whoever reads the channel.
        alerts: one for each use case and role.
        state: hash of what waits: another one is told, the same is not.
    """

    to: str
    alerts: tuple[Alert, ...]
    state: str


def due_on(settings: Digest, now: datetime) -> str:
    """The day whose message is due at a moment, ISO 8601; empty before the hour."""
    there = now.astimezone(ZoneInfo(settings.time_zone))
    return there.date().isoformat() if there.time() >= time.fromisoformat(settings.at) else ""


def queue_digests(environment: Environment, lake: Lake, permissions: Permissions, now: datetime) -> int:
    """Queues the messages of a day, once; the sensor `needs_digest` sends them.

    Returns:
        How many are new.

    Raises:
        ConfigError: a channel does not exist.
        TransientError: the outbox cannot be written.
    """
    settings = environment.people.digest
    if settings is None or not (day := due_on(settings, now)):
        return 0
    needs = [one for case in permissions.use_cases.values() for one in needs_of(lake, case, now.date())]
    link, queued = f"{environment.reports_url.rstrip('/')}/needs", 0
    for name in settings.channels:
        by_person = isinstance(known_channel(environment.alerting.channels, name), Email)
        messages = {one.to: one for one in told(needs, permissions, link, by_person)}
        with opened(environment.home, environment.alerting) as outbox:
            for to in {*messages, *outbox.digested(name)}:
                one = messages.get(to, Told(to, (), ""))
                queued += outbox.digest(name, to, one.alerts, one.state, day, now)
    return queued


def told(needs: Sequence[Need], permissions: Permissions, link: str, by_person: bool) -> Iterator[Told]:
    """Messages about what waits.

    Args:
        link: to the portal.
        by_person: one for each person; otherwise one for all.
    """
    found: dict[str, list[Need]] = {}
    for one in needs:
        for to in (persons_of(one, permissions) if by_person else []) or [""]:
            found.setdefault(to, []).append(one)
    for to, theirs in sorted(found.items()):
        said = sorted((one.use_case, one.kind, one.role, one.what, one.until) for one in theirs)
        of: dict[tuple[str, str], list[Need]] = {}
        for one in theirs:
            of.setdefault((one.use_case, one.role), []).append(one)
        alerts = tuple(_alert(place, some, link, to) for place, some in of.items())
        yield Told(to, alerts, hashlib.sha256(json.dumps(said).encode()).hexdigest())


def persons_of(need: Need, permissions: Permissions) -> list[str]:
    """E-mail addresses of those for whom it waits."""
    owners: list[str] = permissions.use_cases[need.use_case].settings.owners.persons(need.role)
    everywhere: list[str] = permissions.people.having(need.role)
    return [one for one in dict.fromkeys([*owners, *everywhere]) if "@" in one]


def _alert(place: tuple[str, str], needs: Sequence[Need], link: str, to: str) -> Alert:
    use_case, role = place
    kinds = Counter(one.kind for one in needs)
    words = ", ".join(f"{count} {WORDS[kind][count > 1]}" for kind, count in sorted(kinds.items()))
    until = min((one.until[:10] for one in needs if one.until), default="")
    text = f"{words}{f'; the first until {until}' if until else ''}."
    what = f"{sum(kinds.values())} waiting for the {ROLES[role].title}"
    return Alert(use_case, what, "info", text, link, f"needs/{use_case}/{role}", once=True, to=to)
