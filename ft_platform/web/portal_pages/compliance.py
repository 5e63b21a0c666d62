"""What a compliance officer looks at over all use cases: permissions that end, waivers, incidents, what was withdrawn
and erased, requests of data subjects, the audit log, evidence packs.

Covered: what stands in the lake and the audit log; no record is read. Who may not read the audit log sees its state,
and none of its entries. Not covered: requests that nobody has acted upon here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

from ft_platform.errors import FtError
from ft_platform.governance.retention import holds, reports, shown
from ft_platform.lake.forecast import WINDOWS, forecast_of
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.people.actions import ACTIONS
from ft_platform.people.audit_log.entry import Entry as Noted
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import audit_log_of
from ft_platform.people.audit_log.verify import read_verified
from ft_platform.release.incidents import Incident, incidents
from ft_platform.release.waivers import Waiver, checkpoint_of, last_day, waivers, without_effect
from ft_platform.use_case.named import NamedUseCase
from ft_platform.web.portal_pages.catalogue import Entry

LOOKED_AT = 20_000
"""Newest entries of the audit log. A log may have millions, and nobody waits for these."""
SHOWN = 50
DELETIONS = 5
"""Of each use case."""
LOOKED = (
    "took out what is held on a person",
    "looked at what an erasure would touch",
    "looked at whom an erasure is about",
    "looked into the vault",
)
"""Entries of the kind `look_up` that are about a data subject; others tell who annotated records, or looked at them."""
RoleQuestion = Callable[[str], Any] | None
"""Use case -> roles in it of whoever asks; None: nobody signs in."""
T = TypeVar("T")


@dataclass(frozen=True)
class Ends:
    """Permissions of one use case that end.

    Attributes:
        records: of the newest `permitted_records`; None: there are none.
        within: records for each of `WINDOWS`; empty where it was not worked out.
        first: the first day that is known.
        release: the champion.
        learned: as `within`, of the records that it learned from; None: not known.
        on_day: when it was worked out.
    """

    use_case: str
    records: int | None = None
    within: Sequence[int] = ()
    first: str = ""
    release: str | None = None
    learned: Sequence[int] | None = None
    on_day: str = ""


@dataclass(frozen=True)
class InForce:
    """A waiver that has not ended.

    Attributes:
        until: last day, by the waiver or the policy.
        problem: why it counts for nothing all the same.
    """

    use_case: str
    waiver: Waiver
    until: date
    problem: str


@dataclass(frozen=True)
class Retained:
    """The retention of one use case.

    Attributes:
        periods: in words; empty: nothing is deleted by itself.
        holds: legal holds in force, `{"id", "reason", "person", "at"}`.
        deletions: the newest reports, at most `DELETIONS`.
    """

    use_case: str
    periods: str
    holds: Sequence[Mapping[str, Any]]
    deletions: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class LogState:
    """Of the audit log.

    Attributes:
        newest: moment of the newest entry.
        verified_at: when it was verified here last; empty: never. `verified` entries and `problems` are of then.
    """

    entries: int
    newest: str
    verified_at: str = ""
    verified: int = 0
    problems: int = 0


@dataclass(frozen=True)
class Compliance:
    """All of it.

    Attributes:
        gone: versions with withdrawn records, that lost rows, or whose content was erased; quarantined checkpoints.
        done: entries of the audit log about data subjects; None: whoever asks may not read them.
        log: None: it has not begun.
        released: checkpoints of the champions, by use case.
    """

    ends: list[Ends]
    waivers: list[InForce]
    incidents: list[tuple[str, Incident]]
    gone: list[Entry]
    done: list[Noted] | None
    log: LogState | None
    released: Mapping[str, str]
    problems: list[str] = field(default_factory=list)
    retention: list[Retained] = field(default_factory=list)


def compliance_of(
    lake: Lake, use_cases: Mapping[str, NamedUseCase], catalogue: Sequence[Entry], today: date, roles: RoleQuestion
) -> Compliance:
    """What there is to know today.

    Args:
        catalogue: entries of these use cases.
    """
    problems: list[str] = []

    def tried(name: str, look: Callable[[], T], otherwise: T) -> T:
        try:
            return look()
        except FtError as error:
            problems.append(f"{name.replace('_', ' ')}: {error.message}")
            return otherwise

    ends, waived, reported, released, retained = [], [], [], {}, []
    for name, use_case in sorted(use_cases.items()):
        ends.append(tried(name, lambda: _ends(lake, name, today), Ends(name)))  # noqa: B023
        waived += tried(name, lambda: list(_waivers(lake, use_case, today)), [])  # noqa: B023
        if lake.signing:
            reported += [(name, one) for one in tried(name, lambda: incidents(lake, use_case), [])]  # noqa: B023
            retained += tried(name, lambda: _retained(lake, use_case), [])  # noqa: B023
        for champion in tried(name, lambda: standing_releases(lake, name), [])[:1]:  # noqa: B023
            released[name] = champion.checkpoint
    log = audit_log_of(lake) if lake.signing else None
    state = tried("audit log", lambda: _log_state(log), None) if log else None
    return Compliance(
        ends=sorted(ends, key=lambda one: (one.first or "9999", one.use_case)),
        waivers=sorted(waived, key=lambda one: one.until),
        incidents=sorted(reported, key=lambda one: one[1].closed is not None),
        gone=[one for one in catalogue if one.found.is_gone],
        done=tried("audit log", lambda: _requests(log, use_cases, roles, state), None) if log else None,
        log=state,
        released=released,
        problems=list(dict.fromkeys(problems)),
        retention=retained,
    )


def _retained(lake: Lake, use_case: NamedUseCase) -> list[Retained]:
    """Of a use case that has a period, a hold or a deletion."""
    periods = use_case.settings.retention.in_words()
    held = [shown(one) for one in holds(lake, use_case) if one.taken_back is None]
    deletions = reports(lake, use_case)[:DELETIONS]
    return [Retained(use_case.name, periods, held, deletions)] if periods or held or deletions else []


def _ends(lake: Lake, name: str, today: date) -> Ends:
    records = lake.latest(name, "permitted_records")
    champion = next((one.id for one in standing_releases(lake, name)), None)
    if records is None:
        return Ends(name, release=champion)
    found = forecast_of(lake, records)
    first = lake.manifest(records).counts.get("permitted_until", "")
    if found is None:
        return Ends(name, records.rows, first=first, release=champion)
    learned = [found.learned_within(today, days, champion) for days in WINDOWS]
    return Ends(
        name,
        records.rows,
        [found.within(today, days) for days in WINDOWS],
        min((day.isoformat() for day in found.ends), default=first),
        champion,
        None if None in learned else [count for count in learned if count is not None],
        found.on_day.isoformat(),
    )


def _waivers(lake: Lake, use_case: NamedUseCase, today: date) -> Iterator[InForce]:
    for waiver, revoked in waivers(lake, use_case):
        until = last_day(waiver, use_case.policy)
        if revoked or until < today:
            continue
        why = without_effect(lake, use_case, checkpoint_of(lake, use_case, waiver), today)
        yield InForce(use_case.name, waiver, until, why.get(waiver.id, ""))


def _log_state(log: AuditLog) -> LogState | None:
    head = log.head()
    if head is None:
        return None
    newest = next((one.at for one in log.entries(head.entries - 1)), "")
    found = read_verified(log)
    return (
        LogState(head.entries, newest, found["at"], found["entries"], found["problems"])
        if found
        else LogState(head.entries, newest)
    )


def _requests(
    log: AuditLog, use_cases: Mapping[str, NamedUseCase], roles: RoleQuestion, state: LogState | None
) -> list[Noted] | None:
    """What was done for data subjects, as far as whoever asks may read of it."""
    readers = set(ACTIONS["read_audit_log"].roles)
    allowed = {name for name in (*use_cases, "") if roles is None or not readers.isdisjoint(roles(name))}
    if not allowed:
        return None
    found = log.entries(max((state.entries if state else 0) - LOOKED_AT, 0))
    return [one for one in found if _is_theirs(one) and one.use_case in allowed][: -SHOWN - 1 : -1]


def _is_theirs(one: Noted) -> bool:
    return one.kind == "erasure" or (one.kind == "look_up" and one.what in LOOKED)


def ends_soon(until: date, today: date) -> bool:
    return until < today + timedelta(days=WINDOWS[0])
