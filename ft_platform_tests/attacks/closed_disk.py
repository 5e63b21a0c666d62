"""A file system that is closed to writing in the middle of a work, and opened again; run as a program, in a mount
namespace of its own: `unshare --mount python -m ft_platform_tests.attacks.closed_disk FOLDER WORK POINT...`.

Persons are fictitious."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ft_platform.environment import load_environment
from ft_platform.errors import FtError
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.verify import verify
from ft_platform.people.may import Permissions
from ft_platform.people.noted import unnoted
from ft_platform.people.person import named
from ft_platform.process.system_errors import in_words
from ft_platform.settings.environment import Environment
from ft_platform_tests.erasure.killing import forked

ANA, BO, PERSON = "ana.ruiz@example.org", "bo.lund@example.org", "Zebulon Quartermain"
Work = Callable[[], Any]


def release(folder: Path) -> tuple[str, Work]:
    from ft_platform_tests.release.test_releasing import Case

    case = Case(folder)
    case.publish()
    case.published_decision()
    return "complaints", case.released


def sign(folder: Path) -> tuple[str, Work]:
    from ft_platform.release import signing
    from ft_platform_tests.release.test_releasing import asking

    case = asking(folder, "compliance")
    decision = case.published_decision()
    permissions = Permissions(use_cases={"complaints": case.use_case})
    return "complaints", lambda: signing.sign(case.lake, case.use_case, decision, named(ANA), permissions, unnoted)


def erase(folder: Path) -> tuple[str, Work]:
    from ft_platform.erasure.executing import erase_approved
    from ft_platform.erasure.requests import requests_about
    from ft_platform.people.loading import use_cases_of
    from ft_platform_tests.attacks.two_at_once import approved

    approved(folder)

    def act() -> Any:
        environment = load_environment()
        lake, case = open_lake(environment), use_cases_of(environment)["letters"]
        ((use_case, request),) = requests_about(lake, environment, [case], [PERSON])
        return erase_approved(lake, environment, use_case, request, named(ANA))["id"]

    return "letters", act


WORKS = {work.__name__: work for work in (release, sign, erase)}


def close(folder: Path) -> bool:
    """Lays a read-only view of a folder over it; a remount refuses while a file is open, as locks always are."""
    commands = ["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder]
    return all(subprocess.run(words, capture_output=True, check=False).returncode == 0 for words in commands)


def closed_at(point: int, folder: Path, work: Work) -> tuple[Any, int]:
    """Does it on a file system that is closed before that rename of a file, or the first later one between which no
    file is open. Returns what came of it, and how many renames there were before."""
    real, renames, closed = os.replace, 0, False

    def replace(source: Any, target: Any) -> None:
        nonlocal renames, closed
        if not closed and renames >= point:
            closed = close(folder)
        renames += not closed
        real(source, target)

    os.replace = replace
    try:
        return {"done": bool(work())}, renames
    except FtError as error:
        return {"refused": str(error)}, renames
    except BaseException as error:
        words = in_words(error, folder)
        return {"refused": str(words)} if words else {"crashed": type(error).__name__}, renames
    finally:
        os.replace = real


def attempt(point: int, folder: Path, name: str) -> dict[str, Any]:
    """Does a work on a file system that is closed at a point, and once more when it is open again."""
    home = folder / "home"
    home.mkdir(parents=True)
    environment = Environment(home=home, defs=folder / "defs", tracking_uri="none")
    os.environ.update({**environment.to_variables(), "FT_HOME": str(home)})
    use_case, work = WORKS[name](folder if name == "erase" else home)
    told, renames = closed_at(point, home, work)
    intact = inspect(open_lake(load_environment()), use_case).problems
    subprocess.run(["umount", "--lazy", home], capture_output=True, check=False)
    again, _ = closed_at(sys.maxsize, home, work)
    problems = inspect(open_lake(load_environment()), use_case).problems
    left = [str(path.relative_to(home)) for path in home.rglob("*.tmp")]
    found = {"point": point, "renames": renames, **told, "intact": intact}
    return {**found, "again": again, "problems": problems, "left": left}


def main(folder: Path, name: str, points: list[int]) -> None:
    for point in points:
        told, _ = forked(lambda point=point: attempt(point, folder / str(point), name))
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], [int(word) for word in sys.argv[3:]])
