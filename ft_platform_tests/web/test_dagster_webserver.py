"""The guard stands before real web servers of Dagster: ours, and the one that Dagster's own commands start with our
dagster.yaml."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

pytest.importorskip("dagster_webserver")
import websockets.exceptions
from websockets.sync.client import connect

from ft_platform.errors import ConfigError
from ft_platform.orchestration import instance
from ft_platform.orchestration.run_launcher import WatchingRunLauncher
from ft_platform.redaction.guarded_instance import GuardedInstance
from ft_platform.redaction.settings_file import INSTANCE_CLASS
from ft_platform.serving.api import deadlines
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web import dagster_webserver
from ft_platform.web.dagster_dev import OURS as OUR_WORDS
from ft_platform.web.dagster_dev import our_webserver
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.web.asgi import dagster_class
from ft_platform_tests.web.server import OURS, PLAIN, free_port, home_with, listens, status_of, webserver

QUERY = json.dumps({"query": "{version}"}).encode()


@pytest.fixture(scope="module", params=["ours", "plain"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Ours on an instance whose settings do not name the guard; Dagster's own on one with our settings."""
    folder = tmp_path_factory.mktemp(request.param)
    ours = request.param == "ours"
    with webserver(
        OURS if ours else PLAIN, home_with(folder, "telemetry: {enabled: false}\n" if ours else None)
    ) as found:
        yield found


def post(port: int, headers: str, body: bytes = QUERY) -> int:
    return status_of(port, f"POST /graphql HTTP/1.1\n{headers}\nContent-Length: {len(body)}\n", body)


@pytest.mark.integration
def test_the_pages_own_requests_get_through(port: int) -> None:
    assert post(port, f"Host: 127.0.0.1:{port}\nContent-Type: application/json\nOrigin: http://127.0.0.1:{port}") == 200
    assert post(port, f"Host: localhost:{port}\nContent-Type: application/json") == 200
    assert status_of(port, f"GET / HTTP/1.1\nHost: 127.0.0.1:{port}\n") == 200


def test_other_names_other_pages_and_other_forms_are_refused(port: int) -> None:
    own = f"Host: 127.0.0.1:{port}"
    assert post(port, "Host: evil.example\nContent-Type: application/json") == 421
    assert post(port, f"{own}\nContent-Type: application/json\nOrigin: http://evil.example") == 403
    assert post(port, f"{own}\nContent-Type: text/plain") == 415
    assert status_of(port, f"GET /graphql?query={{version}} HTTP/1.1\n{own}\n") == 405
    assert status_of(port, f"GET /download_debug/x HTTP/1.1\nHost: rebound.example:{port}\n") == 421
    found = post(port, f"{own}\nContent-Type: application/json", json.dumps({"query": "{a" * 99 + "}" * 99}).encode())
    assert found == 400


def test_websockets_of_the_own_page_only(port: int) -> None:
    address = f"ws://127.0.0.1:{port}/graphql"
    with connect(address, origin=f"http://127.0.0.1:{port}", subprotocols=["graphql-ws"]) as socket_:  # type: ignore[arg-type, list-item]
        socket_.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket_.recv(30)) == {"type": "connection_ack"}
        socket_.send(json.dumps({"type": "start", "id": "1", "payload": {"query": "mutation {setNuxSeen}"}}))
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            socket_.recv(30)
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{port + 1}"):
        with pytest.raises(websockets.exceptions.InvalidStatus):
            connect(address, origin=origin, subprotocols=["graphql-ws"])  # type: ignore[arg-type, list-item]


def test_a_web_server_that_cannot_be_guarded_does_not_start(
    monkeypatch: pytest.MonkeyPatch, environment: Environment
) -> None:
    with dagster_class():
        monkeypatch.delattr("dagster_webserver.webserver.DagsterWebserver.build_middleware")
        with pytest.raises(ConfigError, match="has no place for the guard"):
            dagster_webserver.guard_webserver(environment)
        with pytest.raises(SystemExit, match=r"does not start: .* has no place for the guard"):
            GuardedInstance.optimize_for_webserver(object())  # type: ignore[arg-type]
        monkeypatch.undo()


def test_dagster_dev_starts_our_web_server_and_leaves_the_daemon_as_it_is() -> None:
    assert our_webserver(["python", "-m", "dagster_webserver", "--port", "1"]) == ["python", *OUR_WORDS, "--port", "1"]
    assert our_webserver(["python", "-m", "dagster._daemon", "run"]) == ["python", "-m", "dagster._daemon", "run"]


@pytest.mark.parametrize("file", ["dagster.yaml", "infra/docker/dagster.yaml"])
def test_the_shipped_settings_name_the_guard(file: str) -> None:
    assert yaml.safe_load((REPOSITORY / file).read_text())["instance_class"] == INSTANCE_CLASS


def test_settings_that_are_older_than_the_guard_get_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    made = Environment(home=tmp_path / "home", defs=tmp_path / "defs")
    made.dagster_home.mkdir(parents=True)
    settings = made.dagster_home / "dagster.yaml"
    settings.write_text(
        "concurrency: {pools: {default_limit: 3}}\nrun_launcher:\n  module: ft_platform.run_launcher\n  class:"
        " WatchingRunLauncher\n"
    )
    instance.prepare_home(made)
    first = settings.read_text()
    instance.prepare_home(made)
    assert settings.read_text() == first
    assert yaml.safe_load(first)["instance_class"] == INSTANCE_CLASS and yaml.safe_load(first)["concurrency"]
    with instance.existing_instance(made) as found:
        assert isinstance(found, GuardedInstance) and isinstance(found.run_launcher, WatchingRunLauncher)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def dripped_until_closed(connection: socket.socket) -> bool:
    """Sends one byte after another until the server closes the connection; False: it did not within a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            connection.sendall(b"X")
            if not connection.recv(1000):
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


def test_a_head_that_does_not_end_is_not_waited_for(tmp_path: Path) -> None:
    """The protocol alone, with an application that answers at once and a short deadline."""
    code = (
        "import sys, uvicorn\nfrom ft_platform.serving.api import deadlines\ndeadlines.HEAD_SECONDS = 0.5\n"
        "async def app(scope, receive, send):\n    await send({'type': 'http.response.start', 'status': 204, 'headers':"
        " []})\n    await send({'type': 'http.response.body'})\nuvicorn.run(app, port=int(sys.argv[1]),"
        " log_level='warning', lifespan='off', http=deadlines.DeadlineProtocol)\n"
    )
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", code, str(port)])
    try:
        deadline = time.monotonic() + 60
        while not listens(port):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        assert status_of(port, "GET / HTTP/1.1\nHost: a\n") == 204
        for first in (b"", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(first)
                connection.settimeout(0.1)
                assert dripped_until_closed(connection)
    finally:
        process.kill()
        process.wait()
    assert deadlines.HEAD_SECONDS == 10


@pytest.mark.slow
@pytest.mark.parametrize("command", [["dagster", "dev", "-m", "ft_platform.definitions"], ["dg", "dev"]], ids=" ".join)
def test_dagsters_own_commands_are_guarded_with_our_settings(
    command: list[str], environment: Environment, tmp_path: Path
) -> None:
    program = Path(sys.executable).parent / command[0]
    if not program.exists():
        pytest.skip(f"{command[0]} is not installed")
    project = tmp_path / "project"
    project.mkdir()
    for name in ("pyproject.toml", "dagster.yaml"):
        shutil.copy(REPOSITORY / name, project)
    (project / "ft_platform").symlink_to(REPOSITORY / "ft_platform")
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FT_", "DAGSTER_"))}
    variables = {
        **kept,
        **environment.to_variables(),
        "DAGSTER_HOME": str(home_with(tmp_path)),
        "PYTHONPATH": str(REPOSITORY),
    }
    words = [str(program), *command[1:], "--port", str(port), *(["--no-check-yaml"] if command[0] == "dg" else [])]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(words, env=variables, cwd=project, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + 150
        while not listens(port):
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
        assert status_of(port, f"GET /server_info HTTP/1.1\nHost: 127.0.0.1:{port}\n") == 200
        assert status_of(port, "GET /server_info HTTP/1.1\nHost: evil.example\n") == 421
        assert post(port, f"Host: 127.0.0.1:{port}\nContent-Type: text/plain") == 415
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
