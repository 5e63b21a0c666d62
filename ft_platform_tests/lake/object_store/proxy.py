"""An HTTP proxy in front of an object store: refuses, loses answers, is slow, and holds one request for ever, so that
whoever waits for it can be killed there."""

import http.client
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
WRITES = ("PUT", "POST", "PATCH", "DELETE")
ANSWER_SECONDS = 60


@dataclass
class Faults:
    """What goes wrong.

    Attributes:
        refused: share of requests that get the answer and never reach the store.
        unanswered: share of writes that the store does, and that get the answer.
        answer: its status and body.
        hung_up: share of requests whose connection is closed instead of an answer.
        slow_seconds: before each answer to a read.
        hold: number of the write that gets no answer, and whether the store does it.
        asked: requests so far.
        seen: writes so far.
        refusals: such answers so far.
    """

    refused: float = 0.0
    unanswered: float = 0.0
    answer: tuple[int, bytes] = (503, SLOW_DOWN)
    hung_up: float = 0.0
    slow_seconds: float = 0.0
    hold: tuple[int, bool] | None = None
    asked: int = 0
    seen: int = 0
    refusals: int = 0
    held: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def happens(self, share: float) -> bool:
        with self.lock:
            return self.chance.random() < share

    def counted(self, method: str) -> int:
        with self.lock:
            self.asked += 1
            self.seen += method in WRITES
            return self.seen if method in WRITES else 0


class Proxy(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False
    faults: Faults
    store: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, http.client.HTTPException):  # whoever asked was killed
            self.close_connection = True

    def _pass_on(self) -> None:
        faults, body = self.server.faults, self._body()
        number = faults.counted(self.command)
        held = faults.hold and faults.hold[0] == number and number > 0
        if held and not (faults.hold and faults.hold[1]):
            self._hold()
        elif faults.happens(faults.hung_up):
            self.close_connection = True
        elif faults.happens(faults.refused):
            self._refuse()
        else:
            self._ask(body, bool(held))

    def _ask(self, body: bytes, held: bool) -> None:
        faults = self.server.faults
        status, headers, content = self.asked(self.command, self.path, body)
        if held:
            self._hold()
        elif self.command in WRITES and faults.happens(faults.unanswered):
            self._refuse()
        else:
            if self.command not in WRITES:
                time.sleep(faults.slow_seconds)
            self._answer(status, headers, content)

    def asked(
        self, method: str, path: str, body: bytes = b"", more: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[int, dict[str, str], bytes]:
        """What the store answers to this request, with its headers: status, headers, content."""
        connection = http.client.HTTPConnection(self.server.store, timeout=ANSWER_SECONDS)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            given = {name.lower(): value for name, value in self.headers.items()}
            for name, value in {**given, **more}.items():  # the host that was asked is signed
                if name not in ("connection", "expect", "transfer-encoding", "content-length"):
                    connection.putheader(name, value)
            if body or method in ("PUT", "POST", "PATCH"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def _refuse(self) -> None:
        with self.server.faults.lock:
            self.server.faults.refusals += 1
        status, body = self.server.faults.answer
        kind = "application/xml" if body.startswith(b"<") else "application/json"  # clients parse by it
        self._answer(status, {"content-type": kind}, body)

    def _hold(self) -> None:
        self.server.faults.held.set()
        self.server.faults.released.wait(ANSWER_SECONDS)
        self.close_connection = True

    def _body(self) -> bytes:
        assert "chunked" not in self.headers.get("Transfer-Encoding", "")
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        kept = {name.lower(): value for name, value in headers.items()}
        for name in ("connection", "keep-alive", "transfer-encoding"):
            kept.pop(name, None)
        length = {} if status in (204, 304) or "content-length" in kept else {"content-length": str(len(content))}
        for name, value in {**kept, **length}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _pass_on

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def proxy(store: str, handler: type[Handler] = Handler, port: int = 0) -> Iterator[Proxy]:
    """A proxy of the store at this address, without faults; set `faults` to have some."""
    server = Proxy(("127.0.0.1", port), handler)
    server.faults, server.store = Faults(), urlsplit(store).netloc
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.faults.released.set()
        server.shutdown()
        server.server_close()
