"""`ft ui` and `ft reports` end when they are told to, and leave no process behind."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.stop_signals import StopSignals
from ft_platform.orchestration.ui_processes import run_until_stopped
from ft_platform.use_case.settings.environment import Environment

SUPERVISOR = """
import sys
from ft_platform.orchestration.stop_signals import StopSignals
from ft_platform.orchestration.ui_processes import run_until_stopped
with StopSignals() as stop:
    sys.exit(run_until_stopped(sys.argv[1:], stop))
"""
# A service with a child of its own; `handler` is what they do on SIGTERM.
SERVICE = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.{handler})
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, signal.getsignal(signal.SIGINT) is signal.default_int_handler, flush=True)
time.sleep(600)
"""
# What a script's `command &` does: the shell gives a background command an ignored SIGINT. (SIGHUP as without `nohup`,
# under which tests may run.)
IN_BACKGROUND = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGHUP,"
    " signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)


def stat(pid: int) -> tuple[str, int, int]:
    """State (`Z`: has ended, but was not waited for), parent and session of a process; proc(5)."""
    try:
        state, parent, _, session, *_ = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return state, int(parent), int(session)
    except (FileNotFoundError, ProcessLookupError):
        return "gone", 0, 0


def is_running(pid: int) -> bool:
    return stat(pid)[0] not in ("Z", "gone")


def kill(*pids: int) -> None:
    """Ends what a failed test would leave behind."""
    for pid in pids:
        if pid and is_running(pid):
            os.kill(pid, signal.SIGKILL)


def processes_of(pid: int) -> list[int]:
    """Running processes in the sessions of the children of a process."""
    found = {int(folder.name): stat(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")}
    sessions = {session for _, parent, session in found.values() if parent == pid}
    return [
        other
        for other, (state, _, session) in found.items()
        if session in sessions and state not in ("Z", "gone") and other != pid
    ]


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def supervised(
    handler: str, number: int = signal.SIGTERM, times: int = 1, script: str = SUPERVISOR
) -> tuple[int, list[int], float, bool]:
    """Runs a service under `run_until_stopped` in a process of its own and stops that.

    Returns:
        Its exit code, which of the service and its child still run, the seconds to the end, and whether the service
        would obey SIGINT.
    """
    command = [
        sys.executable,
        "-c",
        IN_BACKGROUND,
        sys.executable,
        "-c",
        script,
        sys.executable,
        "-c",
        SERVICE.format(handler=handler),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    service, child = 0, 0
    try:
        assert process.stdout
        service, child, obeys = process.stdout.readline().split()
        started = time.monotonic()
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.5)
        exit_code = process.wait(timeout=60)
        running = [int(pid) for pid in (service, child) if is_running(int(pid))]
        return exit_code, running, time.monotonic() - started, obeys == "True"
    finally:
        process.stdout and process.stdout.close()
        kill(process.pid, int(service), int(child))


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_service_started_in_the_background_of_a_script_ends_with_its_children(number: int) -> None:
    exit_code, running, seconds, obeys = supervised("SIG_DFL", number)
    assert (exit_code, running) == (0, []) and seconds < 10
    assert obeys, "the service inherited an ignored SIGINT"


def test_a_service_that_ignores_the_request_is_killed_after_further_requests() -> None:
    # Without further requests: 30 s for the service, 25 s for its children.
    exit_code, running, seconds, _ = supervised("SIG_IGN", times=4)
    assert (exit_code, running) == (0, []) and seconds < 15


def test_as_process_1_of_a_container_it_does_not_wait_for_what_has_ended() -> None:
    # Orphans become children of a subreaper, as they do of process 1: prctl(PR_SET_CHILD_SUBREAPER = 36).
    script = f"import ctypes\nctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n{SUPERVISOR}"
    exit_code, running, seconds, _ = supervised("SIG_DFL", script=script)
    assert (exit_code, running) == (0, []) and seconds < 10


def test_a_service_that_ends_by_itself_leaves_no_child_and_gives_its_code(capfd: pytest.CaptureFixture[str]) -> None:
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); sys.exit(3)"
    with StopSignals() as stop:
        assert run_until_stopped([sys.executable, "-c", code], stop) == 3
    assert not is_running(int(capfd.readouterr().out))


def test_handlers_are_given_back() -> None:
    outside = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under `nohup` it is ignored, and stays so
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with StopSignals():
        assert all(signal.getsignal(number) != handler for number, handler in before.items())
    assert {number: signal.getsignal(number) for number in before} == before
    signal.signal(signal.SIGHUP, outside)


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.wait(seconds=0.3) and stop.received == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def variables(environment: Environment) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FT_", "DAGSTER_"))}
    return {**kept, **environment.to_variables()}


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def test_ft_reports_serves_until_it_is_told_to_stop(environment: Environment, tmp_path: Path) -> None:
    port = free_port()
    code = (
        "from argparse import Namespace; from ft_platform.commands import reports; raise"
        f" SystemExit(reports.run(Namespace(host='127.0.0.1', port={port}, certificate=None, key=None)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=variables(environment), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        assert process.stdout.readline().startswith(f"http://127.0.0.1:{port}, linked as http://127.0.0.1:3000/portal")
        assert answers(f"http://127.0.0.1:{port}/")
        process.terminate()
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.stdout and process.stdout.close()


@pytest.mark.integration
def test_dagster_that_ends_by_itself_is_a_failure(environment: Environment, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ft_platform.orchestration.ui_processes", sys.executable, "-c", ""]
    done = subprocess.run(
        command, env=variables(environment), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "ft ui: Dagster ended by itself with code 0. Its last messages say why\n"


@pytest.mark.slow
def test_ft_ui_started_in_the_background_of_a_script_ends_with_all_its_processes(
    environment: Environment, tmp_path: Path
) -> None:
    """About half a minute on two cores, nearly all of it until Dagster's UI answers."""
    pytest.importorskip("dagster_webserver")
    from ft_platform_tests.web.test_report_server import REPORT, publish

    port = free_port()
    publish(open_lake(environment))
    words = [sys.executable, "-m", "ft_platform.cli", "ui", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", IN_BACKGROUND, *words],
            env=variables(environment),
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    ui, portal = f"http://127.0.0.1:{port}/server_info", f"http://127.0.0.1:{port}/portal/"
    started: list[int] = []
    try:
        assert wait_for(lambda: (answers(ui) and answers(portal)) or process.poll() is not None, 120)
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert answers(f"http://127.0.0.1:{port}/portal{REPORT}")
        assert wait_for(lambda: len(processes_of(process.pid)) >= 4, 60)
        started = processes_of(process.pid)  # dagster dev, web server, daemon, code server
        process.terminate()
        assert process.wait(timeout=60) == 0
        assert not [pid for pid in started if is_running(pid)]
        assert not answers(ui) and not answers(portal)
        assert f"Portal: {portal}, Dagster: http://127.0.0.1:{port}/ " in (tmp_path / "log").read_text()
    finally:
        kill(process.pid, *started)
