"""A file system that is closed to writing in the middle of a work, and opened again; run as a program, in a mount
namespace of its own: `unshare --mount python -m ft_platform_tests.attacks.closed_disk FOLDER WORK POINT...`. POINT is
how many files are put in their places before. Prints a line of JSON for each.

Persons are fictitious."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ft_platform.errors import FtError
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.people.may import Permissions
from ft_platform.people.noted import unnoted
from ft_platform.people.person import named
from ft_platform.process import system_errors
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.attacks.two_at_once import ANA, PERSON, approved, installation
from ft_platform_tests.erasure.killing import forked

Work = Callable[[], Any]


def release(folder: Path) -> tuple[str, Work]:
    from ft_platform_tests.release.test_releasing import Case

    case = Case(folder / "home")
    case.publish()
    case.published_decision()
    return "complaints", case.released


def sign(folder: Path) -> tuple[str, Work]:
    from ft_platform.release import signing
    from ft_platform_tests.release.test_releasing import asking

    case = asking(folder / "home", "compliance")
    decision = case.published_decision()
    permissions = Permissions(use_cases={"complaints": case.use_case})
    return "complaints", lambda: signing.sign(case.lake, case.use_case, decision, named(ANA), permissions, unnoted)


def ingest(folder: Path) -> tuple[str, Work]:
    """A run as far as `permitted_records`, without Dagster."""
    return "letters", installation(folder).permit


def erase(folder: Path) -> tuple[str, Work]:
    from ft_platform.erasure.executing import erase_approved
    from ft_platform.erasure.requests import requests_about
    from ft_platform.people.loading import use_cases_of

    approved(folder)

    def work() -> Any:
        environment = load_environment()
        lake, case = open_lake(environment), use_cases_of(environment)["letters"]
        ((use_case, request),) = requests_about(lake, environment, [case], [PERSON])
        return erase_approved(lake, environment, use_case, request, named(ANA))["id"]

    return "letters", work


def note_traffic(folder: Path) -> tuple[str, Work]:
    """The log of a server, which goes on without it and notes again later."""
    from ft_platform.monitoring.traffic import spool

    spool.PAUSE_SECONDS = 0.0
    lake = installation(folder).lake
    lake.fs.makedirs(lake.folder, exist_ok=True)

    def work() -> bool:
        server = spool.Spool(folder / "home" / "traffic" / "spool.db")
        server.start()
        kept = server.append("letters", {"request": {"text": "Fictitious"}}).result()
        server.stop()
        if not kept:
            raise FtError(server.off)
        return kept

    return "letters", work


WORKS = {work.__name__: work for work in (ingest, release, sign, erase, note_traffic)}


def close(folder: Path) -> bool:
    """Lays a read-only view of a folder over it; a remount is refused while a file is open, as locks always are."""
    commands = ["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder]
    return all(subprocess.run(words, capture_output=True, check=False).returncode == 0 for words in commands)


def closed_at(point: int, folder: Path, work: Work) -> dict[str, Any]:
    """Does it; after so many renames of files the folder is closed. Returns what came of it."""
    real, renames, closed = os.replace, 0, point == 0 and close(folder)

    def replace(source: Any, target: Any) -> None:
        nonlocal renames, closed
        closed = closed or (renames >= point and close(folder))
        renames += 1
        real(source, target)

    os.replace = replace
    try:
        done, words = bool(work()), ""
    except FtError as error:
        done, words = False, str(error)
    except Exception as error:  # the terminal puts it into words in the same way
        found = system_errors.in_words(error, folder)
        done, words = False, str(found) if found else f"CRASH {type(error).__name__}"
    finally:
        os.replace = real
    return {"closed": closed, "done": done, "words": words}


def attempt(point: int, folder: Path, name: str) -> dict[str, Any]:
    """What came of a work on a disk that is closed, and of the same on one that is open again."""
    home = folder / "home"
    home.mkdir(parents=True)
    os.environ |= Environment(home=home, defs=folder / "defs", tracking_uri="none").to_variables()
    use_case, work = WORKS[name](folder)
    found = {"point": point, **closed_at(point, home, work)}
    found["problems"] = inspect(open_lake(load_environment()), use_case).problems
    subprocess.run(["umount", "--lazy", home], capture_output=True, check=False)
    again = closed_at(sys.maxsize, home, work)
    problems = inspect(open_lake(load_environment()), use_case).problems
    return {**found, "again": again["words"], "done_again": again["done"], "problems_again": problems}


if __name__ == "__main__":
    if os.environ.get("WITHOUT_WORDS"):
        system_errors.REFUSED = ()
    for number in map(int, sys.argv[3:]):
        told, _ = forked(lambda number=number: attempt(number, Path(sys.argv[1]) / str(number), sys.argv[2]))
        print(json.dumps(told), flush=True)
