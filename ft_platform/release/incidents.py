"""Incidents of what is released: who reported them, what was done, and until when an authority has to be told.

Source of the days: Regulation (EU) 2024/1689, Article 73(2) to (4). Covered: that a report, its measures and its end
are signed and stay on record. Not covered: the report to the authority itself, which a person makes, and whether the
Act asks for one: it does of high-risk systems."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from ft_platform.errors import ConfigError, DataError
from ft_platform.lake.manifest import now
from ft_platform.lake.releases import releases
from ft_platform.lake.statements import Stated, state, statements, take_back
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.process.reasons import require_reason
from ft_platform.use_case.named import NamedUseCase

INCIDENT, MEASURE = "incident", "incident_measure"
DAYS: dict[str, int | None] = {"minor": None, "serious": 15, "death": 10, "widespread": 2}
"""Severity -> days from when somebody became aware of it until an authority has to know. `serious`: harm to health,
property, the environment or fundamental rights. `widespread`: in several member states, or critical infrastructure that
cannot be used. `minor`: none of them."""


@dataclass(frozen=True)
class Incident:
    """One incident.

    Attributes:
        said: `{"id", "severity", "what", "aware", "releases", "person", "known_by", "at"}`.
        deadline: last day to tell an authority; None: nobody has to be told.
        measures: what was done, the oldest first.
        closed: `{"by", "reason", "at"}`; None: it is open.
    """

    said: dict[str, Any]
    deadline: date | None
    measures: list[dict[str, Any]]
    closed: dict[str, Any] | None

    @property
    def id(self) -> str:
        return self.said["id"]

    def to_dict(self) -> dict[str, Any]:
        hidden = ("signature", "key", "use_case")
        said = {name: value for name, value in self.said.items() if name not in hidden}
        done = [{name: one[name] for name in ("at", "person", "what")} for one in self.measures]
        last = self.deadline.isoformat() if self.deadline else None
        return {**said, "deadline": last, "measures": done, "closed": self.closed}


def report(
    lake: Lake,
    use_case: NamedUseCase,
    person: Person,
    *,
    severity: str,
    what: str,
    aware: date,
    today: date,
    affected: Sequence[str] = (),
) -> Incident:
    """Puts an incident on record.

    Args:
        what: what happened, without personal data.
        aware: day on which somebody became aware of it.
        affected: ids of releases; default the newest one.

    Raises:
        ConfigError: the severity is unknown, the day is to come, or nothing is said.
        DataError: there is no such release.
    """
    if severity not in DAYS:
        raise ConfigError([f"severity must be one of {', '.join(DAYS)}, got {severity!r}"])
    if aware > today:
        raise ConfigError([f"nobody can be aware of it on {aware}, which is after today"])
    known = {one.id: one for one in releases(lake, use_case.name)}
    if unknown := sorted(set(affected) - set(known)):
        raise DataError(f"{use_case.name} has no release {', '.join(unknown)}", f"See: ft releases {use_case.name}")
    named = list(affected) or list(known)[:1]
    said = {"severity": severity, "what": require_reason(what), "aware": aware.isoformat(), "releases": named}
    note(lake, use_case, "incident", "reported an incident", person, severity=severity, releases=", ".join(named))
    return _found(lake, use_case, _state(lake, use_case, INCIDENT, person, said, [known[one].version for one in named]))


def add_measure(lake: Lake, use_case: NamedUseCase, incident_id: str, person: Person, *, what: str) -> Incident:
    """Says what was done about an incident, such as a rollback.

    Raises:
        DataError: there is no such incident, or it was closed.
        ConfigError: nothing is said.
    """
    stated = _open(lake, use_case, incident_id)
    said = {"incident": incident_id, "what": require_reason(what)}
    note(lake, use_case, "incident", "did something about an incident", person, incident=incident_id)
    _state(lake, use_case, MEASURE, person, said, [stated.version])
    return _found(lake, use_case, incident_id)


def close(lake: Lake, use_case: NamedUseCase, incident_id: str, person: Person, *, reason: str) -> Incident:
    """Ends an incident; it stays on record. Raises as `add_measure`."""
    stated = _open(lake, use_case, incident_id)
    reason = require_reason(reason)
    note(lake, use_case, "incident", "closed an incident", person, incident=incident_id)
    take_back(lake, use_case, stated, by=person.name, known_by=person.known_by, reason=reason)
    return _found(lake, use_case, incident_id)


def incidents(lake: Lake, use_case: NamedUseCase) -> list[Incident]:
    """Every incident, the newest report first. Raises as `statements`."""
    done: dict[str, list[dict[str, Any]]] = {}
    for measure in sorted(statements(lake, use_case, MEASURE), key=lambda one: one.said["at"]):
        done.setdefault(measure.said["incident"], []).append(measure.said)
    found = sorted(statements(lake, use_case, INCIDENT), key=lambda one: one.said["at"], reverse=True)
    return [Incident(one.said, _deadline(one.said), done.get(one.said["id"], []), one.taken_back) for one in found]


def _deadline(said: dict[str, Any]) -> date | None:
    days = DAYS[said["severity"]]
    return date.fromisoformat(said["aware"]) + timedelta(days=days) if days is not None else None


def _state(
    lake: Lake, use_case: NamedUseCase, kind: str, person: Person, said: dict[str, Any], about: Sequence[Any]
) -> str:
    """Signs and keeps what a person said. Returns its id."""
    who = {"person": person.name, "known_by": person.known_by, "at": now("milliseconds")}
    return state(lake, use_case, kind, {**said, **who}, about)["id"]


def _open(lake: Lake, use_case: NamedUseCase, incident_id: str) -> Stated:
    found = next((one for one in statements(lake, use_case, INCIDENT) if one.said["id"] == incident_id), None)
    if found is None or found.taken_back:
        problem = "has no incident" if found is None else "has closed"
        raise DataError(f"{use_case.name} {problem} {incident_id}", f"See: ft incident list {use_case.name}")
    return found


def _found(lake: Lake, use_case: NamedUseCase, incident_id: str) -> Incident:
    return next(one for one in incidents(lake, use_case) if one.id == incident_id)
