"""Ctrl-C and SIGTERM during `ft run`: one line that says so, the exit code that shells expect, no program left, a run
that counts as stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ft_platform_tests.compute.test_local import is_running, stand_in_python
from ft_platform_tests.conftest import minimal_attributes, write_use_case

pytestmark = pytest.mark.integration

COMPONENT = """
import os

import dagster as dg

from ft_platform.assets.stage import stage, with_typed_failures
from ft_platform.components import FineTuningUseCase
from ft_platform.compute.backends import local
from ft_platform.compute.program_runs import run_program
from ft_platform.use_case.settings.environment import Environment


def build(use_case):
    @dg.asset(**stage(use_case, "raw_records"))
    @with_typed_failures
    def raw_records(context: dg.AssetExecutionContext, environment: dg.ResourceParam[Environment]) -> None:
        local.sys.executable = os.environ["STAND_IN"]
        run_program(context, environment, use_case, "sleeps", {})

    return [raw_records]


class Slow(FineTuningUseCase):
    def stages(self):
        return {"raw_records": build}
"""


@pytest.fixture
def variables(environment, tmp_path: Path) -> dict[str, str]:
    file = write_use_case(environment.defs, "slow", minimal_attributes("records.csv"))
    file.write_text(file.read_text().replace("ft_platform.components.FineTuningUseCase", ".component.Slow"))
    (file.parent / "component.py").write_text(COMPONENT)
    kept = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    return {**kept, **environment.to_variables(), "STAND_IN": stand_in_python(tmp_path), "FT_WARM_PROGRAMS": "0"}


def ft(*words: str) -> list[str]:
    return [sys.executable, "-m", "ft_platform.cli", *words]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_and_its_program_with_one_line_and_the_exit_code_of_that_signal(
    variables, tmp_path, number, code
):
    process = subprocess.Popen(
        ft("run", "slow"), env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "started").exists():
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()[1]
            time.sleep(0.05)
        assert is_running(tmp_path)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, errors) == (
        code,
        "ft run: raw_records was stopped. What was finished is kept and used again. Go on with: ft run slow\n",
    )
    assert not is_running(tmp_path)
    listed = subprocess.run(ft("list", "--json"), env=variables, capture_output=True, text=True, check=True)
    assert [row["last_run"] for row in json.loads(listed.stdout)] == ["stopped"]
