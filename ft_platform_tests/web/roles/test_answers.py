"""Kept answers are those that would be made anew: for each person, and until the code location is loaded again."""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.scheduler.instigation import SensorInstigatorData

pytest.importorskip("dagster_webserver")
from dagster_webserver.webserver import DagsterWebserver

from ft_platform.web.roles import answers
from ft_platform.web.roles.answers import Answers
from ft_platform_tests.web.roles.world import ASKING, HERE, LOCATION, World, world
from ft_platform_tests.web.test_graphql_limits import documents_of_the_pages

pytestmark = pytest.mark.integration

NAMES = ("LocationWorkspaceAssetsQuery", "LocationWorkspaceQuery")
NAMED = "query Named($name: String!) {workspaceLocationEntryOrError(name: $name) {__typename} runsOrError {__typename}}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture(params=NAMES)
def query(request: pytest.FixtureRequest) -> str:
    """What each page of the UI asks first."""
    return documents_of_the_pages()[request.param]


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    """What was found among the kept answers, for each request that asked; all start without any."""
    found: list[bytes | None] = []
    kept = Answers.kept

    def noted(self: Answers, *given: Any) -> bytes | None:
        found.append(kept(self, *given))
        return found[-1]

    monkeypatch.setattr(answers, "AT_LEAST", 0)
    monkeypatch.setattr(Answers, "kept", noted)
    return found


def test_everybody_gets_what_would_be_made_for_them(
    made: World, query: str, used: list[bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> dict[str, Any]:
        return {person: made.ask(person, query, name=LOCATION) for person in ASKING}

    with monkeypatch.context() as patched:
        patched.setattr(Answers, "keep", lambda *_: None)
        anew = asked()
        assert not any(used)
    flags = {len(re.findall("'has[A-Z][A-Za-z]*Permission': True", str(answer))) for _, answer in anew.values()}
    assert len(flags) > 2, "all may do the same"
    assert asked() == anew
    used.clear()
    assert asked() == anew
    assert sum(map(bool, used)) == sum(status == 200 for status, _ in anew.values()) > 5


def test_what_was_kept_ends_with_the_definitions(made: World, query: str, used: list[bytes | None]) -> None:
    for _ in range(2):
        made.ask("administrator", query, name=LOCATION)
    assert used.pop()
    made.context.reload_code_location(LOCATION)
    made.ask("administrator", query, name=LOCATION)
    assert not used.pop()


def test_jobs_and_sensors_are_told_anew_when_a_sensor_is_switched_or_reads_on(
    made: World, used: list[bytes | None]
) -> None:
    query, instance = documents_of_the_pages()[NAMES[1]], made.instance
    location = made.context.create_request_context().get_code_location(LOCATION)
    sensor = location.get_repository("__repository__").get_sensor(f"{HERE}_source")

    def told() -> dict[str, Any]:
        _, said = made.ask("administrator", query, name=LOCATION)
        [repository] = said["data"]["workspaceLocationEntryOrError"]["locationOrLoadError"]["repositories"]
        return next(one["sensorState"] for one in repository["sensors"] if one["name"] == sensor.name)

    def last_cursor() -> Any:
        return told()["typeSpecificData"]["lastCursor"]

    assert told()["status"] == "STOPPED" == told()["status"] and used.pop()
    state = instance.start_sensor(sensor)
    assert told()["status"] == "RUNNING" and last_cursor() is None and used.pop()
    data = SensorInstigatorData(cursor="read on", sensor_type=SensorType.STANDARD)
    instance.update_instigator_state(state.with_data(data))
    assert last_cursor() == "read on" == last_cursor() and used.pop()
    instance.update_instigator_state(state.with_data(data._replace(last_tick_timestamp=1.0)))
    assert last_cursor() == "read on" and used.pop(), "ticks that read nothing change nothing"
    instance.stop_sensor(sensor.get_remote_origin_id(), sensor.selector_id, sensor)
    assert told()["status"] == "STOPPED" and not used.pop()


def test_what_changes_while_an_answer_is_made_is_not_kept_as_it_was(
    made: World, used: list[bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    query, make, now = documents_of_the_pages()[NAMES[1]], DagsterWebserver.gen_graphql_response, []

    async def switching(*given: Any) -> Any:
        now.append("switched")
        return await make(*given)

    monkeypatch.setattr(DagsterWebserver, "gen_graphql_response", switching)
    monkeypatch.setattr(answers, "_states", lambda _: "".join(now))
    for _ in range(2):
        now.clear()  # and back
        assert made.ask("administrator", query, name=LOCATION)[0] == 200
        assert not used.pop()


def test_what_the_database_tells_is_asked_for_each_time(made: World, used: list[bytes | None]) -> None:
    for _ in range(2):
        assert made.ask("administrator", NAMED, name=LOCATION)[0] == 200
    assert not used


def test_an_answer_with_errors_is_not_kept(made: World, query: str, used: list[bytes | None]) -> None:
    for _ in range(2):
        status, said = made.ask("nobody", query, name=LOCATION)
        assert status != 200 or "errors" in said
    assert not any(used)


def test_an_answer_is_packed_for_those_who_take_it(made: World, query: str, used: list[bytes | None]) -> None:
    body = {"query": query, "variables": {"name": LOCATION}}

    def asked(accepted: str) -> Any:
        return made.client.post("/graphql", json=body, headers={"x-person": "auditor", "accept-encoding": accepted})

    asked("gzip")
    plain, packed = asked("identity"), asked("gzip")
    assert (plain.headers.get("content-encoding"), packed.headers.get("content-encoding")) == (None, "gzip")
    assert plain.json() == packed.json()
    assert used[-1] and json.loads(gzip.decompress(used[-1])) == packed.json() and HERE in packed.text
