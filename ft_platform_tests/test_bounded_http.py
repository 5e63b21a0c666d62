"""One request ends in time, follows nothing, unpacks nothing and is told to nobody."""

import asyncio
import gzip
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ft_platform.process import bounded_http
from ft_platform.process.bounded_http import NoAnswer, ask
from ft_platform_tests.chat_server import ChatServer, chat_server, send

QUESTION = b'{"messages": [{"content": "Zanzibar"}]}'


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as made:
        yield made


@contextmanager
def raw_server(answer: bytes = b"", reset: bool = False, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Takes one connection, reads the question, answers with these bytes and closes or resets it."""

    def serve() -> None:
        with suppress(OSError):
            taken, _ = listening.accept()
            with tls.wrap_socket(taken, server_side=True) if tls else taken as connection:
                read = b""
                while QUESTION not in read:  # a close before all was read would be a reset
                    read += connection.recv(65_536)
                connection.sendall(answer)
                if reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http{'s' if tls else ''}://127.0.0.1:{listening.getsockname()[1]}/"
        thread.join(timeout=10)


def asked(url: str, **headers: str) -> bounded_http.Answer:
    return ask("POST", url, headers, QUESTION, 10, 1_000_000)


def test_it_asks_from_within_an_event_loop_too(server: ChatServer) -> None:
    async def cell_of_a_notebook() -> int:
        return asked(server.url).status

    assert asyncio.run(cell_of_a_notebook()) == asked(server.url).status and len(server.requests) == 2


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"


@pytest.mark.parametrize(
    ("answer", "reset", "words"),
    [
        (WHOLE, False, "cut"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", False, "cut"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", False, "no HTTP"),
        (b"", False, "cut or is no HTTP"),
        (WHOLE, True, "a broken connection"),
    ],
    ids=["a body", "chunks", "another protocol", "nothing", "a reset"],
)
def test_an_answer_that_is_none_is_named_and_not_quoted(answer: bytes, reset: bool, words: str) -> None:
    with raw_server(answer, reset) as url, pytest.raises(NoAnswer, match=words) as failed:
        asked(url)
    assert str(failed.value) in bounded_http.WORDS.values()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/", "a refused connection"),
        ("http://no-such-host.invalid/", "a name that cannot be resolved"),
        ("http://a\x00b/", "a broken connection"),
    ],
)
def test_a_host_that_cannot_be_reached_is_no_answer(url: str, words: str) -> None:
    with pytest.raises(NoAnswer, match=words):
        asked(url)


def test_variables_and_files_of_the_account_name_no_proxy_and_no_password(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert asked(server.url).status == 200
    assert "Authorization" not in server.requests[0]["headers"]


def test_a_packed_answer_is_not_asked_for_and_not_unpacked(server: ChatServer) -> None:
    packed = gzip.compress(bytes(100_000_000), 9)
    server.broken = lambda handler: send(handler, 200, packed, Content_Encoding="gzip")
    assert asked(server.url).content == packed
    assert server.requests[0]["headers"]["Accept-Encoding"] == "identity"


def test_no_more_is_read_than_a_little_over_the_bound(server: ChatServer) -> None:
    server.broken = lambda handler: send(handler, 200, bytes(20_000_000))
    assert 1_000_000 < len(asked(server.url).content) < 2_000_000


def test_nothing_of_question_and_answer_is_logged(server: ChatServer, caplog: pytest.LogCaptureFixture) -> None:
    server.broken = lambda handler: (
        [
            handler.send_response(200, "Zanzibar"),
            handler.send_header("X-Zanzibar", "Zanzibar"),
            handler.end_headers(),
            handler.wfile.write(QUESTION),
        ]
        != []
    )
    with caplog.at_level(logging.DEBUG):
        asked(f"{server.url}/Zanzibar", Authorization="Bearer Zanzibar")
    assert server.requests and "Zanzibar" not in caplog.text


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """What a server of this machine shows; SSL_CERT_FILE names it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    bounded_http._trusted.cache_clear()
    yield context
    bounded_http._trusted.cache_clear()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_certificate_that_the_machine_trusts_is_trusted(certificate: ssl.SSLContext) -> None:
    with raw_server(OK, tls=certificate) as url:
        assert asked(url).content == b"ok"


def test_another_certificate_is_not(certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with raw_server(OK, tls=certificate) as url, pytest.raises(NoAnswer, match="cannot be encrypted"):
        asked(url)
