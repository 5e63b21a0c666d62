"""What stand-ins for the clouds have in common: an HTTP server that answers JSON, and jobs that are processes of this
machine and go through their states whoever asks meanwhile.

Faults: no capacity (`full`), credentials that have expired (`expired`), throttling (`throttle`), an answer that gets
lost after it was made (`lose_answers`), and machines that are taken away with and without notice."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ft_platform_tests.compute.batch_service import end_container
from ft_platform_tests.conftest import REPOSITORY

STOP_SECONDS, TICK = 2.0, 0.05
"""Between asking a process to end and ending it by force."""


class Refused(Exception):
    """
    Args:
        code: in the words of the service.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass
class CloudJob:
    """
    Attributes:
        commands: of each machine, with its variables.
        why: it ended, if not by itself: `cancelled`, `lost`, `preempted` or `time_limit`.
        waits_for_ever: no machine fits.
    """

    name: str
    commands: list[tuple[list[str], dict[str, str]]]
    limit: float
    asked: dict[str, Any]
    waits_for_ever: bool = False
    state: str = "queued"
    why: str = ""
    code: int = 0
    created: float = field(default_factory=time.time)
    started: float = 0.0
    ended: float = 0.0
    processes: list[subprocess.Popen] = field(default_factory=list)


class CloudService:
    """A service at `url`.

    Attributes:
        routes: method, pattern of the path, and what answers: a function of the match, and of body and query.
    """

    notice = signal.SIGTERM
    """What a machine that is taken back tells its processes; 0: nothing."""

    def __init__(self, token: str) -> None:
        self.lock, self.token = threading.RLock(), token
        self.routes: list[tuple[str, str, Callable[[re.Match[str], dict[str, Any]], dict[str, Any]]]] = []
        self.jobs: dict[str, CloudJob] = {}
        self.secrets: dict[str, str] = {}
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.full = self.expired = self.stopped = False
        self.throttle = self.lose_answers = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"service": self}))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.stopped = True  # connections that are kept would be served
        self.server.shutdown()
        self.server.server_close()
        for job in self.jobs.values():
            self.kill(job)

    def answer(self, method: str, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        if self.stopped:
            raise ConnectionAbortedError
        parts = urlsplit(path)
        given = {**{name: values[-1] for name, values in parse_qs(parts.query).items()}, **body}
        found = ((re.fullmatch(pattern, parts.path), do) for verb, pattern, do in self.routes if verb == method)
        match, do = next(((match, do) for match, do in found if match), (None, None))
        if match is None or do is None:
            raise Refused(404, "NOT_FOUND", f"there is no {method} {parts.path}")
        with self.lock:
            self.requests.append((method, parts.path, body))
            if self.expired or token != self.token:
                raise Refused(401, "UNAUTHENTICATED", "the token has expired or is none")
            if self.throttle:
                self.throttle -= 1
                raise Refused(429, "RESOURCE_EXHAUSTED", "too many requests")
            said = do(match, given)
            if self.lose_answers and method in ("POST", "PUT") and "secret" not in parts.path:
                self.lose_answers -= 1
                raise ConnectionAbortedError
            return said

    def refusal(self, error: Refused) -> dict[str, Any]:
        """The body of an answer that is a failure."""
        return {"error": {"code": error.status, "message": str(error), "status": error.code}}

    def begin(self, number: str, job: CloudJob) -> None:
        self.jobs[number] = job
        threading.Thread(target=self._live, args=(job,), daemon=True).start()

    def unfinished(self) -> list[str]:
        with self.lock:
            return [number for number, job in self.jobs.items() if job.state != "ended"]

    def take_away(self, number: str, why: str) -> None:
        """Its machines go, if they say so with notice."""
        job = self.jobs[number]
        job.why = job.why or why
        if why != "lost" and self.notice:
            until = time.monotonic() + STOP_SECONDS
            for process in job.processes:
                process.send_signal(self.notice)
            while time.monotonic() < until and any(one.poll() is None for one in job.processes):
                time.sleep(TICK)
        self.kill(job)

    def cancel(self, number: str) -> None:
        job = self.jobs[number]
        if job.state == "queued":
            job.why = "cancelled"
        elif job.state == "running":
            threading.Thread(target=self.take_away, args=(number, "cancelled"), daemon=True).start()

    def on_all(self, why: str) -> None:
        for number, job in list(self.jobs.items()):
            if job.state == "running":
                self.take_away(number, why)

    def kill(self, job: CloudJob) -> None:
        for process in job.processes:
            end_container(process)

    def _live(self, job: CloudJob) -> None:
        time.sleep(TICK)
        while (self.full or job.waits_for_ever) and not job.why:
            time.sleep(TICK)
        with self.lock:
            if job.why:
                job.state, job.ended = "ended", time.time()
                return
            job.processes = [_started(command, variables) for command, variables in job.commands]
            job.state, job.started = "running", time.time()
        until = time.monotonic() + job.limit
        while all(one.poll() is None for one in job.processes):
            if time.monotonic() > until and not job.why:
                job.why = "time_limit"
                self.kill(job)
            time.sleep(TICK)
        failed = [one.poll() for one in job.processes if one.poll()]
        if failed:  # the others are ended with the one that failed
            self.kill(job)
        codes = [one.wait() for one in job.processes]
        self.kill(job)  # also what they have left behind
        with self.lock:
            job.code = failed[0] or 0 if failed else next((one for one in codes if one), 0)
            job.state, job.ended = "ended", time.time()


def _started(command: list[str], variables: dict[str, str]) -> subprocess.Popen:
    """A container: an image with the package, and no variable of this process."""
    image = {"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    output = subprocess.DEVNULL
    return subprocess.Popen(command, env={**image, **variables}, stdout=output, stderr=output, start_new_session=True)


class Handler(BaseHTTPRequestHandler):
    service: CloudService
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        try:
            given = json.loads(body) if body.startswith(b"{") else {}  # or a form, which asks for a token
            self.reply(200, self.service.answer(self.command, self.path, given, token))
        except ConnectionAbortedError:
            self.close_connection = True
        except Refused as error:
            self.reply(error.status, self.service.refusal(error))
        except Exception as error:  # a mistake of the stand-in must end the test, and soon
            self.reply(400, self.service.refusal(Refused(400, "STAND_IN", repr(error))))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def reply(self, status: int, said: dict[str, Any]) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Quietly."""
