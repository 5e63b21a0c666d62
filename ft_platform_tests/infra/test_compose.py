"""`infra/docker/compose.yaml` brought up: a person signs in at the published port and runs the use case of `ft demo` to
its release decision, which the portal shows; then everything stops at a word."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from ft_platform_tests.infra.containers import missing, podman
from ft_platform_tests.infra.containers.compose import Composed, composed, missing_for_compose

# One group: the port is published once.
pytestmark = [pytest.mark.slow, pytest.mark.components(name="compose"), pytest.mark.xdist_group("compose")]
ADDRESS, USE_CASE = "http://localhost:3000", "customer_feedback"
INES = "ines.moreau@example.org"
"""Its accountable owner, who is fictitious."""
PHRASE = "correct horse battery staple"
LONG_RUNNING = ("postgres", "code", "webserver", "daemon")
START_SECONDS, RUN_SECONDS = 900.0, 3600.0
SELECTOR = {"repositoryLocationName": "ft_platform", "repositoryName": "__repository__", "jobName": USE_CASE}
COMMAND = ("run", "--rm", "--no-deps", "--no-TTY", "code")
LAUNCH = """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
 ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on UnauthorizedError { message } } }"""
STATE = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status stepStats { stepKey status } } } }"
DAEMONS = "{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy lastHeartbeatTime } } } }"
ROUTES = "print([line.split()[1] for line in open('/proc/net/route')][1:])"


class Browser:
    """It keeps cookies of `localhost` as browsers do, which trust it without TLS."""

    def __init__(self) -> None:
        self.client, self.cookies = httpx2.Client(base_url=ADDRESS, timeout=120), dict[str, str]()

    def send(self, method: str, path: str, **content: Any) -> httpx2.Response:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.client.request(method, path, headers={"Cookie": cookies, "Origin": ADDRESS}, **content)
        for one in answer.headers.get_list("set-cookie"):
            name, _, value = one.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def fill(self, path: str, **fields: str) -> httpx2.Response:
        token = self.send("GET", path).text.partition('name="token" value="')[2].partition('"')[0]
        return self.send("POST", path, data={"token": token, **fields})

    def query(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.send("POST", "/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@pytest.fixture(scope="module")
def up() -> Iterator[tuple[Composed, str]]:
    """What runs, and the first password of Ines. As the page says: a user first, then everything."""
    if what := missing() or missing_for_compose():
        pytest.skip(f"needs {what}")
    with composed(USE_CASE) as one:
        said = one.ask("run", "--rm", "--no-deps", "--no-TTY", "webserver", "ft", "users", "add", INES)
        started = one.tried("up", "--detach", "--no-build", seconds=START_SECONDS)
        assert started.returncode == 0, started.stderr[-2000:] + one.tried("logs", "--tail=40").stdout[-8000:]
        until_all_healthy(one)
        yield one, said.split()[0]


@pytest.fixture(scope="module")
def ines(up: tuple[Composed, str]) -> Browser:
    browser, password = Browser(), up[1]
    assert browser.fill("/auth/sign-in", email=INES, password=password).headers["location"] == "/auth/password"
    changed = browser.fill("/auth/password", password=password, new=PHRASE, again=PHRASE)
    assert (changed.status_code, changed.headers["location"]) == (303, "/")
    return browser


def until_all_healthy(one: Composed) -> None:
    end = time.monotonic() + START_SECONDS
    while (states := {name: state_of(one, name)["Health"]["Status"] for name in LONG_RUNNING}) != dict.fromkeys(
        LONG_RUNNING, "healthy"
    ):
        assert time.monotonic() < end, f"{states}\n{one.tried('logs', '--tail=40').stdout[-8000:]}"
        time.sleep(2)


def state_of(one: Composed, service: str) -> dict[str, Any]:
    return json.loads(podman().ask("inspect", one.container(service)))[0]["State"]


def test_the_tables_were_made_once_and_everything_runs(up: tuple[Composed, str]) -> None:
    assert state_of(up[0], "migrate")["ExitCode"] == 0
    assert all(state_of(up[0], name)["Running"] for name in LONG_RUNNING)


def test_who_has_not_signed_in_gets_the_sign_in_page_alone(up: tuple[Composed, str]) -> None:
    stranger = Browser()
    page = stranger.client.get("/", headers={"Accept": "text/html"})
    assert (page.status_code, page.headers["location"]) == (303, "/auth/sign-in?next=%2F")
    assert stranger.send("POST", "/graphql", json={"query": "{ version }"}).status_code == 401


def test_only_who_publishes_or_reads_sources_gets_out(up: tuple[Composed, str]) -> None:
    gets_out = {name for name in ("code", "webserver", "daemon") if "'00000000'" in up[0].python(name, ROUTES)}
    assert gets_out == {"code", "webserver"}


def test_every_daemon_beats(ines: Browser) -> None:
    beats = ines.query(DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
    required = {one["daemonType"]: one["healthy"] for one in beats if one["required"]}
    assert {"SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR", "MONITORING"} <= set(required)
    assert set(required.values()) == {True}


def test_a_person_runs_the_use_case_to_its_decision(up: tuple[Composed, str], ines: Browser) -> None:
    params = {"selector": SELECTOR, "mode": "default", "runConfigData": {}}
    launched = ines.query(LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    end, run = time.monotonic() + RUN_SECONDS, launched["run"]["runId"]
    while (state := ines.query(STATE, id=run)["runOrError"])["status"] not in ("SUCCESS", "FAILURE", "CANCELED"):
        assert time.monotonic() < end, state
        time.sleep(5)
    if state["status"] != "SUCCESS":
        said = up[0].ask("logs", "--no-color", "--no-log-prefix", "postgres")
        said += up[0].ask("exec", "--no-TTY", "code", "sh", "-c", "cat /var/lib/dagster/restricted/withheld/*.log")
        pytest.fail(said[-20000:], pytrace=False)  # the records are fictitious
    decided = json.loads(up[0].ask(*COMMAND, "ft", "decide", USE_CASE, "--json"))
    assert decided["decision"] == "accepted", decided


def test_the_portal_shows_the_decision(up: tuple[Composed, str], ines: Browser) -> None:
    page = ines.send("GET", f"/portal/{USE_CASE}/")
    assert page.status_code == 200 and "accepted" in page.text
    assert Browser().send("GET", f"/portal/{USE_CASE}/").status_code in (303, 401)


def test_everything_stops_at_a_word(up: tuple[Composed, str]) -> None:
    """After SIGTERM, before SIGKILL would come (137)."""
    up[0].ask("stop", "--timeout", "60")
    assert {name: state_of(up[0], name)["ExitCode"] for name in LONG_RUNNING} == dict.fromkeys(LONG_RUNNING, 0)
