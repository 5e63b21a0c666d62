"""Finds the approved requests about a person, and carries them out one after the other."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from ft_platform.erasure import case_file
from ft_platform.erasure.executing import Erasing
from ft_platform.erasure.requests import case_of
from ft_platform.erasure.tombstones import digest, key_of
from ft_platform.errors import DataError
from ft_platform.lake.files import locked
from ft_platform.lake.store import Lake
from ft_platform.people.person import Person
from ft_platform.release.erasures import Request, requests
from ft_platform.settings.environment import Environment
from ft_platform.use_case.named import NamedUseCase

About = tuple[NamedUseCase, Request]


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
        raise DataError("nobody asked to erase this person", 'Ask first: ft erase request ID --reason "..."')
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


def erase_approved(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    request: Request,
    person: Person,
    tell: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """The certificate of a request that was done before, or is done now; without an `id` where something was still
    found. A second process waits.

    Raises:
        VersionRefused: no second person approved it.
        TransientError: something is under way that keeps writing; go on later.
    """
    if request.certificate:
        _forget(lake, use_case, request)
        return request.certificate
    with locked(environment.home / "erasures" / f"{request.id}.lock"):
        again = next(one for one in requests(lake, use_case) if one.id == request.id)
        if again.certificate:  # another process has done it meanwhile
            return again.certificate
        case = case_of(lake, environment, use_case, again)
        erasing = Erasing(lake, environment, use_case, again, case, person, tell)
        return erasing.run() or erasing.so_far()


def _forget(lake: Lake, use_case: NamedUseCase, request: Request) -> None:
    """A process may have been killed between the certificate and this."""
    case_file.remove(lake, use_case.name, request.id)


def totals(done: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Figures of several certificates."""
    made = list(done)
    return {
        "rows": sum(one["rows"] for one in made),
        **{name: sum(len(one[name]) for one in made) for name in ("versions", "checkpoints", "deployments")},
        "bytes_found_after": sum(one["bytes_found_after"] for one in made),
        "certificate": ", ".join(one["id"] for one in made if "id" in one),
        "found_in": [name for one in made for name in one.get("found_in", ())],
    }
