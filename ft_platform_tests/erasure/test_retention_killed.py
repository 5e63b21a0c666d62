"""kill -9 at every step of a deletion by the retention, and before and after files are put in their places: the next
call ends it, and all holds. One program forks for each point, so that packages are imported once. Persons are
fictitious."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from ft_platform.erasure.retention import STEPS
from ft_platform_tests.commands.test_retention import installation  # noqa: F401
from ft_platform_tests.erasure.test_retention import OVER, PLANTED, house, later  # noqa: F401

pytestmark = pytest.mark.integration
EVERY = 11
"""Of the renames of files: before and after each such one."""

PROGRAM = textwrap.dedent("""
    import json, os, shutil, signal, sys
    from datetime import date
    from pathlib import Path

    from ft_platform.environment import load_environment
    from ft_platform.erasure.needles import Needles
    from ft_platform.erasure.retention import delete_due
    from ft_platform.erasure.unpacking import bytes_in
    from ft_platform.governance.retention import reports
    from ft_platform.lake.inspection import inspect
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.taint import SAW_NO_ERASED
    from ft_platform.people.loading import use_cases_of
    from ft_platform.people.person import named

    day, every, words = date.fromisoformat(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    home = Path(os.environ["FT_HOME"])
    kept = home.with_name("kept")
    shutil.copytree(home, kept)
    real = os.replace
    os.fsync = lambda descriptor: None

    def delete(kill_at=""):
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
        case = use_cases_of(environment)["letters"]
        delete_due(open_lake(environment), environment, case, named("ana.ruiz@example.org"), day, tell=here)
        return points

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
        delete()
        environment = load_environment()
        lake, case = open_lake(environment), use_cases_of(environment)["letters"]
        found = sum(bytes_in(p.read_bytes(), Needles(words))[0] for p in home.rglob("*") if p.is_file())
        mark = lake.verdicts(lake.artifact("letters", "adapter_checkpoint", "ckpt-with"))[SAW_NO_ERASED]
        left = [p.name for p in home.rglob("*.erasing")] + [p.name for p in home.rglob("erasures/*retention-*")]
        made = reports(lake, case)
        return {
            "rows": [one["rows"] for one in made],
            "learned": mark.numbers["rows"],
            "found": found,
            "problems": inspect(lake, "letters").problems,
            "left": left,
        }

    points = json.loads(forked(delete)[0])
    for point in points:
        if "rename" in point and int(point.rsplit(" ", 1)[1]) % every:
            continue
        shutil.rmtree(home)
        shutil.copytree(kept, home)
        _, killed = forked(lambda: delete(point))
        told, _ = forked(ended)
        print(json.dumps({"point": point, "killed": killed, **(json.loads(told) if told else {})}), flush=True)
    """)


def test_killed_at_any_step_the_next_call_ends_it_and_what_is_left_verifies(house):  # noqa: F811
    variables = {
        "FT_HOME": str(house.environment.home),
        "FT_DEFS": str(house.environment.defs),
        "FT_TRACKING_URI": "none",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, later().isoformat(), str(EVERY), OVER, PLANTED],
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {*STEPS, "look_again", "report", "forget"} <= {one["point"] for one in found}
    assert sum("rename" in one["point"] for one in found) > 10
    for one in found:
        expected = {"killed": 9, "rows": [6], "learned": 1, "found": 0, "problems": [], "left": []}
        assert {name: one.get(name) for name in expected} == expected, one["point"]
