"""Carries out erasures that were approved in the portal, one after the other, on behalf of whoever approved them.

Covered: what was interrupted goes on where it was, when it is asked for again. Not covered: asking again, which a
person does (`What needs somebody` lists it until it is done), so that nothing is erased that nobody sees."""

from ft_platform.erasure.executing import erase_approved
from ft_platform.errors import FtError
from ft_platform.lake.opening import open_lake
from ft_platform.people.person import Person
from ft_platform.release.erasures import APPROVED, requests
from ft_platform.use_case.file import load_use_case, use_case_folder
from ft_platform.use_case.settings.environment import Environment


def carry_out(name: str, environment: Environment) -> list[str]:
    """Erases what was approved in a use case. Returns what went wrong: ids of requests, and no name of a file, which
    may name a person."""
    use_case = load_use_case(use_case_folder(environment.defs, name), environment=environment)
    lake, problems = open_lake(environment), []
    for request in requests(lake, use_case):
        if request.state == APPROVED and (decision := request.decision):
            person = Person(decision["person"], known_by=decision["known_by"])
            try:
                done = erase_approved(lake, environment, use_case, request, person)
            except FtError as error:
                problems.append(" ".join(filter(None, [f"{request.id}: {error.message}", error.next_step])))
                continue
            if done["bytes_found_after"]:
                where = f"See where: ft erase subject {name} {request.id}"
                problems.append(f"{request.id}: {done['bytes_found_after']} bytes of the person are left. {where}")
    return problems
