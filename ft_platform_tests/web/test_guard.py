"""The guard before Dagster's web application: what other pages and names get, and that every route of Dagster stands
behind it."""

import json
from collections.abc import Iterator
from functools import partial

import dagster as dg
import pytest

pytest.importorskip("dagster_webserver")
from dagster_webserver.webserver import DagsterWebserver
from starlette.routing import Mount, Route, WebSocketRoute

from ft_platform.use_case.settings.environment import Environment
from ft_platform.web import guard
from ft_platform.web.dagster_webserver import guard_webserver
from ft_platform_tests.web.asgi import JSON, OWN, dagster_app, request, websocket

QUERY = json.dumps({"query": "{version}"}).encode()
LIMIT = json.dumps({"query": 'mutation {setConcurrencyLimit(concurrencyKey: "attack", limit: 3)}'}).encode()
EVIL = ("origin", "http://evil.example")
MUTATION_BY_GET = '/graphql?query=mutation{setConcurrencyLimit(concurrencyKey:"attack",limit:3)}'


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


@pytest.fixture(scope="module")
def app(instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory):
    environment = Environment(home=tmp_path_factory.mktemp("home"), web_hosts=["ml.example.org", "10.0.0.5:3000"])
    with dagster_app(instance, partial(guard_webserver, environment)) as made:
        yield made


def changed(instance: dg.DagsterInstance) -> bool:
    """Whether an attack reached the database; forgets it."""
    storage = instance.event_log_storage
    found = storage.get_concurrency_keys()
    for key in found:
        storage.delete_concurrency_limit(key)
    return bool(found)


def test_without_the_guard_each_of_these_attacks_gets_through(instance: dg.DagsterInstance) -> None:
    with dagster_app(instance) as bare:
        text = [("host", "evil.example"), EVIL, ("content-type", "text/plain; application/json")]
        assert request(bare, "GET", MUTATION_BY_GET, text).status == 200 and changed(instance)
        assert request(bare, "POST", "/graphql", text, LIMIT).status == 200 and changed(instance)
        assert request(bare, "GET", "/server_info", text).status == 200
        assert websocket(bare, text)[0]


def test_what_the_pages_themselves_send_gets_through(app, instance: dg.DagsterInstance) -> None:
    own = [
        OWN,
        JSON,
        ("origin", "http://127.0.0.1:3000"),
        ("referer", "http://127.0.0.1:3000/runs"),
        ("sec-fetch-site", "same-origin"),
    ]
    answer = request(app, "POST", "/graphql", own, QUERY)
    assert (answer.status, "version" in json.loads(answer.body)["data"]) == (200, True)
    assert request(app, "POST", "/graphql", own, LIMIT).status == 200 and changed(instance)
    assert request(app, "GET", "/", [OWN]).status == 200
    accepted, _ = websocket(app, [OWN, ("origin", "http://127.0.0.1:3000")], [{"type": "connection_init"}])
    assert accepted


def test_a_tool_of_this_machine_that_is_no_browser_gets_through(app) -> None:
    assert request(app, "POST", "/graphql", [OWN, JSON], QUERY).status == 200


def routes() -> list[tuple[str, str]]:
    """Method and path of every route of Dagster's that answers with data, or may one day; not the page itself and its
    files."""
    web = DagsterWebserver.__new__(DagsterWebserver)
    web._app_path_prefix = ""
    found = []
    for route in DagsterWebserver.build_routes(web):
        if isinstance(route, Route) and route.name not in ("root_static", "index_html_endpoint"):
            path = route.path.replace("{path:path}", "x").replace("{run_id:str}", "x").replace("{asset_key:path}", "x")
            found += [(method, path) for method in sorted(route.methods or ())]
        assert isinstance(route, Route | Mount | WebSocketRoute)
    return found


def test_dagster_has_the_routes_that_this_file_attacks() -> None:
    assert len(routes()) >= 17
    assert {path.split("/")[1] for _, path in routes()} == set(guard.DATA)


@pytest.mark.parametrize(("method", "path"), [*routes(), ("GET", "/"), ("GET", "/runs/x"), ("GET", "/favicon.png")])
def test_no_route_answers_to_a_foreign_name(app, method: str, path: str) -> None:
    assert request(app, method, path, [("host", "evil.example:3000"), JSON], QUERY).status == 421
    assert request(app, method, path, [], QUERY).status == 421


@pytest.mark.parametrize(("method", "path"), routes())
@pytest.mark.parametrize(
    "headers",
    [
        [EVIL],
        [("origin", "null")],
        [("origin", "http://127.0.0.1:8080")],  # another server of this machine: the same site, another origin
        [("origin", "http://localhost:3000")],
        [("origin", "file://127.0.0.1:3000")],
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
        [("sec-fetch-site", "same-site")],
        [("referer", "http://evil.example/127.0.0.1:3000")],
        [("referer", "http://[evil")],
    ],
)
def test_no_route_with_data_answers_to_a_page_of_another_origin(
    app, method: str, path: str, headers: list[tuple[str, str]]
) -> None:
    assert request(app, method, path, [OWN, JSON, *headers], QUERY).status in (403, 405)


def test_a_link_from_elsewhere_opens_the_page_but_nothing_embeds_it(app) -> None:
    link = [OWN, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("referer", "https://wiki.example/")]
    answer = request(app, "GET", "/assets/complaints", [*link, ("sec-fetch-dest", "document")])
    assert answer.status == 200
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert "script-src 'nonce-" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert request(app, "GET", "/assets/complaints", [*link, ("sec-fetch-dest", "iframe")]).status == 403
    headers = [OWN, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")]
    assert request(app, "GET", "/favicon.png", headers).status == 403


def test_a_notebook_may_run_no_script_of_this_origin(app) -> None:
    assert "sandbox" in request(app, "GET", "/notebook?path=a&repoLocName=b", [OWN]).headers["content-security-policy"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize(
    "path", [MUTATION_BY_GET, "/graphql", "/graphql/", "//graphql", "/GraphQL", "/report_asset_materialization/attack"]
)
def test_what_changes_something_goes_by_post_only(app, instance: dg.DagsterInstance, method: str, path: str) -> None:
    assert request(app, method, path, [OWN, JSON], LIMIT).status == 405
    assert not changed(instance)


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "text/plain; charset=application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "application/graphql",
        "application/json; charset=utf-7",
        "application/jsonp",
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        "/graphql",
        "/report_asset_materialization/attack",
        "/report_asset_check/attack",
        "/report_asset_observation/attack",
    ],
)
def test_a_body_in_another_form_than_json_is_refused(
    app, instance: dg.DagsterInstance, kind: str | None, path: str
) -> None:
    headers = [OWN, *([("content-type", kind)] if kind else [])]
    assert request(app, "POST", f"{path}?query=mutation%7Ba%7D", headers, LIMIT).status == 415
    assert not changed(instance) and not instance.all_asset_keys()


@pytest.mark.parametrize("name", guard.ONCE)
def test_a_header_that_is_given_twice_is_refused(app, name: str) -> None:
    assert request(app, "POST", "/graphql", [OWN, JSON, (name, "127.0.0.1:3000"), (name, "x")], QUERY).status == 400


def test_packed_bodies_are_refused(app) -> None:
    assert request(app, "POST", "/graphql", [OWN, JSON, ("content-encoding", "gzip")], QUERY).status == 415


def test_too_much_in_one_request_is_refused_before_it_is_executed(app, instance: dg.DagsterInstance) -> None:
    for query in (
        "mutation {a: setConcurrencyLimit(concurrencyKey: 1, limit: 1) b: version}",
        "{" * 3000,
        "query a {version} query b {version}",
    ):
        assert request(app, "POST", "/graphql", [OWN, JSON], json.dumps({"query": query}).encode()).status == 400
    assert request(app, "POST", "/graphql", [OWN, JSON], b"[" + LIMIT + b"]").status == 400
    assert not changed(instance)


def test_a_body_that_is_too_large_is_not_read_to_its_end(app) -> None:
    headers = [OWN, JSON, ("content-length", str(guard.MAX_BODY_BYTES + 1))]
    assert request(app, "POST", "/graphql", headers, b"").status == 413
    assert request(app, "POST", "/graphql", [OWN, JSON, ("content-length", "-1")], b"").status == 413
    pieces = [b" " * 500_000] * (guard.MAX_BODY_BYTES // 500_000 + 1)
    assert request(app, "POST", "/graphql", [OWN, JSON], pieces).status == 413


@pytest.mark.parametrize("path", ["/graphql", "/report_asset_materialization/attack"])
def test_a_body_that_does_not_come_is_not_waited_for(app, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)
    assert request(app, "POST", path, [OWN, JSON], [QUERY[:5]]).status == 408


@pytest.mark.parametrize(
    "headers",
    [
        [OWN, EVIL],
        [OWN, ("origin", "null")],
        [OWN, ("origin", "http://127.0.0.1:8080")],
        [("host", "evil.example:3000"), ("origin", "http://evil.example:3000")],
        [OWN, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "websocket")],
    ],
)
def test_a_websocket_of_another_origin_or_name_is_refused(app, headers) -> None:
    assert websocket(app, headers) == (False, [])


def test_there_is_one_websocket(app) -> None:
    assert websocket(app, [OWN], path="/logs") == (False, [])


SUBSCRIPTION = 'subscription {pipelineRunLogs(runId: "none") {__typename}}'


def test_a_subscription_gets_through(app) -> None:
    payload = {"query": SUBSCRIPTION, "variables": {}, "operationName": None}
    messages = [{"type": "connection_init"}, {"type": "start", "id": "1", "payload": payload}]
    accepted, answers = websocket(app, [OWN], messages)
    assert accepted and answers[0] == {"type": "connection_ack"}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "start", "id": "1", "payload": {"query": "mutation {setNuxSeen}"}},
        {"type": "start", "id": "1", "payload": {"query": "{version}"}},
        {
            "type": "start",
            "id": "1",
            "payload": {"query": "subscription {" + "a: capturedLogs(logKey: []) {stdout} " * 100 + "}"},
        },
        {"type": "start", "id": "1"},
        {"type": "start", "id": {"a": 1}, "payload": {"query": SUBSCRIPTION}},
        {"type": "stop", "id": ["1"]},
        {"type": "start", "id": "1", "payload": [{"query": SUBSCRIPTION}]},
        {"type": "connection_init", "payload": "x" * guard.MAX_MESSAGE_CHARACTERS},
        "[" * 100_000,
        "no JSON",
        '["start"]',
    ],
)
def test_a_message_that_asks_for_something_else_ends_the_websocket(app, message) -> None:
    accepted, answers = websocket(app, [OWN], [message, {"type": "connection_init"}])
    assert accepted and answers == []


def test_names_of_the_installation_get_through_from_another_machine(app) -> None:
    network = ("10.0.0.5", 3000)
    for name in ("ml.example.org", "10.0.0.5:3000"):
        headers = [("host", name), JSON, ("origin", f"http://{name}")]
        assert request(app, "POST", "/graphql", headers, QUERY, network).status == 200
    assert request(app, "GET", "/server_info", [OWN], server=network).status == 421
    assert request(app, "GET", "/server_info", [("host", "localhost:3000")], server=network).status == 421


def test_a_proxy_that_passes_on_its_own_name_for_the_host_may_keep_the_origin(app) -> None:
    headers = [OWN, JSON, ("origin", "https://ml.example.org"), ("sec-fetch-site", "same-origin")]
    assert request(app, "POST", "/graphql", headers, QUERY).status == 200


def test_a_debug_file_of_a_run_is_read_by_the_own_page_only(app, instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(dg.job(name="nothing")(lambda: None))
    path = f"/download_debug/{run.run_id}"
    assert request(app, "GET", path, [OWN, ("sec-fetch-site", "same-origin")]).status == 200
    for headers in ([("host", "rebound.example:3000")], [OWN, ("sec-fetch-site", "cross-site")], [OWN, EVIL]):
        assert request(app, "GET", path, headers).status in (403, 421)


def test_paths_below_a_prefix_are_told_apart_too(instance: dg.DagsterInstance) -> None:
    from ft_platform.use_case.settings.hosts import Hosts

    async def inner(scope, receive, send) -> None:
        raise AssertionError("reached")

    guarded = guard.Guard(inner, Hosts(), "/dagster")
    assert request(guarded, "GET", "/dagster/graphql?query={version}", [OWN]).status == 405
    assert request(guarded, "POST", "/dagster/graphql", [OWN], QUERY).status == 415
