"""A database, object store, catalogue or hub that accepts and says nothing, or stops in the middle, ends with an error
in words within the deadline."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import TransientError
from ft_platform.sources import deadline, unity_catalog
from ft_platform.sources.deadline import answered, once, watched
from ft_platform.sources.discovery import fingerprint
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tables import use_case

SECONDS = 2
AT_MOST = SECONDS + 4
"""Seconds that a test allows, on a busy machine."""
SECRET = "the password of nobody"
Talk = Callable[[socket.socket], None]


def says_nothing(_connection: socket.socket) -> None: ...


def postgres_without_rows(connection: socket.socket) -> None:
    """PostgreSQL that lets a reader in and answers no query; protocol 3,
    https://www.postgresql.org/docs/17/protocol-message-formats.html"""
    while True:
        size = int.from_bytes(connection.recv(4))
        if connection.recv(size - 4)[:4] in (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"):  # encryption?
            connection.sendall(b"N")
        else:
            break
    version = b"server_version\x0017.0\x00"
    connection.sendall(
        b"R\x00\x00\x00\x08\x00\x00\x00\x00" + b"S" + (4 + len(version)).to_bytes(4) + version + b"Z\x00\x00\x00\x05I"
    )


def s3_that_stops(connection: socket.socket) -> None:
    """An object of a million bytes, of which ten come."""
    while request := connection.recv(65_536):
        method, path, *_ = request.split(b" ")
        if not path.endswith(b"/letters.csv"):
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            continue
        head = (
            b'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: "a"\r\nLast-Modified: Tue, 03 Mar 2026 10:00:00'
            b" GMT\r\n\r\n"
        )
        connection.sendall(head if method == b"HEAD" else head + b"id,text\n1,")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[Talk], int]]:
    """Starts a server that talks once with everybody and then keeps the connection; gives its port."""
    servers: list[socket.socket] = []
    kept: list[socket.socket] = []

    def start(talk: Talk) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.append(connection)
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        port = server.getsockname()[1]
        for name, value in {
            "FT_SOURCES_ALLOWED": f"s3://letters postgresql://127.0.0.1:{port} uc://* hf://*",
            "RECORDS_PASSWORD": SECRET,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "DATABRICKS_HOST": f"http://127.0.0.1:{port}",
            "DATABRICKS_TOKEN": "dapi-of-nobody",
        }.items():
            monkeypatch.setenv(name, value)
        return port

    yield start
    for one in [*servers, *kept]:
        one.close()


def case_of(port: int, uri: str, **source: Any) -> NamedUseCase:
    if uri.startswith("postgresql"):
        source |= {"password_variable": "RECORDS_PASSWORD", "table": "letters"}
    return use_case(source={"limits": {"silent_seconds": SECONDS}, **source, "uri": uri.format(port)})


POSTGRES = "postgresql://reader@127.0.0.1:{}/records"
ADBC = POSTGRES.replace("://", "+adbc://")
SILENT: list[tuple[str, Talk, dict[str, Any], str]] = [
    (POSTGRES, says_nothing, {"limits": {"silent_seconds": 60}}, "cannot be reached"),
    (POSTGRES, postgres_without_rows, {}, "has not answered for 2 seconds"),
    (ADBC, says_nothing, {"limits": {"silent_seconds": 60}}, "cannot be reached"),
    (ADBC, postgres_without_rows, {}, "has not answered for 2 seconds"),
    ("s3://letters/2026/letters.csv", says_nothing, {}, "has not answered for 2 seconds"),
    ("s3://letters/2026/letters.csv", s3_that_stops, {}, "has not answered for 2 seconds"),
    ("s3://letters/table", says_nothing, {"format": "delta"}, "has not answered for 2 seconds"),
    ("uc://main.letters.table", says_nothing, {}, "has not answered for 2 seconds"),
]


@pytest.mark.integration
@pytest.mark.parametrize(("uri", "talk", "source", "words"), SILENT, ids=lambda value: getattr(value, "__name__", None))
def test_a_source_that_does_not_answer_is_an_error_within_the_deadline(
    uri, talk, source, words, serve, environment: Environment, monkeypatch
) -> None:
    if "adbc" in uri:
        pytest.importorskip("adbc_driver_postgresql.dbapi")
    monkeypatch.setattr("ft_platform.sources.statements.CONNECT_SECONDS", SECONDS)
    case = case_of(serve(talk), uri, **source)
    started = time.monotonic()
    with pytest.raises(TransientError) as refused:
        fingerprint(case.settings.source, environment)
    assert time.monotonic() - started < AT_MOST
    message = str(refused.value)
    assert words in message and case.settings.source.uri in message and SECRET not in message and "dapi" not in message
    assert "cannot be reached" in message or "raise source.limits.silent_seconds" in message


def test_options_of_the_uri_do_not_take_the_timeouts_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from ft_platform.sources.databases.adbc import AdbcTable

    monkeypatch.setenv("RECORDS_PASSWORD", SECRET)
    address = AdbcTable(case_of(1, f"{ADBC}?sslmode=require&connect_timeout=7").settings.source)._address()
    assert set(address.partition("?")[2].split("&")) == {
        "sslmode=require",
        "connect_timeout=7",
        "keepalives_idle=30",
        "keepalives_interval=10",
        "keepalives_count=3",
    }


@pytest.mark.integration
def test_rows_that_stop_coming_are_an_error_too(serve, environment: Environment) -> None:
    from ft_platform.sources.databases.sql import SqlTable
    from ft_platform.sources.file_format import Opened

    source = case_of(serve(postgres_without_rows), POSTGRES).settings.source
    started = time.monotonic()
    with pytest.raises(TransientError, match="has not answered for 2 seconds"):
        list(SqlTable(source).batches(Opened("letters", ["text"], settings=source)))
    assert time.monotonic() - started < AT_MOST


@pytest.mark.integration
def test_a_download_that_stops_is_an_error_too(serve, tmp_path: Path) -> None:
    from ft_platform.lake.file_systems import filesystem, fsspec_options
    from ft_platform.sources.source_file import SourceFile

    serve(s3_that_stops)
    uri = "s3://letters/2026/letters.csv"
    fs, path = filesystem(uri, fsspec_options(uri, dict(os.environ)))
    with (
        pytest.raises(TransientError, match=r"letters\.csv has not answered for 2 seconds"),
        SourceFile(uri, path, fs, None, SECONDS).local_path("", tmp_path),
    ):
        pass


def test_a_catalogue_that_drips_is_given_up_and_leaves_no_thread_waiting(serve, monkeypatch) -> None:
    """A byte at a time is within every timeout of a socket."""

    def drips(connection: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection.sendall(b"H")
                time.sleep(0.02)

    serve(drips)
    monkeypatch.setattr("ft_platform.process.unity_catalog.SECONDS", 0.2)
    with pytest.raises(TransientError, match="the catalogue does not answer") as refused:
        unity_catalog.locate("uc://main.letters.table")
    assert "dapi" not in str(refused.value)


@pytest.mark.integration
def test_the_hub_too(serve, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.environment import Environment
from ft_platform.sources.discovery import fingerprint
from ft_platform_tests.tables import use_case
source = use_case(source={"uri": "hf://datasets/owner/letters/a.csv", "limits": {"silent_seconds": 2}}).settings.source
try:
    fingerprint(source, Environment(home=Path(sys.argv[1])))
except BaseException as error:
    print(type(error).__name__, error)
"""
    pytest.importorskip("huggingface_hub")
    variables = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{serve(says_nothing)}",
        "HF_HUB_OFFLINE": "0",
        "FT_SOURCES_ALLOWED": "hf://*",
    }
    variables |= {
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
        "HF_HUB_DOWNLOAD_TIMEOUT": "60",
        "HF_HUB_ETAG_TIMEOUT": "60",
    }
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("TransientError hf://datasets/owner/letters/a.csv has not answered for 2 seconds"), (
        done.stdout + done.stderr
    )


@pytest.mark.integration
def test_a_slow_source_that_makes_progress_is_waited_for() -> None:
    def slow() -> Iterator[int]:
        for number in range(6):
            time.sleep(0.2)
            yield number

    assert list(watched("a place", 0.5, slow)) == [0, 1, 2, 3, 4, 5]
    assert answered("a place", 0.5, slow) == 5
    size = iter(range(1000))
    assert answered("a place", 0.3, lambda: once(lambda: time.sleep(1.0)), moved=lambda: next(size)) is None


def test_everything_is_done_and_closed_in_one_thread_and_errors_are_those_of_the_driver() -> None:
    seen = []

    def steps() -> Iterator[int]:
        try:
            seen.append(threading.get_ident())
            yield 1
            raise KeyError("of the driver")
        finally:
            seen.append(threading.get_ident())

    with pytest.raises(KeyError, match="of the driver"):
        list(watched("a place", 5, steps))
    stopped = watched("a place", 5, steps)
    assert next(stopped) == 1
    stopped.close()
    assert len(seen) == 4 and seen[0] == seen[1] and seen[2] == seen[3] and threading.get_ident() not in seen


def test_a_place_that_owes_too_many_answers_is_not_asked_again_until_it_gives_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadline, "MOST_LEFT", 2)
    answer = threading.Event()
    for _ in range(2):
        with pytest.raises(TransientError, match="another place has not answered"):
            answered("another place", 0.2, lambda: once(answer.wait))
    with pytest.raises(TransientError, match="another place still owes 2 earlier answers"):
        answered("another place", 0.2, lambda: once(lambda: 1))
    assert answered("a third place", 5, lambda: once(lambda: 1)) == 1
    answer.set()
    for thread in deadline._left["another place"]:
        thread.join(5)
    assert answered("another place", 5, lambda: once(lambda: 1)) == 1
