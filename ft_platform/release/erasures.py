"""Requests to erase persons, as they stand: who asked, who approved, the last day. `erasure` carries them out.

A request is signed and stays on record without saying whom it is about."""

import calendar
import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from ft_platform.errors import DataError
from ft_platform.lake.store import Lake
from ft_platform.people.statements import Stated, statements
from ft_platform.use_case.named import NamedUseCase

REQUEST, DECISION, CERTIFICATE = "erasure_request", "erasure_decision", "erasure_certificate"
WEIGHTS = "erasure_weights"
CONFIRMATION = "erasure_confirmation"
FOLDER = "erasures"
"""In the restricted zone: whom requests are about, and how far each is (`erasure.case_file`)."""
WAITS, APPROVED, REFUSED, DONE = "waits for a second person", "approved", "refused", "done"


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        said: `{"id", "persons", "texts", "reason", "received", "deadline", "person", "known_by", "at", "digest"}`.
        decision: of the second person, as signed; None: there is none yet.
        certificate: as signed; None: it is not done.
        weights: what weights held before and after, as signed; None: not measured yet, or nobody asked.
        confirmations: answers of services that were asked again afterwards, as signed, the oldest first.
    """

    stated: Stated
    decision: dict[str, Any] | None
    certificate: dict[str, Any] | None
    weights: dict[str, Any] | None = None
    confirmations: tuple[dict[str, Any], ...] = ()

    @property
    def said(self) -> dict[str, Any]:
        return self.stated.said

    @property
    def id(self) -> str:
        return self.said["id"]

    @property
    def state(self) -> str:
        if self.certificate:
            return DONE
        return WAITS if self.decision is None else APPROVED if self.decision["approved"] else REFUSED

    @property
    def sealed_until(self) -> str:
        """Last day of rows that wait for a measurement of weights; empty: none do."""
        promised = (self.certificate or {}).get("weights") or {}
        return "" if self.weights else promised.get("sealed_until") or ""

    @property
    def is_open(self) -> bool:
        return self.state in (WAITS, APPROVED)

    @property
    def deadline(self) -> date:
        return date.fromisoformat(self.said["deadline"])

    @property
    def places(self) -> list[dict[str, Any]]:
        """Every place that the certificate names, with its newest answer."""
        later = {place["place"]: place for said in self.confirmations for place in said["places"]}
        return [later.get(one["place"], one) for one in (self.certificate or {}).get("places", [])]

    @property
    def certificate_now(self) -> dict[str, Any] | None:
        """The certificate, with what services answered and what was measured since."""
        if self.certificate is None:
            return None
        later = {"confirmed_later": self.confirmations} if self.confirmations else {}
        return {**self.certificate, **later, **({"weights_after": self.weights} if self.weights else {})}

    def to_dict(self) -> dict[str, Any]:
        told = {name: self.said[name] for name in ("id", "use_case", "persons", "texts", "received", "deadline")}
        by = {"requested_by": self.said["person"], "decided_by": self.decision["person"] if self.decision else None}
        return {**told, "state": self.state, **by, "certificate": self.certificate["id"] if self.certificate else None}


@dataclass(frozen=True)
class Progress:
    """How far an erasure is that has begun.

    Attributes:
        steps: that are done.
        stopped: why it stopped, in a sentence or two, and `at` when; empty: it is under way, or was killed.
        files: in which something of the person was left; one whose name names the person is told by its folder.
    """

    steps: int
    stopped: str = ""
    at: str = ""
    files: tuple[str, ...] = ()


def progress(lake: Lake, use_case: str, request_id: str) -> Progress | None:
    """None: it has not begun, or this account may not read the restricted zone."""
    try:
        known = json.loads(lake.fs.cat_file(lake.path_of("restricted", use_case, FOLDER, f"{request_id}.json")))
    except (OSError, ValueError):
        return None
    stopped = known["told"].get("stopped", {})
    names = {*known["asked_subjects"], *known["asked_pseudonyms"], *known["subjects"], *known["texts"]}
    files = [_nameless(one, names) for one in stopped.get("files", [])]
    if not known["steps"] and not stopped:
        return None
    return Progress(len(known["steps"]), stopped.get("why", ""), stopped.get("at", ""), tuple(dict.fromkeys(files)))


def _nameless(path: str, names: set[str]) -> str:
    """A path, or the first folder above it, that names nobody."""
    while any(name.casefold() in path.casefold() for name in names):
        path = f"{path.rstrip('/…').rpartition('/')[0]}/…"
    return path


def last_day(received: date) -> date:
    """One month after the request was received (GDPR, Article 12(3); counted as in Regulation 1182/71, Article 3)."""
    year, month = received.year + received.month // 12, received.month % 12 + 1
    return date(year, month, min(received.day, calendar.monthrange(year, month)[1]))


def requests(lake: Lake, use_case: NamedUseCase) -> list[Request]:
    """Every request of a use case, the oldest first.

    Raises:
        CorruptVersion: one was altered.
    """
    decisions: dict[str, dict[str, Any]] = {}
    for one in sorted(statements(lake, use_case, DECISION), key=lambda one: one.said["at"]):
        decisions[one.said["request"]] = one.said
    done = {one.said["request"]: one.said for one in statements(lake, use_case, CERTIFICATE)}
    weights = {one.said["request"]: one.said for one in statements(lake, use_case, WEIGHTS)}
    found = sorted(statements(lake, use_case, REQUEST), key=lambda one: one.said["at"])
    later: dict[str, list[dict[str, Any]]] = {}
    for one in sorted(statements(lake, use_case, CONFIRMATION), key=lambda one: one.said["at"]):
        later.setdefault(one.said["request"], []).append(one.said)
    return [
        Request(one, decisions.get(name), done.get(name), weights.get(name), tuple(later.get(name, ())))
        for one in found
        for name in [one.said["id"]]
    ]


def request_named(lake: Lake, use_case: NamedUseCase, request_id: str) -> Request:
    """Raises DataError if there is none."""
    found = next((one for one in requests(lake, use_case) if one.id == request_id), None)
    if found is None:
        raise DataError(f"{use_case.name} has no request {request_id}", f"See: ft erase list {use_case.name}")
    return found
