"""A hostile model server: whatever it sends, a request ends in time with an answer or a typed error, and nothing odd
becomes a figure."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from ft_platform.errors import EndpointFailed
from ft_platform.models import endpoint
from ft_platform.models.endpoint import Endpoint
from ft_platform.process import bounded_http
from ft_platform_tests.attacks.area import Area, Attack

TIMEOUT = 0.15
MOST_SECONDS = 3.0
TOKENS = [
    "<|im_end|>",
    "<|im_start|>",
    "<|eot_id|>",
    "<|start_header_id|>",
    "</s>",
    "<s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<start_of_turn>",
    "<end_of_turn>",
]
TOKENS += [
    "<\uff5cUser\uff5c>",
    "<|endoftext|>",
    "<|user|>",
    "<bos>",
    "<eos>",
    "<tool_call>",
    "[TOOL_CALLS]",
    "<|assistant|>",
    "<|end|>",
]
COUNTS = ["1e999", "-1", "-9e99", "NaN", "Infinity", "true", '"7"', "2.5", "1" * 30, "1" * 5000, "[1]", "{}", "null"]
ODD = [
    "[" * 100_000,
    "{}",
    "[]",
    "null",
    '{"choices": 7}',
    '{"choices": [{"message": {"content": 7}}]}',
    '{"choices": [null]}',
    "\ufeff{}",
    "yes",
]
Answer = Callable[[Any, Random], None]


def reply(content: str = '"yes"', usage: str = '{"prompt_tokens": 1, "completion_tokens": 1}') -> bytes:
    return f'{{"choices": [{{"message": {{"content": {content}}}}}], "usage": {usage}}}'.encode()


def _raw(*parts: bytes) -> Answer:
    def answer(handler: Any, _: Random) -> None:
        for part in parts:
            handler.wfile.write(part)

    return answer


def _body(content: bytes, length: int | None = None, status: int = 200, more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%b\r\n" % (status, len(content) if length is None else length, more)
    return head + content


def _counts(handler: Any, random: Random) -> None:
    handler.wfile.write(
        _body(
            reply(usage=f'{{"prompt_tokens": {random.choice(COUNTS)}, "completion_tokens": {random.choice(COUNTS)}}}')
        )
    )


def _surrogates(handler: Any, random: Random) -> None:
    handler.wfile.write(_body(reply(content=f'"a\\ud8{random.randrange(16, 256):02x}b\\udc00\\u0000"')))


def _drips(start: bytes, piece: bytes) -> Answer:
    def answer(handler: Any, _: Random) -> None:
        handler.wfile.write(start)
        until = time.monotonic() + MOST_SECONDS
        while time.monotonic() < until and not handler.server.over.wait(TIMEOUT / 4):
            handler.wfile.write(piece)

    return answer


def _noise(handler: Any, random: Random) -> None:
    handler.wfile.write(random.randbytes(random.randrange(1, 5000)))


def _endless(handler: Any, _: Random) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not handler.server.over.is_set():
        handler.wfile.write(b"x" * 1_000_000)


def _json(handler: Any, random: Random) -> None:
    odd = random.choice(ODD)
    handler.wfile.write(_body(odd.encode()))


def _elsewhere(handler: Any, random: Random) -> None:
    status = random.choice([301, 302, 303, 307, 308])
    handler.wfile.write(
        _body(
            b"", status=status, more=b"Location: http://127.0.0.1:%d/elsewhere\r\n" % handler.server.server_address[1]
        )
    )


ANSWERS: dict[str, Answer] = {
    "counts that are none": _counts,
    "halves of surrogate pairs": _surrogates,
    "a dripped status": _drips(b"", b"H"),
    "dripped headers": _drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "continues without end": _drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a dripped body": _drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
    "a dripped body of the old protocol": _drips(b"HTTP/1.0 200 OK\r\n\r\n", b" "),
    "an endless body": _endless,
    "a length too long": _raw(_body(reply(), 10**6)),
    "a length too short": _raw(_body(reply(), 5)),
    "a negative length": _raw(_body(reply(), -5)),
    "a length that is none": _raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + reply()),
    "chunks that are none": _raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + reply()),
    "a huge chunk": _raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n" + reply()),
    "a thousand headers": _raw(
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(1000)) + b"\r\n" + reply()
    ),
    "a long header": _raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n" + reply()),
    "a wait without end": _raw(_body(b"", status=429, more=b"Retry-After: 999999\r\n")),
    "another host": _elsewhere,
    "noise": _noise,
    "nothing": _raw(b""),
    "other JSON": _json,
    "a status that is none": _raw(b"HTTP/1.1 99999 X\r\n\r\n"),
}


@contextmanager
def hostile_server(answer: Answer, random: Random) -> Iterator[ThreadingHTTPServer]:
    """Answers every POST so; `paths` and `bodies` are what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.close_connection = True
            self.server.paths.append(self.path)  # type: ignore[attr-defined]
            self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))  # type: ignore[attr-defined]
            with suppress(OSError):
                answer(self, random)

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    server.paths, server.bodies, server.over = [], [], threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.over.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()


def asks(answer: Answer, random: Random, text: str = "Hi") -> Attack:
    def attack() -> str | None:
        with hostile_server(answer, random) as server:
            url = f"http://127.0.0.1:{server.server_address[1]}/v1"
            started = time.monotonic()
            try:
                with patch.object(endpoint, "TRIES", 2):
                    found = Endpoint(url, "m", timeout_seconds=TIMEOUT, wait=lambda _: None).chat(
                        [{"role": "user", "content": text}], 5
                    )
            except EndpointFailed as error:
                found = None
                if "\n" in str(error) or len(str(error)) > 300 or not str(error).isprintable():
                    return "its error is no line to read"
            if time.monotonic() - started > MOST_SECONDS:
                return "it is waited for long after the deadline"
            if set(server.paths) - {"/v1/chat/completions"}:  # type: ignore[attr-defined]
                return "another address was asked"
            sent = "".join(message["content"] for body in server.bodies for message in json.loads(body)["messages"])  # type: ignore[attr-defined]
            if [token for token in TOKENS if token in sent]:
                return "a control token of a user is sent"
        if found and not all(type(count) is int and 0 <= count < 10**9 for count in found.usage.values()):
            return "a count that is none is a figure"
        with suppress(UnicodeEncodeError):
            (found.answer if found else "").encode()
            return None
        return "an answer that no file can hold"

    return attack


def cases(random: Random, _folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    for name, answer in ANSWERS.items():
        for number in range(size if answer in (_counts, _surrogates, _noise, _json) else 1):
            yield f"{name} {number}", asks(answer, Random(random.random()))
    for number in range(size):
        said = " ".join(random.sample([*TOKENS, "a", "<", "|", "b"], 8)) + random.choice(
            ["", "\ud800", "\x00", "\u202e"]
        )
        yield f"a user's control tokens {number}", asks(_raw(_body(reply())), random, said)


AREA = Area(
    name="endpoints",
    cases=cases,
    defences={
        "endpoints_deadline": lambda: patch.object(bounded_http.asyncio, "timeout", lambda _: nullcontext()),
        "endpoints_counts": lambda: patch.object(endpoint, "_is_count", lambda value: value is not None),
        "endpoints_control_tokens": lambda: patch.object(endpoint, "without_control_tokens", lambda text: text),
    },
)
