"""What the machine does to the platform: two processes at once, a file system that is closed to writing in the middle
of a work, a clock that jumps by days.

An attack broke through if something was lost or half made, if the chain does not verify, if a message is no sentence
that a person can act on, or if the day at which a clock was wrong counts for anything. Where the machine may not mount,
the attacks on the file system are left out, and standard error says so. Persons are fictitious."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from ft_platform.lake.backup import repository
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.releases import releases
from ft_platform.monitoring.alerts.alert import Alert
from ft_platform.monitoring.alerts.outbox import opened
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.verify import verify
from ft_platform.people.identity.database import Database
from ft_platform.people.identity.sessions import Session, Sessions
from ft_platform.people.person import Person
from ft_platform.use_case.settings.alerting import Alerting
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.attacks.area import Area, Attack, switched_off
from ft_platform_tests.attacks.two_at_once import PERSON, approved, installation
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.erasure.conftest import bytes_below

OFF: set[str] = set()
"""What is switched off in the processes that an attack starts."""
WORKS = {"sign": 2, "ingest": 8, "release": 7, "erase": 80, "note_traffic": 1}
"""Work of `closed_disk` -> points at which it can be closed."""
SECONDS = 600


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    for number in range(size):
        days = random.choice((-1, 1)) * random.randint(2, 4000)
        own = folder / f"clock {number}"
        yield f"releases by a clock that is wrong by {days} days: {number}", functools.partial(_released, own, days)
        yield f"backups by a clock that is wrong by {days} days: {number}", functools.partial(_backed_up, days)
        yield f"a session of a clock that was {abs(days)} days ahead", functools.partial(_signed_in, own, abs(days))
        yield f"an alarm of a clock that was {abs(days)} days ahead", functools.partial(_alarmed, own, abs(days))
    yield "two runs of one use case", functools.partial(_two_runs, folder / "runs")
    yield from _closings(random, folder)
    yield "two erasures of one person", functools.partial(_two_erasures, folder / "erasures")


def _closings(random: Random, folder: Path) -> Iterator[tuple[str, Attack]]:
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        print("machine: not possible here: file systems that are closed (no right to mount)", file=sys.stderr)
        return
    for work, points in WORKS.items():
        point = random.randrange(points)
        yield f"{work}, closed at {point}", functools.partial(_closed, folder / work, work, point)


def _clock(days: int) -> type[datetime]:
    real = datetime.now
    return type("Clock", (datetime,), {"now": classmethod(lambda _, zone=None: real(zone) + timedelta(days))})


def _released(folder: Path, days: int) -> str | None:
    """The clock is wrong for one of two releases, the second if it is behind and the first if it is ahead."""
    from ft_platform_tests.release.test_releasing import Case

    case = Case(folder)
    case.publish()
    with patch("ft_platform.lake.manifest.datetime", _clock(max(days, 0))):
        first = case.released()
    case.again("second")
    with patch("ft_platform.lake.manifest.datetime", _clock(min(days, 0))):
        second = case.released()
    lake = open_lake(Environment(home=folder))
    if [one.version for one in releases(lake, "complaints")] != [second, first]:
        return "the older release counts as the newest"
    return "; ".join(inspect(lake, "complaints").problems) or None


def _backed_up(days: int) -> str | None:
    with patch.object(repository, "datetime", _clock(max(days, 0))):
        first = repository.new_id()
    with patch.object(repository, "datetime", _clock(min(days, 0))):
        second = repository.new_id(first)
    return None if second > first else "the older backup counts as the newest"


def _signed_in(folder: Path, days: int) -> str | None:
    now = 2_000_000_000.0 + days * 86_400
    sessions = Sessions(Database(folder / "people"), 3600, 43_200, lambda: now)
    made = sessions.start(Session(Person("ana@example.org", known_by="password"), "1"))
    now -= days * 86_400
    return "it is good" if sessions.find(made) else None


def _alarmed(folder: Path, days: int) -> str | None:
    folder.mkdir(parents=True, exist_ok=True)
    now, alarm = datetime.now(UTC), Alert("letters", "errors", "warning", "Many.", "", "service/errors")
    with opened(folder, Alerting()) as outbox:
        outbox.raised(alarm, ["hook"], now + timedelta(days))
        return None if outbox.claim("hook", now) else "it waits for that day"


def _together(folder: Path, *words: str) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of two processes that begin the same command at the same moment."""
    environment = Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")
    variables = {**os.environ, **environment.to_variables(), "PYTHONPATH": str(REPOSITORY)}
    variables.pop("DAGSTER_HOME", None)
    command = [sys.executable, "-m", "ft_platform_tests.attacks.two_at_once", "off" if "locks" in OFF else "on", *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(command, env=variables, text=True, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdout and process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=SECONDS) for process in both]
    return [(process.returncode, *texts) for process, texts in zip(both, told, strict=True)]


def _what_is_wrong(folder: Path, told: list[tuple[int, str, str]]) -> str | None:
    """Of two processes that are done, and of what they leave."""
    lake = open_lake(Environment(home=folder / "home", tracking_uri="none"))
    for code, _, errors in told:
        if code and (("ft erase: " not in errors and "ft run: " not in errors) or "has no words for" in errors):
            return f"one ended with {code} and no sentence"
    if all(code for code, *_ in told):
        return "neither came to its end"
    problems = [*inspect(lake, "letters").problems, *verify(AuditLog(lake)).problems]
    left = [path.name for path in Path(lake.folder).rglob("*") if path.name.endswith((".tmp", ".pending", ".erasing"))]
    return "; ".join([*map(str, problems), *left]) or None


def _two_runs(folder: Path) -> str | None:
    house = installation(folder)
    told = _together(folder, "run", "letters", "--until", "permitted_records")
    if wrong := _what_is_wrong(folder, told):
        return wrong
    lake = open_lake(house.environment)
    for stage in ("raw_records", "permitted_records"):
        made = lake.latest("letters", stage)
        ids = lake.read_table(made, ["record_id"])["record_id"].to_pylist() if made else []
        if len(ids) != 6 or len(set(ids)) != 6:
            return f"{stage} has {len(ids)} rows, {len(set(ids))} of them different"
    return None


def _two_erasures(folder: Path) -> str | None:
    house = approved(folder)
    told = _together(folder, "erase", "subject", "letters", PERSON, "--json")
    if wrong := _what_is_wrong(folder, told):
        return wrong
    certificates = [json.loads(output)["certificate"] for code, output, _ in told if not code]
    there = [one.artifact_id for one in open_lake(house.environment).artifacts("letters", "erasure_certificate")]
    if [*set(certificates)] != there:
        return f"{len(there)} certificates, and {len(set(certificates))} were named"
    return "the person is still there" if bytes_below(house.environment.home, PERSON) else None


def _closed(folder: Path, work: str, point: int) -> str | None:
    folder.mkdir(parents=True)
    program = ["unshare", "--mount", sys.executable, "-m", "ft_platform_tests.attacks.closed_disk"]
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "WITHOUT_WORDS": "yes" if "words" in OFF else ""}
    done = subprocess.run(
        [*program, str(folder), work, str(point)], capture_output=True, text=True, env=variables, check=False
    )
    told = json.loads(done.stdout or "null")
    if told is None or not told["closed"]:
        return f"it was not played (exit code {done.returncode})"
    if not told["done"] and ("ead-only" not in told["words"] or "\n" in told["words"]):
        return f"it says {told['words'][:120]!r}"
    if told["problems"] and work != "erase":  # of which a half is taken up by the next one, and was said to be
        return f"what was there is not intact: {told['problems'][0]}"
    return None if told["done_again"] and not told["problems_again"] else f"the next one: {told['again'][:120]}"


def _in_processes(name: str) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch.object(sys.modules[__name__], "OFF", {name})


AREA = Area(
    name="machine",
    cases=cases,
    defences={
        "one_writer_at_a_time": _in_processes("locks"),
        "words_for_a_closed_disk": _in_processes("words"),
        "newest_by_the_chain": switched_off("lake.seals.Seals.place", by=lambda *_: -1),
        "no_session_of_the_future": switched_off("people.identity.sessions.SEEN_SECONDS", by=1e12),
        "no_alarm_of_the_future": switched_off(
            "monitoring.alerts.outbox.NEXT",
            by="SELECT * FROM messages WHERE channel = :channel AND sent IS NULL AND due <= :at LIMIT 1",
        ),
    },
)
