"""What stands in for the other side of a target: an HTTP server with a state, and faults at each request."""

import copy
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content or b"{}")


@dataclass
class Reply:
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class StandIn:
    """The other side. Requests of clients for answers (`is_traffic`) are never faulty and not counted.

    Attributes:
        calls: requests of the target so far, with what each asked for.
        faults: number of a request, from 1 -> `refused` (nothing is done), `busy` (429, nothing is done), `lost` (done,
            but no answer comes).
        dead_from: number of the request from which on none is done or answered: the target's process was killed.
        slow: looks at a thing until it is ready, or gone.
        lag: looks at a new thing that do not show it yet.
        broken: releases whose model never starts.
        said: more words in a refusal.
        answer: release and body of a request -> the reply of its model.
        STATE: names of the attributes that hold what is there.
    """

    STATE: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.calls: list[str] = []
        self.faults: dict[int, str] = {}
        self.dead_from: int | None = None
        self.slow, self.lag = 0, 0
        self.broken: set[str] = set()
        self.said = ""
        self.answer: Callable[[str, Mapping[str, Any]], Reply] = chat_reply
        self.answered = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def revive(self) -> None:
        """The next process begins: no faults, counted from 1."""
        self.calls, self.faults, self.dead_from = [], {}, None

    def saved(self) -> dict[str, Any]:
        """What is there now, for `restore`."""
        with self.lock:
            return copy.deepcopy({name: getattr(self, name) for name in self.STATE})

    def restore(self, saved: dict[str, Any]) -> None:
        self.revive()
        with self.lock:
            self.__dict__.update(copy.deepcopy(saved))

    def handle(self, request: Request) -> Reply:
        """Called under `lock`."""
        raise NotImplementedError

    def refusal(self, request: Request, busy: bool) -> Reply:
        """An error that passes by itself, or one that does not."""
        return Reply(429 if busy else 403, {"error": f"refused {self.said}"})

    def is_traffic(self, request: Request) -> bool:
        return request.path.endswith(("/chat/completions", "/invocations"))

    def paid(self) -> list[str]:
        """What costs money now."""
        raise NotImplementedError

    def _outcome(self, request: Request) -> tuple[Reply | None, bool]:
        """The reply, and whether it is sent."""
        with self.lock:
            if self.is_traffic(request):
                reply = self.handle(request)
                self.answered += reply.status == 200
                return reply, True
            self.calls.append(f"{request.method} {request.path} {request.headers.get('X-Amz-Target', '')}".strip())
            number = len(self.calls)
            if self.dead_from is not None and number >= self.dead_from:
                return None, False
            fault = self.faults.get(number)
            if fault in ("refused", "busy"):
                return self.refusal(request, fault == "busy"), True
            return self.handle(request), fault != "lost"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # answers `Expect: 100-continue`, which boto3 waits a second for

            def answer(self) -> None:
                parts = urlsplit(self.path)
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, parts.path, parts.query, self.headers, content)
                reply, sent = world._outcome(request)
                if reply is None or not sent:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                body = reply.content
                headers = {"Content-Type": "application/json", "Connection": "close", **reply.headers}
                headers["Content-Length"] = str(len(body))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def chat_reply(release: str, body: Mapping[str, Any]) -> Reply:
    """An answer that tells which release wrote it."""
    message = {"role": "assistant", "content": release}
    return Reply(
        body={
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": body.get("model"),
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
        }
    )
