"""Ctrl-C and kill -9 while a pool of processes works: no worker is left, and none prints where it was."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform_tests.conftest import REPOSITORY

pytestmark = pytest.mark.integration

SCRIPT = """
import functools, sys
from ft_platform.records.engines.processes import Processes
from ft_platform.records.rows import TableRows
from ft_platform_tests.engines.test_stopped_processes import TABLE, slow

if __name__ == "__main__":
    try:
        for _ in Processes(2).map(TableRows(TABLE, batch_rows=1), functools.partial(slow, sys.argv[1])):
            pass
    except KeyboardInterrupt:
        sys.exit(130)
"""
TABLE = pa.table({"record_id": [str(n) for n in range(500)]})


def slow(folder: str):
    """A batch function that notes its process and takes a while."""

    def apply(batch: pa.RecordBatch) -> pa.RecordBatch:
        (Path(folder) / str(os.getpid())).touch()
        time.sleep(0.2)
        return batch

    return apply


def running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_is_left_and_none_says_where_it_was(tmp_path, number):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "pids").mkdir()
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", tmp_path / "pids"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    try:
        while len(list((tmp_path / "pids").iterdir())) < 2:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.kill()
        _, errors = process.communicate(timeout=60)
        assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
        assert errors == "" or (number == signal.SIGKILL and "Traceback" not in errors)
        workers = [path.name for path in (tmp_path / "pids").iterdir()]
        while any(map(running, workers)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(running, workers))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
