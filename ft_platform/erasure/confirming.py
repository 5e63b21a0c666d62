"""Asks services again that did not confirm when a certificate was signed; what they answer is signed beside it."""

from typing import Any

from ft_platform.erasure.places import tracker_place
from ft_platform.erasure.trackers import NOT_CONFIRMED, ask_trackers
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.opening import note
from ft_platform.people.person import Person
from ft_platform.people.statements import state
from ft_platform.release.erasures import CONFIRMATION, Request
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def ask_again(
    lake: Lake, environment: Environment, use_case: NamedUseCase, request: Request, person: Person
) -> dict[str, Any]:
    """The certificate, with the newest answer of each place."""
    certificate = request.certificate or {}
    places = request.places
    waiting = {one["place"]: one for one in places if one["result"] == NOT_CONFIRMED}
    if not waiting:
        return {**certificate, "places": places}
    learned = {*certificate["checkpoints"], *certificate["trainings"]}
    answers = [tracker_place(one) for one in ask_trackers(lake, environment, use_case.name, request.id, learned)]
    news = [_with_earlier(one, waiting[one["place"]]) for one in answers if one["place"] in waiting]
    news = [one for one in news if one != waiting[one["place"]]]
    if not news:
        return {**certificate, "places": places}
    said = {"request": request.id, "certificate": certificate["id"], "places": news}
    note(lake, use_case, "erasure", "asked services again to delete", person, request=request.id, places=len(news))
    who = {"person": person.name, "known_by": person.known_by, "at": now("milliseconds")}
    state(lake, use_case, CONFIRMATION, {**said, **who}, [request.stated.version])
    later = {one["place"]: one for one in news}
    return {**certificate, "places": [later.get(one["place"], one) for one in places]}


def _with_earlier(answer: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    deleted = sorted({*before["deleted"], *answer["deleted"]})
    result = {} if answer["result"] == NOT_CONFIRMED or not deleted else {"result": "deleted"}
    return {**answer, "deleted": deleted, "count": len(deleted), **result}
