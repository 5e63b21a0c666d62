"""Requests to erase persons: who asked, the word of a second person, and the last day.

A request is signed and stays on record without saying whom it is about; that lies in the restricted zone
(`case_file`) and is removed at the end. Covered: four eyes, also where somebody edits whom it is about in between.
Not covered: that a name typed on a terminal is that person (`known_by`), and that the request came from the person."""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import date

from ft_platform.erasure import case_file
from ft_platform.erasure.case_file import CaseFile
from ft_platform.erasure.needles import Needles
from ft_platform.erasure.tombstones import digest, key_of
from ft_platform.errors import ConfigError, CorruptVersion, DataError, VersionRefused
from ft_platform.governance.retention import standing_holds
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.opening import note
from ft_platform.people.may import Permissions, conflict, knowledge_problem
from ft_platform.people.person import Person
from ft_platform.people.statements import state
from ft_platform.people.superiors import superiors
from ft_platform.process.reasons import require_reason
from ft_platform.release.erasures import APPROVED, DECISION, REQUEST, WAITS, Request, last_day, request_named, requests
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

About = tuple[NamedUseCase, Request]
PSEUDONYM = re.compile(r"subject_[a-z2-7]{16}")


def ask(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    permissions: Permissions,
    person: Person,
    subjects: Sequence[str],
    texts: Sequence[str] = (),
    *,
    reason: str,
    received: date,
    today: date,
    measure_weights: bool = False,
) -> Request:
    """Puts a request on record; the same one that is open is returned.

    Args:
        person: who records it.
        subjects: ids as the source writes them, or pseudonyms.
        texts: names and the like that are taken out of records of others, too.
        received: day on which the person asked.
        measure_weights: what they hold is measured before and after, for which rows are sealed meanwhile.

    Raises:
        ConfigError: nobody is named, the day is to come, or the person may not.
    """
    subjects = sorted({subject.strip() for subject in subjects} - {""})
    texts = sorted({" ".join(text.split()) for text in texts} - {""})
    if not subjects and not texts:
        raise ConfigError(["the id of a person, or a text, is needed"], "See: ft erase request --help")
    if Needles(subjects, texts).count(reason.encode()):
        raise ConfigError(["the reason names the person, and it stays on record"], "Say it without the name or the id")
    if received > today:
        raise ConfigError([f"nobody can have asked on {received}, which is after today"])
    _require(lake, use_case, permissions, person, "ask_for_erasure")
    told = digest(key_of(environment, use_case.name, make=True), subjects, texts)
    same = (one for one in requests(lake, use_case) if one.is_open and one.said["digest"] == told)
    if existing := next(same, None):
        return existing
    said = {"persons": len(subjects) or 1, "texts": len(texts), "digest": told, "reason": require_reason(reason)}
    said |= {"received": received.isoformat(), "deadline": last_day(received).isoformat()}
    said |= {"measure_weights": True} if measure_weights else {}
    note(lake, use_case, "erasure", "asked to erase persons", person, persons=len(subjects), received=received)
    made = state(lake, use_case, REQUEST, {**said, **_who(person)}, [])
    # Killed between the two, the request names nobody, can only be refused, and is made again.
    plain = [one for one in subjects if not PSEUDONYM.fullmatch(one)]
    pseudonyms = [one for one in subjects if PSEUDONYM.fullmatch(one)]
    case_file.save(lake, CaseFile(use_case.name, made["id"], plain, texts, pseudonyms))
    return request_named(lake, use_case, made["id"])


def decide(
    lake: Lake,
    use_case: NamedUseCase,
    permissions: Permissions,
    person: Person,
    request_id: str,
    *,
    approved: bool,
    reason: str = "",
) -> Request:
    """The word of a second person; a refusal removes what was said of whom.

    Args:
        reason: why it is refused.

    Raises:
        ConfigError: the person may not, or asked for it.
        DataError: there is no such request that waits.
        VersionRefused: a legal hold stands.
    """
    request = request_named(lake, use_case, request_id)
    begun = case_file.started(lake, use_case.name, request_id)
    if not request.is_open or (approved and request.state != WAITS) or begun:
        raise DataError(f"{request_id} is not waiting for a decision", f"See: ft erase list {use_case.name}")
    above = superiors("compliance", use_case, permissions.people)
    if person.name.casefold() not in {one.casefold() for one in above}:
        _require(lake, use_case, permissions, person, "erase")
    own = conflict(person, "erase", {"asked for it": {request.said["person"]}})
    if own and approved:  # whoever asked may take it back
        note(lake, use_case, "denial", "may not approve an erasure", person, request=request_id)
        raise ConfigError([own])
    if approved:
        require_no_hold(lake, use_case)
    reason = reason.strip() if approved else require_reason(reason)
    said = {"request": request_id, "approved": approved, "reason": reason}
    what = "approved an erasure" if approved else "refused an erasure"
    note(lake, use_case, "erasure", what, person, request=request_id)
    state(lake, use_case, DECISION, {**said, **_who(person)}, [request.stated.version])
    if not approved:
        case_file.remove(lake, use_case.name, request_id)
    return request_named(lake, use_case, request_id)


def require_no_hold(lake: Lake, use_case: NamedUseCase) -> None:
    """Nobody is erased while a legal hold stands: what is needed for legal claims stays (GDPR, Article 17(3)(e)).

    Raises:
        VersionRefused: one stands.
    """
    if held := standing_holds(lake, use_case):
        raise VersionRefused(
            f"{', '.join(held)} of {use_case.name} stands, so nobody is erased: what legal claims need stays (GDPR,"
            " Article 17(3)(e))",
            f"Refuse the request with this reason, or end the hold first: ft retention lift {use_case.name}",
        )


def case_of(lake: Lake, environment: Environment, use_case: NamedUseCase, request: Request) -> CaseFile:
    """Whom an approved request is about, as it was when it was approved.

    Raises:
        VersionRefused: it was not approved.
        CorruptVersion: somebody changed whom it is about.
    """
    if request.state != APPROVED:
        raise VersionRefused(
            f"{request.id} of {use_case.name} {request.state}",
            f"A second person: ft erase approve {use_case.name} {request.id} --by <e-mail address>",
        )
    return asked_for(lake, environment, use_case, request)


def asked_for(lake: Lake, environment: Environment, use_case: NamedUseCase, request: Request) -> CaseFile:
    """Whom a request that is open is about, as it was when it was made.

    Raises:
        CorruptVersion: somebody changed whom it is about.
    """
    case = case_file.load(lake, use_case.name, request.id)
    asked = case.asked if case else []
    if case is None or digest(key_of(environment, use_case.name), asked, case.texts) != request.said["digest"]:
        since = "approved" if request.state == APPROVED else "made"
        problem = f"whom {request.id} of {use_case.name} is about was changed or lost since it was {since}"
        raise CorruptVersion(problem, f"Refuse it, and ask again: ft erase refuse {use_case.name} {request.id}")
    return case


def requests_about(
    lake: Lake, environment: Environment, use_cases: Iterable[NamedUseCase], wanted: Collection[str]
) -> list[About]:
    """Requests that are open, or were done, about a person.

    Args:
        wanted: ids of all persons of the request, or its own id.

    Raises:
        DataError: there is none.
    """
    found = [
        (use_case, one)
        for use_case in use_cases
        for one in requests(lake, use_case)
        if (one.is_open or one.certificate) and _is_about(lake, environment, use_case, one, wanted)
    ]
    if not found:
        raise DataError("nobody asked to erase this person", "Ask first: ft erase request ID --reason <why>")
    open_ones = [(use_case, one) for use_case, one in found if one.is_open]
    return open_ones or found


def _is_about(
    lake: Lake, environment: Environment, use_case: NamedUseCase, request: Request, wanted: Collection[str]
) -> bool:
    if request.id in wanted:
        return True
    if request.certificate:  # whom it was about is gone; who knows all of it can ask
        return request.said["digest"] == digest(key_of(environment, use_case.name), wanted, ())
    case = case_file.load(lake, use_case.name, request.id)
    return case is not None and set(wanted) <= {*case.asked, *case.subjects}


def _require(lake: Lake, use_case: NamedUseCase, permissions: Permissions, person: Person, action: str) -> None:
    ruling = permissions.may(person, action, use_case.name)
    problem = knowledge_problem(use_case, person.known_by) or ("" if ruling else ruling.why)
    if problem:
        note(lake, use_case, "denial", f"may not {action.replace('_', ' ')}", person)
        raise ConfigError([problem])


def _who(person: Person) -> dict[str, str]:
    return {"person": person.name, "known_by": person.known_by, "at": now("milliseconds")}
