"""One of two processes that work on one use case at the same moment, run as a program: `python -m
ft_platform_tests.attacks.two_at_once LOCKS WORD...` waits for a line, then is `ft WORD...`. LOCKS: `off` takes them
away.

Persons are fictitious."""

import fcntl
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ft_platform import cli
from ft_platform.erasure.requests import ask, decide
from ft_platform.people.may import Permissions
from ft_platform.people.person import named
from ft_platform.use_case.environment import create_pseudonym_key, load_environment
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.governance.house import House, rows

ANA, BO, PERSON = "ana.ruiz@example.org", "bo.lund@example.org", "Zebulon Quartermain"
OWNERS = {"accountable": ANA, "compliance": "team:privacy", "teams": {"privacy": [ANA, BO]}}


def installation(folder: Path) -> House:
    """A use case `letters` with a source, and nothing made of it."""
    environment = Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")
    environment.defs.mkdir(parents=True)
    create_pseudonym_key(environment)
    made = House(environment, name="letters")
    made.attributes["owners"] = OWNERS
    write_use_case(environment.defs, "letters", made.attributes)
    made.write(rows(6, person={1: PERSON}))
    return made


def approved(folder: Path) -> House:
    """The same, with all stages, and an erasure of a person that a second one has approved."""
    made = installation(folder)
    made.build()
    permissions, day = Permissions(use_cases={"letters": made.case}), datetime.now(UTC).date()
    words: dict[str, Any] = {"reason": "Letter of 3 March", "received": day, "today": day}
    request = ask(made.lake, made.environment, made.case, permissions, named(ANA), [PERSON], **words)
    decide(made.lake, made.case, permissions, named(BO), request.id, approved=True)
    return made


def slow_replace(source: Any, target: Any) -> None:
    """So that the other process comes in between."""
    time.sleep(0.03)
    replace(source, target)


if __name__ == "__main__":
    replace, os.replace = os.replace, slow_replace
    if sys.argv[1] == "off":
        fcntl.flock = lambda *_: None  # type: ignore[assignment]
    load_environment()
    print("ready", flush=True)
    sys.stdin.readline()
    sys.exit(cli.main(sys.argv[2:]))
