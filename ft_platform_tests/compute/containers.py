"""What stand-ins for services share that run programs: an HTTP server, and containers, which are processes of this
machine.

Faults: no capacity (`full`), credentials that have expired (`expired`), throttling (`throttle`), an answer that gets
lost after the job was taken (`lose_answers`), and machines that are taken away with and without notice. What it cannot
show: memory limits, images, rights, quotas."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ft_platform.process.family import descendants, kill_all
from ft_platform_tests.conftest import REPOSITORY

STOP_SECONDS, TICK = 2.0, 0.05
"""Between SIGTERM and SIGKILL; 30 to 120 seconds in containers of AWS."""


class Containers:
    """A service at `url`.

    Attributes:
        jobs: of the service, by their ids, as its API describes them or the stand-in knows them.
        processes: of each job, one a node.
        requests: name and content of each that was let in.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.lock = threading.RLock()
        self.jobs: dict[str, Any] = {}
        self.processes: dict[str, list[subprocess.Popen]] = {}
        self.requests: list[Any] = []
        self.full = self.expired = False
        self.throttle = self.lose_answers = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), {"service": self}))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        for job_id in self.processes:
            self.kill(job_id)

    def ended(self, job: Any) -> bool:
        raise NotImplementedError

    def take_away(self, job_id: str) -> None:
        """Its machine goes, with notice."""
        raise NotImplementedError

    def lose(self, job_id: str) -> None:
        """Without."""
        raise NotImplementedError

    def variables(self) -> dict[str, str]:
        """What a client needs to reach it."""
        raise NotImplementedError

    def left(self) -> list[str]:
        """What is kept for jobs, and should be gone after them."""
        return []

    def lost_answer(self) -> None:
        """To be called when a job was taken."""
        if self.lose_answers:
            self.lose_answers -= 1
            raise ConnectionAbortedError

    def running(self) -> list[str]:
        with self.lock:
            return [name for name, job in self.jobs.items() if name in self.processes and not self.ended(job)]

    def waiting_or_running(self) -> list[str]:
        with self.lock:
            return [name for name, job in self.jobs.items() if not self.ended(job)]

    def ask_to_end(self, job_id: str) -> None:
        """SIGTERM, and SIGKILL a while later."""
        for process in self.processes.get(job_id, []):
            process.send_signal(signal.SIGTERM)
        self.wait(job_id, STOP_SECONDS)
        self.kill(job_id)

    def wait(self, job_id: str, seconds: float = float("inf")) -> bool:
        """Whether all its processes have ended by then."""
        until = time.monotonic() + seconds
        while any(one.poll() is None for one in self.processes.get(job_id, [])):
            if time.monotonic() > until:
                return False
            time.sleep(TICK)
        return True

    def kill(self, job_id: str) -> None:
        """Its machine is gone."""
        for process in self.processes.get(job_id, []):
            end_container(process)

    def start(self, command: list[str], variables: dict[str, str]) -> subprocess.Popen:
        """A container: an image with the package, and no variable of this process."""
        image = {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
        output = subprocess.DEVNULL
        return subprocess.Popen(
            command, env={**image, **variables}, stdout=output, stderr=output, start_new_session=True
        )


def end_container(process: subprocess.Popen) -> None:
    """With its first process all that it has started ends, also what that one has left behind."""
    family = descendants(process.pid)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    kill_all(family)
