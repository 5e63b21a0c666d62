"""The log of a run on the terminal."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ft_platform_tests.conftest import REPOSITORY

pytestmark = pytest.mark.integration

RUN = """
import sys
import dagster as dg
from ft_platform.errors import DataError
from ft_platform.redaction.instance import guard
from ft_platform.errors.vouched import shown

@dg.asset
def letters(context):
    context.log.info(shown("{} rows kept", 8001))
    context.log.info("Marta canary 8002")
    context.log.info("failed")
    raise DataError("no record is left of 8003")

with dg.DagsterInstance.local_temp(sys.argv[1]) as instance:
    dg.materialize([letters], instance=guard(instance), raise_on_error=False)
"""


def test_the_terminal_shows_lines_of_dagster_and_what_is_vouched_for(tmp_path: Path) -> None:
    """In a process of its own, as a run is: handlers of other tests would print beside it."""
    printed = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=True, cwd=REPOSITORY
    ).stderr
    assert "8001 rows kept" in printed and 'Finished execution of step "letters"' not in printed
    assert "Started execution of run" in printed and "DataError: no record is left of 8003" in printed
    assert "Marta" not in printed and not re.search(r"letters - failed$", printed, re.MULTILINE)
    assert printed.count(f"withheld: {tmp_path}") >= 2


def test_an_instance_without_an_edge_logs_as_before(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    @dg.asset
    def letters(context: dg.AssetExecutionContext) -> None:
        context.log.log(logging.INFO, "a line of somebody else")

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        dg.materialize([letters], instance=instance)
    assert "a line of somebody else" in capfd.readouterr().err
