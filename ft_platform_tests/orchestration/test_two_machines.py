"""Two machines of one installation: each has a home of its own; the lake and the folder of seals are shared."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ft_platform.lake import deployments
from ft_platform.lake.files import locked
from ft_platform.monitoring.retraining import journal
from ft_platform.use_case.settings.environment import Environment

TURNS = 300
COUNTS = """
import sys
from ft_platform.use_case.environment import load_environment
from ft_platform.lake import deployments
from ft_platform.lake.files import locked
from ft_platform.monitoring.retraining import journal
environment = load_environment()
alone = {{
    "portal": lambda: locked(environment.lock("acting", "complaints")),
    "erasure": lambda: locked(environment.lock("erasing", "complaints")),
    "retraining": lambda: journal.alone(environment, "complaints"),
    "deployment": lambda: deployments.alone(environment, "complaints", "one"),
}}[{work!r}]
for _ in range({turns}):
    with alone():
        counted = int(open({counter!r}).read())
        open({counter!r}, "w").write(str(counted + 1))
"""
"""Reads a number, and writes the next one: what another machine adds in between would be lost."""
ALONE: dict[str, Callable[[Environment], AbstractContextManager[None]]] = {
    "portal": lambda environment: locked(environment.lock("acting", "complaints")),
    "erasure": lambda environment: locked(environment.lock("erasing", "complaints")),
    "retraining": lambda environment: journal.alone(environment, "complaints"),
    "deployment": lambda environment: deployments.alone(environment, "complaints", "one"),
}


def machine(name: str, folder: Path) -> Environment:
    return Environment(home=folder / name, lake_root=str(folder / "lake"), seals_folder=folder / "seals")


@pytest.mark.parametrize("work", sorted(ALONE))
def test_what_one_machine_does_no_other_does_meanwhile(tmp_path: Path, work: str) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    program = COUNTS.format(work=work, counter=str(counter), turns=TURNS)
    with ALONE[work](machine("first", tmp_path)):
        others = [
            subprocess.Popen([sys.executable, "-c", program], env={**variables, "PATH": "/usr/bin:/bin"})
            for variables in (machine(name, tmp_path).to_variables() for name in ("second", "third"))
        ]
        with pytest.raises(subprocess.TimeoutExpired):
            others[0].wait(timeout=3)
        assert counter.read_text() == "0"
    assert [one.wait(timeout=120) for one in others] == [0, 0]
    assert int(counter.read_text()) == 2 * TURNS
