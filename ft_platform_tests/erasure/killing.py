"""Does something once for each point where it can be killed, from the same beginning; run as a program by tests."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY

EVERY = 11
"""Of the renames of files: before and after each such one."""


def forked(work: Callable[[], Any]) -> tuple[Any, int]:
    """What it returned in a process of its own, and the signal that ended that; packages are imported once."""
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
    return json.loads(told) if told else None, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def killed_everywhere(work: Callable[[Callable[[str], None]], object], ended: Callable[[], dict[str, Any]]) -> None:
    """Prints a line of JSON for each point: `{"point", "killed": signal, ...}` with what `ended` says afterwards.

    Args:
        work: on the folder `FT_HOME`, which is put back as it was each time; calls what it is given with each step.
        ended: does it to its end, and looks at what there is.
    """
    home = Path(os.environ["FT_HOME"])
    kept = home.with_name("kept")
    shutil.copytree(home, kept)
    real = os.replace
    os.fsync = lambda descriptor: None

    def until(kill_at: str) -> list[str]:
        renames, points = 0, []

        def here(point: str) -> None:
            points.append(point)
            if point == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        def replace(source: Any, target: Any) -> None:
            nonlocal renames
            renames += 1
            here(f"before rename {renames}")
            real(source, target)
            here(f"after rename {renames}")

        os.replace = replace
        work(here)
        return points

    for point in forked(lambda: until(""))[0]:
        if "rename" in point and int(point.rsplit(" ", 1)[1]) % EVERY:
            continue
        shutil.rmtree(home)
        shutil.copytree(kept, home)
        _, killed = forked(lambda point=point: until(point))
        told, _ = forked(ended)
        print(json.dumps({"point": point, "killed": killed, **(told or {})}), flush=True)


def outcomes(program: str, environment: Environment, *words: str) -> list[dict[str, Any]]:
    """What a program that calls `killed_everywhere` printed."""
    variables = {"FT_HOME": str(environment.home), "FT_DEFS": str(environment.defs), "FT_TRACKING_URI": "none"}
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
        env={**os.environ, **variables, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum("rename" in one["point"] for one in found) > 10
    return found
