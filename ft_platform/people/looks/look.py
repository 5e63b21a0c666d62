"""Looks as the audit log has them. There is no other record of them, so none that could say something else."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from ft_platform.people.audit_log.entry import Entry

ASKED, CONFIRMED, OPENED, SHOWED = "asked for a look", "confirmed a look", "opened a look", "showed records"
VAULT = "vault"


@dataclass(frozen=True)
class Look:
    """A time in which one person may look at records of one asset.

    Attributes:
        number: of its first entry in the audit log.
        person: who looks; None: erased.
        asset: name of a table, or `vault`.
        role: in which the person may.
        reason: in the person's words.
        rows: most that it shows; `shown`: so many it has.
        at: when it was asked for or opened.
        confirmed_by: the second person.
        ends: None: it was not opened.
        records: keyed hashes of the ids that were shown, in order.
    """

    number: int
    person: str | None
    known_by: str
    use_case: str
    asset: str
    role: str
    purpose: str
    reason: str
    rows: int
    minutes: int
    at: str
    confirmed_by: str = ""
    ends: datetime | None = None
    shown: int = 0
    versions: tuple[str, ...] = ()
    records: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ends": self.ends.isoformat() if self.ends else None}


def looks_in(entries: Iterable[Entry]) -> dict[int, Look]:
    """Number -> look, of entries of the audit log in order. Those whose details were erased are left out."""
    found: dict[int, Look] = {}
    for entry in entries:
        told = entry.details
        if entry.kind != "look_up" or told is None:
            continue
        if entry.what in (ASKED, OPENED) and "look" not in told:
            found[entry.number] = _first(entry, told)
        elif (number := int(told.get("look", -1))) in found:
            found[number] = _after(found[number], entry, told)
    return found


def _first(entry: Entry, told: Mapping[str, str]) -> Look:
    look = Look(
        number=entry.number,
        person=entry.person,
        known_by=entry.known_by,
        use_case=entry.use_case,
        asset=told["asset"],
        role=told["role"],
        purpose=told["purpose"],
        reason=told["reason"],
        rows=int(told["rows"]),
        minutes=int(told["minutes"]),
        at=entry.at,
    )
    return _after(look, entry, told)


def _after(look: Look, entry: Entry, told: Mapping[str, str]) -> Look:
    if entry.what == OPENED:
        return replace(look, ends=datetime.fromisoformat(told["ends"]))
    if entry.what == CONFIRMED:
        return replace(look, confirmed_by=entry.person or "(erased)")
    if entry.what == SHOWED:
        shown = look.shown + int(told["rows"])
        versions = tuple(dict.fromkeys([*look.versions, told["version"]]))
        return replace(look, shown=shown, versions=versions, records=(*look.records, *told["records"].split()))
    return look
