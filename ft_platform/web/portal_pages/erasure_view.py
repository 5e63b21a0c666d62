"""What the pages show on which erasures are asked for, approved and followed, and on which a person is told what is
held. Nobody is named in them: whom a request is about is shown only as the answer to a form (`web.erasure_acts`)."""

from datetime import UTC, date, datetime
from typing import Any

from ft_platform.people.may import knowledge_problem
from ft_platform.people.superiors import superiors
from ft_platform.release.erasures import APPROVED, WAITS, Request, progress, requests
from ft_platform.web.portal_pages.asking import Asking, View

MOST_CLOSED = 50
"""Requests that are done or refused, on the page; `ft erase list` has all."""


def erase_view(asking: Asking) -> View:
    """Every request with its last day and its certificate, and what the person may do about it."""
    found = requests(asking.lake, asking.use_case)
    open_ones = sorted((one for one in found if one.is_open), key=lambda one: one.deadline)
    closed = [one for one in reversed(found) if not one.is_open]
    why_not_ask, why_not_erase = _why_not(asking, "ask_for_erasure"), _why_not_erase(asking)
    today = datetime.now(UTC).date()
    values: dict[str, Any] = {
        "open": [
            _told(one, today, asking)
            | {"progress": None if why_not_erase else progress(asking.lake, asking.name, one.id)}
            for one in open_ones
        ],
        "closed": [_told(one, today, asking) for one in closed[:MOST_CLOSED]],
        "closed_in_all": len(closed),
        "why_not_ask": why_not_ask,
        "why_not_erase": why_not_erase,
    }
    about = {"requests": [] if why_not_erase else [[one.id, one.state] for one in open_ones]}
    may_not: dict[str, str] = dict.fromkeys(("plan", "ask_erasure"), why_not_ask)
    may_not |= dict.fromkeys(("look", "approve_erasure", "refuse_erasure", "carry_out"), why_not_erase)
    return View(values, about, may_not=may_not)


def disclose_view(asking: Asking) -> View:
    """Whether the person may take out what is held on somebody."""
    why_not = _why_not(asking, "disclose")
    return View({"why_not": why_not}, may_not={"disclose": why_not})


def _told(request: Request, today: date, asking: Asking) -> dict[str, Any]:
    own = asking.person is not None and asking.person.name.casefold() == request.said["person"].casefold()
    return {
        **request.to_dict(),
        "reason": request.said["reason"],
        "refused_because": (request.decision or {}).get("reason", ""),
        "left": (request.deadline - today).days,
        "waits": request.state == WAITS,
        "approved": request.state == APPROVED,
        "own": own,
        "certificate": request.certificate,
        "places": request.places,
        "measures": bool(request.said.get("measure_weights")),
        "after": request.weights,
        "sealed_until": request.sealed_until,
    }


def _why_not(asking: Asking, action: str) -> str:
    """Why the person may not do something here; empty: they may, or nobody signs in."""
    if asking.person is None:
        return ""
    ruling = asking.permissions.may(asking.person, action, asking.name)
    return knowledge_problem(asking.use_case, asking.person.known_by) or ("" if ruling else ruling.why)


def _why_not_erase(asking: Asking) -> str:
    """As `erasure.requests.decide` asks it: the superior may, too."""
    person, above = asking.person, superiors("compliance", asking.use_case, asking.permissions.people)
    if person and person.name.casefold() in {one.casefold() for one in above}:
        return ""
    return _why_not(asking, "erase")
