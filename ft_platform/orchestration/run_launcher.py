"""The run launcher of an installation: it notices when the process or the machine of a run has died, so that the run is
failed and its pool places are free.

Dagster's own launcher cannot tell: such a run stayed STARTED and kept its slot in the pool `gpu` for as long as it was
watched. Dagster's monitor (`run_monitoring` in dagster.yaml) asks this one about every started run, at each poll.

Covered: runs launched by the UI and the daemon, with the code server on the same machine or reached over the network,
and `ft run`; killed processes, killed code servers, restarted machines, reused process numbers.
Not covered: runs that other commands execute in their own process (`dg launch`), `ft run` on a machine other than the
daemon's, and machines without /proc (not Linux) as far as reused process numbers go. Such runs are taken to be running.
"""

import json
import os
import socket
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value

WORKER_TAG = ".dagster/ft_worker"
"""The UI shows no tag that begins with `.dagster/`."""
LOCAL = ("localhost", "127.0.0.1", "::1")
POLLS_UNREACHABLE = 2
"""A code server over the network may miss one poll; at the second its runs are failed."""
GONE = (WorkerStatus.NOT_FOUND, WorkerStatus.FAILED)


@dataclass(frozen=True)
class Worker:
    """The process that executes a run.

    Attributes:
        host, boot, processes: name of the machine, id of its present boot, id of its process numbering (containers have
            their own).
        pid: process number, or None where it is not known yet.
        started: when the process started, in clock ticks since boot; tells it from a later one with the same number.
    """

    host: str
    boot: str
    processes: str
    pid: int | None = None
    started: int | None = None

    def tag(self) -> dict[str, str]:
        return {WORKER_TAG: json.dumps(asdict(self))}


def this_machine() -> tuple[str, str, str]:
    """Name, boot and process numbering of the machine that this process is on."""
    return (socket.gethostname(), *_boot())


@cache
def _boot() -> tuple[str, str]:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return (boot.read_text().strip(), os.readlink("/proc/self/ns/pid")) if boot.exists() else ("", "")


def this_process() -> Worker:
    """This process as the worker of a run."""
    return Worker(*this_machine(), pid=os.getpid(), started=started_at(os.getpid()))


def started_at(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is no such process, or only its remains (a
    zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class WatchingRunLauncher(DefaultRunLauncher):
    """Dagster's launcher, and an answer to the monitor's question whether the worker of a run is alive."""

    def __init__(self, inst_data: Any = None) -> None:
        super().__init__(inst_data)
        self._unreachable: Counter[str] = Counter()

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def launch_run(self, context: LaunchRunContext) -> None:
        self._instance.add_run_tags(context.dagster_run.run_id, Worker(*this_machine()).tag())
        super().launch_run(context)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """RUNNING unless the worker is known to be gone; then its places in pools are freed.

        Dagster's monitor fails the run after this, but would keep its places for `free_slots_after_run_end_seconds` and
        until the poll after that: with a code server that does not answer the third one.
        """
        found = self._health(run)
        storage = self._instance.event_log_storage
        if found.status in GONE and storage.supports_global_concurrency_limits:
            storage.free_concurrency_slots_for_run(run.run_id)
        return found

    def _health(self, run: DagsterRun) -> CheckRunHealthResult:
        if WORKER_TAG not in run.tags:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "started by a command that does not say where it runs")
        worker = Worker(**json.loads(run.tags[WORKER_TAG]))
        if _is_served_elsewhere(run):
            return self._ask(run)
        if not _is_seen_from_here(worker):
            served = GRPC_INFO_TAG in run.tags
            return (
                self._ask(run)
                if served
                else CheckRunHealthResult(
                    WorkerStatus.RUNNING, f"it runs on {worker.host}, which cannot be looked at from here"
                )
            )
        return _look_at(self._instance, run, worker)

    def _ask(self, run: DagsterRun) -> CheckRunHealthResult:
        """Asks the code server that started the run."""
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "it has ended in the meantime")
        try:
            current = deserialize_value(client.get_current_runs(), GetCurrentRunsResult).current_runs
        except DagsterUserCodeUnreachableError:
            self._unreachable[run.run_id] += 1
            message = f"its code server did not answer {self._unreachable[run.run_id]} times in a row"
            gone = self._unreachable[run.run_id] >= POLLS_UNREACHABLE
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND if gone else WorkerStatus.RUNNING, message)
        self._unreachable.pop(run.run_id, None)
        known = run.run_id in current
        return CheckRunHealthResult(
            WorkerStatus.RUNNING if known else WorkerStatus.NOT_FOUND,
            None if known else "its code server does not know the run",
        )


def gone_from_here(instance: DagsterInstance, run: DagsterRun) -> str | None:
    """Why the worker of a run is known to be gone, as far as it can be seen from this machine; None: it may be
    alive."""
    if WORKER_TAG not in run.tags or _is_served_elsewhere(run):
        return None
    worker = Worker(**json.loads(run.tags[WORKER_TAG]))
    found = _look_at(instance, run, worker) if _is_seen_from_here(worker) else None
    return found.msg if found and found.status in GONE else None


def _is_served_elsewhere(run: DagsterRun) -> bool:
    """Whether a code server that was reached over the network started the run."""
    server = json.loads(run.tags[GRPC_INFO_TAG]) if GRPC_INFO_TAG in run.tags else None
    return server is not None and not (server.get("socket") or server.get("host") in LOCAL)


def _is_seen_from_here(worker: Worker) -> bool:
    """Whether the process of a run is, or before a restart was, one of those that this process can see."""
    host, boot, processes = this_machine()
    return worker.host == host and (worker.boot != boot or worker.processes == processes)


def _look_at(instance: DagsterInstance, run: DagsterRun, worker: Worker) -> CheckRunHealthResult:
    """Looks at the process of a run on this machine."""
    host, boot, _ = this_machine()
    if worker.boot != boot:
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"machine {host} was restarted while the run was going on")
    pid = worker.pid or first_pid(instance, run.run_id)
    if pid is None:
        return CheckRunHealthResult(WorkerStatus.RUNNING, "its process has not reported its number yet")
    started = started_at(pid) if worker.boot else _started_elsewhere(pid)
    if started is None or (worker.started is not None and started != worker.started):
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"process {pid} of the run has ended without reporting an end", run_worker_id=str(pid)
        )
    if worker.started is None:  # the first look: from now on another process with this number is told apart
        instance.add_run_tags(run.run_id, Worker(worker.host, worker.boot, worker.processes, pid, started).tag())
    return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(pid))


def first_pid(instance: DagsterInstance, run_id: str) -> int | None:
    """Number of the process that executes a run, from the first event that names one; those of single steps come
    later."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        metadata = entry.dagster_event.engine_event_data.metadata if entry.dagster_event else {}
        if "pid" in metadata:
            return int(str(metadata["pid"].value))
    return None


def _started_elsewhere(pid: int) -> int | None:
    """Without /proc: 0 if there is a process with this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0
