"""A local HTTP server that speaks the chat-completions protocol, well or badly, as a test wants."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ChatServer:
    """What it was asked and what it answers.

    Attributes:
        url: base URL.
        requests: body and headers of every request.
        answer: messages -> text of the reply.
        broken: called with the handler before it answers; returns True where it has answered itself.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answer: Callable[[list[dict[str, str]]], str] = lambda messages: "yes"
        self.broken: Callable[[Any], bool] = lambda handler: False
        self.url = ""


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    made = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.requests.append({**body, "path": self.path, "headers": dict(self.headers)})
            if not made.broken(self):
                reply = {
                    "choices": [{"message": {"role": "assistant", "content": made.answer(body["messages"])}}],
                    "usage": USAGE,
                }
                send(self, 200, json.dumps(reply).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}


def send(handler: Any, status: int, content: bytes, **headers: str) -> bool:
    """One answer. Returns True, for `broken`."""
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)
    return True
