"""Access on request: a person asks to work in a role of a use case, or to look at its reports, for a purpose and until
a day. Somebody else grants or declines it.

Covered: nobody decides about their own request; each word is signed and stays on record (`statements`); a grant ends
with its day, or when it is taken back; where one person grants and another declines, nothing is granted. What a grant
never gives, `Permissions` says. Not covered: whoever granted it may lose their role, and the grant stands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ft_platform.errors import ConfigError, DataError
from ft_platform.lake.manifest import now
from ft_platform.people.may import Grant, Permissions, conflict, knowledge_problem
from ft_platform.people.noted import Noted, Noting
from ft_platform.people.person import Person
from ft_platform.people.statements import Stated, state, statements, take_back
from ft_platform.process.reasons import require_reason
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.roles import OWNER_ROLES, ROLES

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake

REQUEST, DECISION = "access_request", "access_decision"
LOOK = "look"
"""What is asked for in place of a role: to see the reports of the use case."""
LONGEST_DAYS = 90
ACTION = "grant_access"
GRANTED, DECLINED, ENDED, LAPSED, WAITING = "granted", "declined", "ended", "lapsed", "waiting"


@dataclass(frozen=True)
class Request:
    """One request and what became of it.

    Attributes:
        said: `{"id", "what", "purpose", "until", "person", "known_by", "at"}`.
        decisions: each with `{"request", "says", "until", "reason", "person", "known_by", "at"}`.
    """

    said: dict[str, Any]
    decisions: Sequence[Stated]

    @property
    def id(self) -> str:
        return self.said["id"]

    @property
    def words(self) -> str:
        """What is asked for: `work as data scientist`, `look at its reports`."""
        what = self.said["what"]
        return "look at its reports" if what == LOOK else f"work as {ROLES[what].title}"

    @property
    def until(self) -> str:
        """Last day: the earliest that anybody named."""
        return min([self.said["until"], *(one.said["until"] for one in self.decisions)])

    def state(self, today: date) -> str:
        """One of the constants of this file."""
        if any(one.said["says"] == DECLINED for one in self.decisions):
            return DECLINED
        if any(one.taken_back for one in self.decisions):
            return ENDED
        if today > date.fromisoformat(self.until):
            return ENDED if self.decisions else LAPSED
        return GRANTED if self.decisions else WAITING

    def to_dict(self, today: date) -> dict[str, Any]:
        names = ("id", "person", "known_by", "what", "purpose", "at")
        decided = [
            {**{name: one.said[name] for name in ("says", "person", "reason", "at")}, "taken_back": one.taken_back}
            for one in self.decisions
        ]
        return {
            **{name: self.said[name] for name in names},
            "until": self.until,
            "state": self.state(today),
            "decisions": decided,
        }


def ask(
    lake: "Lake",
    use_case: NamedUseCase,
    person: Person,
    permissions: Permissions,
    note: Noting,
    *,
    what: str,
    purpose: str,
    until: date,
    today: date,
) -> Request:
    """Puts a request on record.

    Args:
        what: a role of the use case, or `LOOK`.
        purpose: what for, without personal data.
        until: last day, UTC.

    Raises:
        ConfigError: there is no such role, or the person has it; no purpose is stated; the day is past or too far away.
    """
    problems = _day_problems(until, today)
    if what not in (*OWNER_ROLES, LOOK):
        problems.append(f"one can ask for {LOOK}, {', '.join(OWNER_ROLES)}; got {what!r}")
    if person.is_token or "@" not in person.name:
        problems.append(f"a person asks, by e-mail address; {person.name or 'nobody'} is none")
    if what in permissions.roles(person, use_case.name) or (
        what == LOOK and permissions.may(person, "see", use_case.name)
    ):
        problems.append(f"{person.name} may do this already")
    if problems:
        raise ConfigError(problems)
    name = person.name.casefold()
    said = {"what": what, "purpose": require_reason(purpose), "until": until.isoformat(), "person": name}
    note(Noted("people", person, "asked for access", use_case.name, {"what": what, "until": until.isoformat()}))
    made = state(lake, use_case, REQUEST, {**said, "known_by": person.known_by, "at": now("milliseconds")}, [])
    return _found(lake, use_case, made["id"])


def decide(
    lake: "Lake",
    use_case: NamedUseCase,
    request_id: str,
    person: Person,
    permissions: Permissions,
    note: Noting,
    *,
    says: str,
    today: date,
    reason: str = "",
    until: date | None = None,
) -> Request:
    """Grants or declines a request.

    Args:
        says: `GRANTED` or `DECLINED`; who declines says why.
        until: an earlier last day than was asked for.

    Raises:
        DataError: there is no such request, or it does not wait.
        ConfigError: the person may not decide about it, or the day is past or later than was asked for.
    """
    found = _found(lake, use_case, request_id)
    if found.state(today) != WAITING:
        raise DataError(f"{request_id} is {found.state(today)}", f"See: ft access list {use_case.name}")
    _require_may(found, use_case, person, permissions, note)
    last = until or date.fromisoformat(found.until)
    problems = _day_problems(last, today)
    if last.isoformat() > found.until:
        problems.append(f"it was asked for until {found.until}; ask again for longer")
    if problems:
        raise ConfigError(problems)
    said = {
        "request": request_id,
        "says": says,
        "until": last.isoformat(),
        "reason": require_reason(reason) if reason or says == DECLINED else "",
        "person": person.name,
        "known_by": person.known_by,
        "at": now("milliseconds"),
    }
    note(Noted("people", person, f"{says} access", use_case.name, _told(found, until=last.isoformat())))
    asked = lake.artifact(use_case.name, REQUEST, request_id)
    state(lake, use_case, DECISION, said, [asked] if asked else [])
    return _found(lake, use_case, request_id)


def end(
    lake: "Lake",
    use_case: NamedUseCase,
    request_id: str,
    person: Person,
    permissions: Permissions,
    note: Noting,
    *,
    reason: str,
    today: date,
) -> Request:
    """Takes a grant back before its day. Whoever has it may give it back.

    Raises:
        DataError: there is no such request, or nothing is granted.
        ConfigError: the person may not, or no reason is named.
    """
    found, reason = _found(lake, use_case, request_id), require_reason(reason)
    if found.state(today) != GRANTED:
        raise DataError(f"{request_id} is {found.state(today)}", f"See: ft access list {use_case.name}")
    if person.name.casefold() != found.said["person"]:
        _require_may(found, use_case, person, permissions, note)
    note(Noted("people", person, "ended access", use_case.name, _told(found, reason=reason)))
    for one in found.decisions:
        take_back(lake, use_case, one, by=person.name, known_by=person.known_by, reason=reason)
    return _found(lake, use_case, request_id)


def requests(lake: "Lake", use_case: NamedUseCase) -> list[Request]:
    """Every request, the newest first. Raises as `statements`."""
    decided: dict[str, list[Stated]] = {}
    for one in statements(lake, use_case, DECISION):
        decided.setdefault(one.said["request"], []).append(one)
    asked = sorted(statements(lake, use_case, REQUEST), key=lambda one: one.said["at"], reverse=True)
    return [Request(one.said, decided.get(one.said["id"], [])) for one in asked]


class GrantsInForce:
    """What is granted in an installation at this moment (`Permissions.granted`). The records of a use case are read
    again once something was signed there.

    Args:
        opened: the lake; None: nothing was ever signed.
    """

    def __init__(self, opened: "Callable[[], Lake | None]") -> None:
        self._opened = opened
        self._lake: Lake | None = None
        self._known: dict[str, tuple[object, list[Request]]] = {}

    def __call__(self, use_case: NamedUseCase) -> list[Grant]:
        """Raises as `statements`."""
        self._lake = lake = self._lake or self._opened()
        seals = lake.seals(use_case.name) if lake else None
        newest = seals.newest() if seals else None
        if lake is None or newest is None:
            return []
        if self._known.get(use_case.name, (None, []))[0] != newest:
            self._known[use_case.name] = newest, requests(lake, use_case)
        today = datetime.now(UTC).date()
        return [
            Grant(one.said["person"], None if one.said["what"] == LOOK else one.said["what"], one.until, one.id)
            for one in self._known[use_case.name][1]
            if one.state(today) == GRANTED
        ]


def _require_may(
    found: Request, use_case: NamedUseCase, person: Person, permissions: Permissions, note: Noting
) -> None:
    ruling = permissions.may(person, ACTION, use_case.name)
    problems = [
        knowledge_problem(use_case, person.known_by),
        "" if ruling else ruling.why,
        conflict(person, ACTION, {"asked for it": [found.said["person"]]}),
    ]
    if any(problems):
        note(Noted("denial", person, "may not decide about access", use_case.name, _told(found)))
        raise ConfigError([problem for problem in problems if problem])


def _told(found: Request, **more: str) -> dict[str, str]:
    return {"request": found.id, "what": found.said["what"], "to": found.said["person"], **more}


def _day_problems(until: date, today: date) -> list[str]:
    last = today + timedelta(days=LONGEST_DAYS)
    return [] if today <= until <= last else [f"the last day must be between today and {last}, got {until}"]


def _found(lake: "Lake", use_case: NamedUseCase, request_id: str) -> Request:
    found = next((one for one in requests(lake, use_case) if one.id == request_id), None)
    if found is None:
        raise DataError(f"{use_case.name} has no request {request_id}", f"See: ft access list {use_case.name}")
    return found
