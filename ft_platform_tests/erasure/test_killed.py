"""kill -9 at every step of an erasure, and while it puts files in their places: the next call ends it, and all holds.

One program forks an erasure for each point, so that packages are imported once. Persons are fictitious."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from ft_platform.erasure.beside import BESIDE
from ft_platform.erasure.executing import STEPS
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.conftest import PERSON
from ft_platform_tests.erasure.test_whole import approved, house  # noqa: F401

pytestmark = pytest.mark.integration
EVERY = 11
"""Of the renames of files: before and after each such one."""

PROGRAM = textwrap.dedent("""
    import json, os, shutil, signal, sys
    from pathlib import Path

    from ft_platform.environment import load_environment
    from ft_platform.erasure.executing import erase_approved
    from ft_platform.erasure.requests import requests_about
    from ft_platform.erasure.needles import Needles
    from ft_platform.erasure.unpacking import bytes_in
    from ft_platform.lake.inspection import inspect
    from ft_platform.lake.opening import open_lake
    from ft_platform.people.loading import use_cases_of
    from ft_platform.people.person import named

    person, every = sys.argv[1], int(sys.argv[2])
    home = Path(os.environ["FT_HOME"])
    kept = home.with_name("kept")
    shutil.copytree(home, kept)
    real = os.replace
    os.fsync = lambda descriptor: None

    def erase(kill_at=""):
        renames, points = 0, []

        def here(point):
            points.append(point)
            if point == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        def replace(source, target):
            nonlocal renames
            renames += 1
            here(f"before rename {renames}")
            real(source, target)
            here(f"after rename {renames}")

        os.replace = replace
        environment = load_environment()
        lake, case = open_lake(environment), use_cases_of(environment)["letters"]
        ((use_case, request),) = requests_about(lake, environment, [case], [person])
        done = erase_approved(lake, environment, use_case, request, named("ana.ruiz@example.org"), here)
        return points, done

    def forked(work):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            try:
                os.write(writing, json.dumps(work()).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            told = file.read()
        _, status = os.waitpid(child, 0)
        return told, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0

    def ended():
        _, done = erase()
        found = sum(bytes_in(p.read_bytes(), Needles([person]))[0] for p in home.rglob("*") if p.is_file())
        problems = inspect(open_lake(load_environment()), "letters").problems
        left = [p.name for p in home.rglob("*.erasing")] + [p.name for p in home.rglob("erasures/*.json")]
        return {"rows": done["rows"], "id": done.get("id"), "found": found, "problems": problems, "left": left}

    points = json.loads(forked(lambda: erase()[0])[0])
    for number, point in enumerate(points):
        if "rename" in point and int(point.rsplit(" ", 1)[1]) % every:
            continue
        shutil.rmtree(home)
        shutil.copytree(kept, home)
        _, killed = forked(lambda: erase(point))
        told, _ = forked(ended)
        print(json.dumps({"point": point, "killed": killed, **(json.loads(told) if told else {})}), flush=True)
    """)


def test_killed_at_any_step_the_next_call_ends_it_and_what_is_left_verifies(house, capsys):  # noqa: F811
    approved(capsys)
    variables = {
        "FT_HOME": str(house.environment.home),
        "FT_DEFS": str(house.environment.defs),
        "FT_TRACKING_URI": "none",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, PERSON, str(EVERY)],
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {*STEPS, *BESIDE, "look_again", "prove", "certify", "forget"} <= {one["point"] for one in found}
    assert sum("rename" in one["point"] for one in found) > 10
    for one in found:
        expected = {"killed": 9, "rows": 6, "found": 0, "problems": [], "left": []}
        assert {name: one.get(name) for name in expected} == expected, one["point"]
        assert one["id"].startswith("erasure_certificate-"), one["point"]
