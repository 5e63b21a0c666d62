"""What stand-ins for the clouds that answer JSON have in common: jobs go through their states whoever asks meanwhile.
Faults and containers: `containers.py`."""

import json
import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ft_platform_tests.compute.containers import STOP_SECONDS, TICK, Containers


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


class CloudService(Containers):
    """A service at `url`.

    Attributes:
        routes: method, pattern of the path, and what answers: a function of the match, and of body and query.
        secrets: name -> content.
    """

    notice = signal.SIGTERM
    """What a machine that is taken back tells its processes; 0: nothing."""

    def __init__(self, token: str) -> None:
        self.token, self.stopped = token, False
        self.routes: list[tuple[str, str, Callable[[re.Match[str], dict[str, Any]], dict[str, Any]]]] = []
        self.secrets: dict[str, str] = {}
        super().__init__(Handler)

    def stop(self) -> None:
        self.stopped = True  # connections that are kept would be served
        super().stop()

    def ended(self, job: CloudJob) -> bool:
        return job.state == "ended"

    def left(self) -> list[str]:
        return list(self.secrets)

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
        threading.Thread(target=self._live, args=(number, job), daemon=True).start()

    def take_away(self, job_id: str, why: str = "preempted") -> None:
        job = self.jobs[job_id]
        job.why = job.why or why
        if self.notice:
            for process in self.processes.get(job_id, []):
                process.send_signal(self.notice)
            self.wait(job_id, STOP_SECONDS)
        self.kill(job_id)

    def lose(self, job_id: str) -> None:
        job = self.jobs[job_id]
        job.why = job.why or "lost"
        self.kill(job_id)

    def cancel(self, number: str) -> None:
        job = self.jobs[number]
        if job.state == "queued":
            job.why = "cancelled"
        elif job.state == "running":
            threading.Thread(target=self.take_away, args=(number, "cancelled"), daemon=True).start()

    def _live(self, number: str, job: CloudJob) -> None:
        time.sleep(TICK)
        while (self.full or job.waits_for_ever) and not job.why:
            time.sleep(TICK)
        with self.lock:
            if job.why:
                job.state, job.ended = "ended", time.time()
                return
            processes = self.processes[number] = [self.start(*one) for one in job.commands]
            job.state, job.started = "running", time.time()
        until = time.monotonic() + job.limit
        while all(one.poll() is None for one in processes):
            if time.monotonic() > until and not job.why:
                job.why = "time_limit"
                self.kill(number)
            time.sleep(TICK)
        failed = [one.poll() for one in processes if one.poll()]
        if failed:  # the others are ended with the one that failed
            self.kill(number)
        codes = [one.wait() for one in processes]
        self.kill(number)  # also what they have left behind
        with self.lock:
            job.code = failed[0] or 0 if failed else next((one for one in codes if one), 0)
            job.state, job.ended = "ended", time.time()


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
