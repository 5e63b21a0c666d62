"""What the web server tells those who signed in and have no role, and what errors of a request say of the server."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
from graphql import get_introspection_query

from ft_platform.people.person import Person
from ft_platform_tests.web.roles.world import ASKING, HERE, REPOSITORY, World, world

SPLITS = {**REPOSITORY, "jobName": "__ASSET_JOB", "assetSelection": [{"path": [HERE, "splits"]}]}
LAUNCH = (
    "mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {__typename ...on UnauthorizedError {message}"
    " ...on PythonError {message stack causes {stack} errorChain {error {stack}}}}}"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(ASKING, "stranger", Person("nobody@example.org", known_by="openid"))
    return "stranger"


@pytest.mark.parametrize("query", [get_introspection_query(), "{version}", "{repositoriesOrError {__typename}}"])
def test_whoever_has_no_role_reads_no_schema(made: World, stranger: str, query: str) -> None:
    status, answer = made.ask(stranger, query)
    assert status == 403 and "@" not in str(answer) and "__schema" not in str(answer)
    assert made.ask("auditor", query)[0] == 200


def test_refusals_name_nobody_to_whoever_has_no_role(made: World, stranger: str) -> None:
    answers = [str(made.ask(stranger, LAUNCH, p={"selector": SPLITS}))]
    answers += [
        made.client.get(path, headers={"x-person": stranger}).text
        for path in ("/server_info", "/download_debug/x", f"/logs/{HERE}/compute_logs/step/err")
    ]
    assert all("only the" in one or "no role" in one for one in answers)
    assert not any("@" in one for one in answers)
    # Who has a role is told whom to ask.
    assert "team:data" in str(made.ask("domain_expert", LAUNCH, p={"selector": SPLITS}))


def test_there_is_no_debug_file_of_no_run(made: World) -> None:
    for path in ("/download_debug/nope", "/download_debug/", "/download_debug/a/b"):
        assert made.get("administrator", path) == 404


@pytest.mark.parametrize("params", [{"runConfigData": "a: ["}, {"runConfigData": [1]}, {"stepKeys": ["nope"]}], ids=str)
def test_a_run_that_cannot_start_says_why_and_not_where_in_the_server(made: World, params: dict[str, Any]) -> None:
    _, answer = made.ask("data_engineering", LAUNCH, p={"selector": SPLITS, **params})
    found = answer["data"]["launchRun"]
    assert found["__typename"] == "PythonError" and found["message"]
    assert "File " not in str(found)
