"""A run whose process or machine died is failed, and its place in the pool is free, within two polls of Dagster's
monitor.

Real instance with the packaged settings, real code server, real run processes; the monitor's own functions are called
in place of waiting for its polls.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._cli.job import _create_run
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget, PythonFileTarget
from dagster._daemon.monitoring.concurrency import execute_concurrency_slots_iteration
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from ft_platform.orchestration.instance import INSTANCE_SETTINGS
from ft_platform.orchestration.run_launcher import (
    WORKER_TAG,
    WatchingRunLauncher,
    Worker,
    started_at,
    this_machine,
    this_process,
)

pytestmark = pytest.mark.integration

CODE = """
import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg

PROGRAM = '''
from ft_platform.programs.reporting import prepare_process
prepare_process()
import os, time
from pathlib import Path
Path(os.environ["FOLDER"], "program").write_text(str(os.getpid()))
time.sleep(300)
'''


@dg.asset(pool="gpu")
def held():
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], env={**os.environ, "DAGSTER_PIPES_CONTEXT": "as a back end sets it"})
    while not Path(os.environ["FOLDER"], "program").exists():
        time.sleep(0.05)
    Path(os.environ["FOLDER"], "started").write_text(str(os.getpid()))
    program.wait()


defs = dg.Definitions(assets=[held], jobs=[dg.define_asset_job("hold")], executor=dg.in_process_executor)
"""  # noqa: E501


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance with the packaged settings."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text(INSTANCE_SETTINGS.read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("FOLDER", str(tmp_path))
    with dg.DagsterInstance.from_config(str(home)) as made:
        yield made


def poll(instance: dg.DagsterInstance) -> None:
    """One iteration of Dagster's monitoring daemon."""
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
        for iteration in (execute_run_monitoring_iteration, execute_concurrency_slots_iteration):
            assert not [error for error in iteration(context, logging.getLogger("monitor")) if error]


def wait_until(condition: Callable[[], Any], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def slots(instance: dg.DagsterInstance) -> int:
    return len(instance.event_log_storage.get_concurrency_info("gpu").claimed_slots)


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


def launched(instance: dg.DagsterInstance, context: WorkspaceProcessContext) -> dg.DagsterRun:
    request = context.create_request_context()
    location = request.code_locations[0]
    repository = next(iter(location.get_repositories().values()))
    run = _create_run(instance, location, repository, repository.get_full_job("hold"), {}, None, None, None)
    return instance.launch_run(run.run_id, request)


@pytest.mark.slow
def test_a_run_whose_worker_and_code_server_were_killed_is_failed_its_place_freed_and_its_program_gone_within_two_polls(
    instance, tmp_path
):
    code = tmp_path / "code.py"
    code.write_text(CODE)
    target = PythonFileTarget(python_file=str(code), attribute=None, working_directory=None, location_name="held")
    with WorkspaceProcessContext(instance, target) as context:
        run = launched(instance, context)
        wait_until((tmp_path / "started").exists)
        worker, program = (int((tmp_path / name).read_text()) for name in ("started", "program"))
        assert slots(instance) == 1
        poll(instance)
        assert status(instance, run.run_id) == dg.DagsterRunStatus.STARTED, "a healthy run goes on"
        assert started_at(program)
        server = int(Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(server, signal.SIGKILL)  # the server would report the end of its workers
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: started_at(worker) is None and started_at(program) is None, 10)
        assert status(instance, run.run_id) == dg.DagsterRunStatus.STARTED, "nobody has noticed yet"
        poll(instance)
        assert status(instance, run.run_id) == dg.DagsterRunStatus.FAILURE
        assert slots(instance) == 0


KILLED = """
import sys
import dagster as dg
from ft_platform.orchestration.run_launcher import this_process
sys.path.insert(0, sys.argv[1])
from code_of_run import defs
with dg.DagsterInstance.get() as instance:
    defs.resolve_job_def("hold").execute_in_process(instance=instance, tags=this_process().tag(), raise_on_error=False)
"""


def test_a_killed_ft_run_is_failed_its_place_freed_and_its_program_gone_within_two_polls(instance, tmp_path):
    (tmp_path / "code_of_run.py").write_text(CODE)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        wait_until((tmp_path / "started").exists)
        program = int((tmp_path / "program").read_text())
        run = instance.get_runs(limit=1)[0]
        assert (slots(instance), json.loads(run.tags[WORKER_TAG])["pid"]) == (1, process.pid)
        poll(instance)
        assert status(instance, run.run_id) == dg.DagsterRunStatus.STARTED, "a healthy run goes on"
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: started_at(program) is None, 10)
    poll(instance)
    assert status(instance, run.run_id) == dg.DagsterRunStatus.FAILURE
    assert slots(instance) == 0


def started_run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    """A run that is STARTED, whoever executes it."""

    @dg.job
    def work() -> None: ...

    run = instance.create_run_for_job(work, tags=tags)
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id)
    found = instance.get_run_by_id(run.run_id)
    assert found and found.status == dg.DagsterRunStatus.STARTED
    return found


HOST, BOOT, PROCESSES = this_machine()
HERE = this_process()
ELSEWHERE = {GRPC_INFO_TAG: json.dumps({"host": "127.0.0.99", "port": 1})}
SERVER_HERE = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "port": 1})}


def test_the_worker_of_a_run_is_judged_only_where_it_can_be_seen(instance):
    cases: list[tuple[str, Worker | None, dict[str, str], WorkerStatus]] = [
        ("this process", HERE, {}, WorkerStatus.RUNNING),
        (
            "the machine was restarted, and the number is in use again",
            replace(HERE, boot="another boot"),
            {},
            WorkerStatus.NOT_FOUND,
        ),
        (
            "the number belongs to a later process",
            replace(HERE, started=(HERE.started or 0) - 1),
            {},
            WorkerStatus.FAILED,
        ),
        (
            "above the largest process number of Linux",
            replace(HERE, pid=2**22 + 1, started=None),
            {},
            WorkerStatus.FAILED,
        ),
        ("another machine", replace(HERE, host="another-host", pid=2**22 + 1), {}, WorkerStatus.RUNNING),
        (
            "another container of this machine",
            replace(HERE, processes="pid:[1]", pid=2**22 + 1),
            {},
            WorkerStatus.RUNNING,
        ),
        ("launched just now", replace(HERE, pid=None, started=None), SERVER_HERE, WorkerStatus.RUNNING),
        (
            "launched before the machine was restarted",
            replace(HERE, boot="another boot", pid=None),
            SERVER_HERE,
            WorkerStatus.NOT_FOUND,
        ),
        ("started by a command of Dagster's own", None, {}, WorkerStatus.RUNNING),
    ]
    for what, worker, tags, expected in cases:
        run = started_run(instance, **tags, **(worker.tag() if worker else {}))
        assert instance.run_launcher.check_run_worker_health(run).status == expected, what


def test_the_packaged_settings_name_this_launcher_and_the_monitor_polls_it(instance):
    assert isinstance(instance.run_launcher, WatchingRunLauncher)
    assert instance.run_monitoring_enabled and instance.run_launcher.supports_check_run_worker_health


def test_a_code_server_over_the_network_may_miss_one_poll(instance):
    run = started_run(instance, **ELSEWHERE, **replace(HERE, host="another-host").tag())
    answers = [instance.run_launcher.check_run_worker_health(run).status for _ in range(2)]
    assert answers == [WorkerStatus.RUNNING, WorkerStatus.NOT_FOUND]


def test_the_place_in_a_pool_of_a_run_whose_code_server_is_dead_is_free_as_soon_as_the_run_is_failed(instance):
    run = started_run(instance, **ELSEWHERE, **replace(HERE, host="another-host").tag())
    alive = started_run(instance, **HERE.tag())
    storage = instance.event_log_storage
    storage.set_concurrency_slots("gpu", 2)
    assert all(storage.claim_concurrency_slot("gpu", claiming.run_id, "held").is_claimed for claiming in (run, alive))
    poll(instance)
    assert (status(instance, run.run_id), slots(instance)) == (dg.DagsterRunStatus.STARTED, 2), "one poll may be missed"
    poll(instance)
    assert status(instance, run.run_id) == dg.DagsterRunStatus.FAILURE
    assert [slot.run_id for slot in storage.get_concurrency_info("gpu").claimed_slots] == [alive.run_id]
    waiting = started_run(instance, **HERE.tag())
    assert storage.claim_concurrency_slot("gpu", waiting.run_id, "held").is_claimed


def test_the_first_look_remembers_when_the_process_started(instance):
    run = started_run(instance, **replace(HERE, started=None).tag())
    assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    noted = instance.get_run_by_id(run.run_id)
    assert noted and json.loads(noted.tags[WORKER_TAG])["started"] == HERE.started


def test_a_zombie_is_not_alive():
    child = os.fork()
    if child == 0:
        os._exit(0)
    try:
        wait_until(lambda: started_at(child) is None, 10)
        assert Path(f"/proc/{child}").exists()
    finally:
        os.waitpid(child, 0)


def test_this_machine_is_named_by_host_boot_and_process_numbering():
    assert (HOST, os.readlink("/proc/self/ns/pid")) == (socket.gethostname(), PROCESSES)
    assert len(BOOT) == 36
