"""Roles hold in a real process too: over HTTP and over a websocket, behind the guard."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
import websockets.exceptions
from websockets.sync.client import connect

from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.web.roles.test_permission_matrix import launch
from ft_platform_tests.web.roles.world import HERE, THERE
from ft_platform_tests.web.server import home_with, webserver

pytestmark = pytest.mark.integration

LOCATION = "two_use_cases.py"
SETTINGS = "telemetry: {enabled: false}\nrun_coordinator: {module: dagster, class: QueuedRunCoordinator}\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    words = ("-m", "ft_platform_tests.web.roles.serve", "-f", str(Path(__file__).with_name(LOCATION)))
    home = home_with(tmp_path_factory.mktemp("served"), SETTINGS)
    with webserver(words, home, PYTHONPATH=str(REPOSITORY)) as found:
        yield found


def ask(port: int, person: str, query: str, **variables: Any) -> tuple[int, Any]:
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"Content-Type": "application/json", "X-Person": person}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_person_starts_and_watches_what_their_role_allows(port: int) -> None:
    start = (
        "mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {__typename ...on LaunchRunSuccess {run {runId"
        " tags {key value}}}}}"
    )
    params = launch(HERE, "raw_records")
    params["selector"]["repositoryLocationName"] = LOCATION
    assert ask(port, "nobody", start, p=params)[0] == 401
    assert ask(port, "domain_expert", start, p=params)[1]["data"]["launchRun"]["__typename"] == "UnauthorizedError"
    elsewhere = {**params, "selector": {**params["selector"], "assetSelection": [{"path": [THERE, "raw_records"]}]}}
    _, body = ask(port, "data_engineering", start, p=elsewhere)
    assert body["data"]["launchRun"]["__typename"] == "UnauthorizedError"
    _, body = ask(port, "data_engineering", start, p=params)
    run = body["data"]["launchRun"]["run"]
    assert {"key": "ft/person", "value": "dora@example.org"} in run["tags"]

    logs = 'subscription {pipelineRunLogs(runId: "%s") {__typename}}' % run["runId"]  # noqa: UP031 - braces
    address, own = f"ws://127.0.0.1:{port}/graphql", f"http://127.0.0.1:{port}"
    for person, kind in (("data_engineering", "data"), ("domain_expert", "error")):
        head = {"X-Person": person}
        with connect(address, origin=own, subprotocols=["graphql-ws"], additional_headers=head) as socket:  # type: ignore[arg-type, list-item]
            socket.send(json.dumps({"type": "start", "id": "1", "payload": {"query": logs}}))
            assert json.loads(socket.recv(60))["type"] == kind
    with pytest.raises(websockets.exceptions.InvalidStatus):
        connect(address, origin=own, subprotocols=["graphql-ws"])  # type: ignore[arg-type, list-item]
