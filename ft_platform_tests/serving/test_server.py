"""The server behind real sockets: hostile connections, clients that go away, TLS, and that it ends."""

import http.client
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import ConfigError
from ft_platform.serving.api import deadlines
from ft_platform.serving.api.limits import Limits
from ft_platform.serving.api.server import ApiServer
from ft_platform.serving.api_keys import ApiKeys, add_key
from ft_platform_tests.serving.fakes import FakeEngine, app_of, running, served, wait_until

pytestmark = pytest.mark.integration

CHAT = "/v1/chat/completions"
LIMITS = Limits(write_seconds=0.5, body_seconds=0.5, waiting_pieces=64)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def server(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.setattr(deadlines, "HEAD_SECONDS", 0.5)
    with running(app_of(engine, limits=LIMITS), LIMITS) as found:
        wait_until(lambda: len(engine.loaded) == 3)
        yield found


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "support", "messages": [{"role": "user", "content": "Why?"}], **fields}).encode()


def head(server: ApiServer, length: int, *lines: str) -> bytes:
    given = [f"POST {CHAT} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Content-Type: application/json", *lines]
    return "\r\n".join([*given, f"Content-Length: {length}", "", ""]).encode()


def connected(server: ApiServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def answers(server: ApiServer) -> bool:
    """Whether a question is answered, in a second."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1)
    connection.request("POST", CHAT, body(), {"Content-Type": "application/json"})
    found = connection.getresponse().status
    connection.close()
    return found == 200


def rest(connection: socket.socket) -> bytes:
    """What comes until the server closes."""
    found = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            found += part
    return found


@pytest.mark.parametrize(
    "said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nA: "], ids=["nothing", "line", "head"]
)
def test_half_open_connections_are_closed_and_meanwhile_others_are_answered(server: ApiServer, said: bytes) -> None:
    held = [connected(server) for _ in range(300)]
    for connection in held:
        connection.sendall(said)
    assert answers(server)
    started = time.monotonic()
    assert all(rest(connection) == b"" for connection in held)
    assert time.monotonic() - started < 5
    assert answers(server)


def test_a_head_without_end_is_refused(server: ApiServer) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        sent = 0
        with suppress(ConnectionError):
            while sent < 1000:
                connection.sendall(b"X-%d: %s\r\n" % (sent, b"x" * 1000))
                sent += 1
        # What the server said may be lost when it closes on a client that still sends.
        assert sent < 1000 or rest(connection).startswith(b"HTTP/1.1 431")
    with connected(server) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nX: " + b"x" * 17_000)
        assert rest(connection).startswith(b"HTTP/1.1 431")
    assert answers(server)


def test_a_head_behind_a_request_that_is_under_way_is_bounded_too(server: ApiServer, engine: FakeEngine) -> None:
    engine.endless, engine.pace = True, 0.01
    with connected(server) as connection:
        asked = body(stream=True, max_tokens=1900)
        connection.sendall(head(server, len(asked)) + asked + b"GET / HTTP/1.1\r\n")
        wait_until(lambda: engine.running == 1)
        sent = 0
        with suppress(ConnectionError):
            while sent < 2000:
                connection.sendall(b"X-Y: " + b"x" * 1000 + b"\r\n")
                sent += 1
                time.sleep(0.001)
        assert sent < 2000
    wait_until(lambda: engine.running == 0)


def test_a_body_that_does_not_come_is_not_waited_for(server: ApiServer) -> None:
    with connected(server) as connection:
        connection.sendall(head(server, 500) + b'{"model"')
        found = rest(connection)
        assert found.startswith(b"HTTP/1.1 408") and b"body_too_slow" in found


def test_a_body_that_is_too_large_is_refused_with_an_answer(server: ApiServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", CHAT, b" " * 3_000_000, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 413
    with connected(server) as raw:
        raw.sendall(head(server, 10**12))
        assert rest(raw).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("streamed", [True, False])
def test_a_client_that_goes_away_cancels_its_answers(server: ApiServer, engine: FakeEngine, streamed: bool) -> None:
    engine.endless, engine.pace = True, 0.01
    with connected(server) as connection:
        asked = body(stream=streamed, n=2, temperature=1.0, max_tokens=1900)
        connection.sendall(head(server, len(asked)) + asked)
        wait_until(lambda: engine.running == 2)
    wait_until(lambda: engine.running == 0, seconds=3)
    assert engine.cancelled == 2


def test_a_client_that_does_not_read_holds_no_memory(server: ApiServer, engine: FakeEngine) -> None:
    engine.endless, engine.pace, engine.words = True, 0.001, ("x" * 20_000,)
    with connected(server) as connection:
        asked = body(stream=True, max_tokens=1900)
        connection.sendall(head(server, len(asked)) + asked)
        wait_until(lambda: len(engine.asked) == 1)
        wait_until(lambda: engine.running == 0, seconds=5)
        assert engine.cancelled == 1, "ended before it was written to its end"
        engine.endless, engine.words = False, ("Yes.",)
        assert answers(server)


def test_a_client_that_does_not_read_is_disconnected(engine: FakeEngine) -> None:
    """Also where nothing waits in a queue: an answer that was sent at once lies in the buffer of the connection."""
    limits = Limits(write_seconds=0.3)
    engine.words = ("x" * 10_000_000,)
    with running(app_of(engine, limits=limits), limits) as server:
        wait_until(lambda: len(engine.loaded) == 3)
        with connected(server) as connection:
            connection.sendall(head(server, len(body())) + body())
            wait_until(lambda: len(engine.asked) == 1)
            time.sleep(1)
            assert len(rest(connection)) < 10_000_000


def test_a_key_with_half_bodies_leaves_places_to_others(engine: FakeEngine, tmp_path: Path) -> None:
    path, limits = tmp_path / "keys.json", Limits(body_seconds=5)
    greedy, other = (f"Authorization: Bearer {add_key(path, 'all', name, rate=10_000)[1]}" for name in "ab")
    with running(app_of(engine, keys=ApiKeys(path), limits=limits), limits) as server:
        wait_until(lambda: len(engine.loaded) == 3)
        held = [connected(server) for _ in range(limits.requests + 20)]
        for connection in held:
            connection.sendall(head(server, 900, greedy) + b"{")
        wait_until(lambda: server.app._under_way >= 128)
        time.sleep(0.5)
        with connected(server) as connection:
            connection.sendall(head(server, len(body()), other, "Connection: close") + body())
            assert rest(connection).startswith(b"HTTP/1.1 200")
        for connection in held:
            connection.close()
        wait_until(lambda: server.app._under_way == 0)
        assert not +server.app._of_key


def test_a_searched_answer_is_shown_sentence_by_sentence_while_it_is_written(engine: FakeEngine) -> None:
    """The engine writes its last sentence only once the first one was received."""
    received = threading.Event()

    def words() -> Iterator[str]:
        yield from ("Your parcel ", "is on its way ", "to you. ", "It ", "should come ", "on Friday. ")
        assert received.wait(10), "nothing was shown before the answer was whole"
        yield "Goodbye."

    class Late(Sequence[str]):
        def __init__(self) -> None:
            self._words = words()

        def __len__(self) -> int:
            return 7

        def __getitem__(self, _place: Any) -> Any:
            return next(self._words)

    engine.words = Late()
    plain = served()
    scanned = plain.settings.serving.guardrails.model_copy(update={"answer_scan": "replace"})
    serving = plain.settings.serving.model_copy(update={"guardrails": scanned})
    model = replace(plain, settings=plain.settings.model_copy(update={"serving": serving}))
    with running(app_of(engine, [model])) as server:
        wait_until(lambda: len(engine.loaded) == 1)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("POST", CHAT, body(stream=True), {"Content-Type": "application/json"})
        shown = []
        for line in connection.getresponse():
            if line.startswith(b"data: {"):
                for choice in json.loads(line.removeprefix(b"data: ")).get("choices", ()):
                    shown += [text] if (text := choice["delta"].get("content")) else []
            if shown:
                received.set()
        connection.close()
    assert shown[0] == "Your parcel is on its way to you. "
    assert "".join(shown) == "Your parcel is on its way to you. It should come on Friday. Goodbye."


@pytest.mark.smoke  # seam: server
def test_requests_one_after_the_other_on_one_connection(server: ApiServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(5):
        connection.request("POST", CHAT, body(), {"Content-Type": "application/json"})
        found = connection.getresponse()
        assert found.status == 200 and json.loads(found.read())["choices"]
        connection.request("POST", CHAT, body(model="other"), {"Content-Type": "application/json"})
        found = connection.getresponse()
        assert found.status == 404 and found.read()
    connection.close()


@pytest.mark.parametrize("line", ["no request at all", "GET / HTTP/9.9", "PRI * HTTP/2.0"])
def test_what_cannot_be_parsed(server: ApiServer, line: str) -> None:
    with connected(server) as connection:
        connection.sendall(f"{line}\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert rest(connection).startswith(b"HTTP/1.1 4")
    assert answers(server)


def test_tls(engine: FakeEngine, tmp_path: Path) -> None:
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost"
    subprocess.run([*command.split(), "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    with running(app_of(engine), certificate=certificate, key=key) as found:
        assert found.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(certificate))
        connection = http.client.HTTPSConnection("localhost", found.port, timeout=10, context=trusted)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
        with connected(found) as plain:
            plain.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" not in rest(plain)


def test_an_address_or_a_certificate_that_cannot_be_used(engine: FakeEngine, server: ApiServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be served on"):
        ApiServer(app_of(engine), "127.0.0.1", server.port)
    with pytest.raises(ConfigError, match="no port has this number"):
        ApiServer(app_of(engine), "127.0.0.1", 70_000)
    wrong = tmp_path / "x.pem"
    wrong.write_text("no certificate")
    with pytest.raises(ConfigError, match="certificate cannot be used"):
        ApiServer(app_of(engine), "127.0.0.1", 0, wrong, wrong)


def test_the_engine_runs_as_long_as_the_server(engine: FakeEngine) -> None:
    assert not engine.started
    with running(app_of(engine)):
        assert engine.started
    assert not engine.started
