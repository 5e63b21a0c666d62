"""Who reads what of runs, what the pages grey out, whose name a run has, and what the audit log is told."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

pytest.importorskip("dagster_webserver")
from dagster._core.events import EngineEventData
from dagster._core.execution.backfill import BulkActionStatus
from dagster_shared.error import SerializableErrorInfo
from starlette.websockets import WebSocketDisconnect

from ft_platform.people.person import Person, at_this_machine
from ft_platform.people.started import starter
from ft_platform_tests.web.roles.test_permission_matrix import job, launch
from ft_platform_tests.web.roles.world import ASKING, HERE, LOCATION, PERMISSIONS, REPOSITORY, THERE, World, world
from ft_platform_tests.web.test_graphql_limits import documents_of_the_pages

pytestmark = pytest.mark.integration

SECRET = "what the program printed"
READERS_HERE = {"data_engineering", "data_science", "ml_engineering", "administrator", "auditor", "token"}
READERS_THERE = {"administrator", "auditor"}
WHERE = f'repositoryName: "__repository__", repositoryLocationName: "{LOCATION}"'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture(scope="module")
def runs(made: World) -> dict[str, str]:
    """Use case -> a run with settings, printed lines and an event that quotes an error."""
    found = {}
    for place in (HERE, THERE):
        found[place] = made.started([place, "raw_records"], runConfigData='{"loggers": {"console": {"config": {}}}}')
        run = made.instance.get_run_by_id(found[place])
        assert run
        error = SerializableErrorInfo(SECRET, [SECRET], "ValueError")
        made.instance.report_engine_event("failed", run, EngineEventData(error=error))
        manager: Any = made.instance.compute_log_manager
        file = Path(manager.get_captured_local_path([found[place], "compute_logs", "step"], "err"))
        file.parent.mkdir(parents=True)
        file.write_text(SECRET)
    return found


LOGS = {
    "events": (
        '{a: logsForRun(runId: "%(run)s") {...on EventConnection {events {...on EngineEvent {error {message stack}}}}}}'
    ),
    "printed": '{a: capturedLogs(logKey: ["%(run)s", "compute_logs", "step"]) {stderr}}',
    "where it was printed": '{a: capturedLogsMetadata(logKey: ["%(run)s", "compute_logs", "step"]) {stderrLocation}}',
    "events of the run": (
        'query {a: runOrError(runId: "%(run)s") {...R}} fragment R on Run {b: eventConnection {events {...on ErrorEvent'
        " {error {message}}}}}"
    ),
    "printed by the run": (
        '{a: runsOrError(filter: {runIds: ["%(run)s"]}) {...on Runs {results {...{c: capturedLogs(fileKey: "step")'
        " {stderr}}}}}}"
    ),
}


@pytest.mark.parametrize("query", LOGS.values(), ids=LOGS)
def test_logs_are_read_by_role_and_owner(made: World, runs: dict[str, str], query: str) -> None:
    for place, readers in ((HERE, READERS_HERE), (THERE, READERS_THERE)):
        for person in ASKING:
            status, body = made.ask(person, query % {"run": runs[place]})
            reads = person in readers and (person != "token" or "runsOrError" not in query)
            assert status == (200 if reads else 401 if person == "nobody" else 403), (person, place, body)
            assert (SECRET in str(body)) == (reads and "stderrLocation" not in query), (person, body)
            assert reads or "compute_logs" not in str(body.get("data"))


@pytest.mark.parametrize(
    "key",
    [
        ["{here}", "..", "{there}", "compute_logs", "step"],
        ["{here}", "compute_logs", "../../{there}/compute_logs/step"],
        ["{here}/../{there}", "compute_logs", "step"],
        ["..", "{there}", "step"],
        ["{there}", "compute_logs", "step"],
        ["x"],
        [],
    ],
)
def test_a_log_key_that_leads_elsewhere_is_of_no_run(made: World, runs: dict[str, str], key: list[str]) -> None:
    key = [part.format(here=runs[HERE], there=runs[THERE]) for part in key]
    status, body = made.ask("data_engineering", "query($k: [String!]!) {capturedLogs(logKey: $k) {stderr}}", k=key)
    assert status == 403 and SECRET not in str(body)
    assert made.get("data_engineering", f"/logs/{'/'.join(key).replace('.', '%2e')}/err") == 403


def test_paths_are_for_whom_the_table_says(made: World, runs: dict[str, str]) -> None:
    made.client.follow_redirects = False
    for person in ASKING:
        here = {200} if person in READERS_HERE else {401, 403}
        there = {200} if person in READERS_THERE else {401, 403}
        assert made.get(person, f"/logs/{runs[HERE]}/compute_logs/step/err") in here, person
        assert made.get(person, f"/logs/{runs[THERE]}/compute_logs/step/err") in there, person
        debug = {200} if person in ("administrator", "auditor") else {401, 403}
        assert made.get(person, f"/download_debug/{runs[HERE]}") in debug
        notebook = made.get(person, f"/notebook?repoLocName={LOCATION}&path=x")
        assert (notebook in (401, 403)) == (person not in ("administrator", "auditor"))
        assert (made.get(person, "/") == 200) == (person != "nobody")
        assert (made.get(person, "/server_info") == 200) == (person not in ("nobody", "token"))
        for kind in ("materialization", "check", "observation"):
            path = f"/report_asset_{kind}/{HERE}/splits"
            answer = made.client.post(path, json={}, headers={"x-person": person})
            assert answer.status_code in (401, 403), (person, kind)
    assert not made.instance.fetch_materializations(dg.AssetKey([HERE, "splits"]), limit=1).records


def test_settings_of_a_run_are_withheld_and_start_nothing(made: World, runs: dict[str, str]) -> None:
    query = "query($r: ID!) {runOrError(runId: $r) {...on Run {runConfigYaml runConfig status}}}"
    for person in ASKING:
        status, body = made.ask(person, query, r=runs[HERE])
        if person == "nobody":
            assert status == 401
            continue
        found = body["data"]["runOrError"]
        assert found["status"] == "QUEUED"
        assert ("console" in found["runConfigYaml"] and "loggers" in found["runConfig"]) == (person in READERS_HERE)
        assert ("withheld" in found["runConfigYaml"] and "withheld" in found["runConfig"]) == (
            person not in READERS_HERE
        )
    _, body = made.ask("domain_expert", query, r=runs[HERE])
    again = {**launch(HERE, "evaluation_report"), "runConfigData": body["data"]["runOrError"]["runConfigYaml"]}
    start = "mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {__typename}}"
    assert (
        made.ask("domain_expert", start, p=again)[1]["data"]["launchRun"]["__typename"] == "RunConfigValidationInvalid"
    )


def test_texts_of_errors_are_withheld_where_nothing_says_whose_they_are(made: World) -> None:
    ids = {}
    for place in (HERE, THERE):
        backfill = made.instance.get_backfill(made.backfill(place, BulkActionStatus.FAILED))
        assert backfill
        made.instance.update_backfill(backfill.with_error(SerializableErrorInfo(SECRET, [SECRET], "ValueError")))
        ids[place] = backfill.backfill_id
    query = (
        "query($b: String!) {partitionBackfillOrError(backfillId: $b) {...on PartitionBackfill {error {message stack"
        " className causes {message} errorChain {error {stack}}}}}}"
    )
    for person in ("data_engineering", "domain_expert", "auditor"):
        for place, readers in ((HERE, READERS_HERE), (THERE, READERS_THERE)):
            status, body = made.ask(person, query, b=ids[place])
            assert status == 200 and (SECRET in str(body)) == (person in readers), (person, place, body)
            assert person in readers or body["data"]["partitionBackfillOrError"]["error"]["message"].startswith(
                "withheld"
            )


def test_dagsters_own_pages_open_for_whoever_may_see(made: World, runs: dict[str, str]) -> None:
    """Of a use case that is not theirs: what is withheld breaks no page but those of logs and settings."""
    key = {"path": [THERE, "raw_records"]}
    known = {"runId": runs[THERE], "assetKey": key, "assetKeys": [key], "repositorySelector": REPOSITORY}
    known |= {"sensorSelector": {**REPOSITORY, "sensorName": f"{THERE}_source"}, "limit": 5, "name": LOCATION}
    asked, refused = 0, set()
    for name, text in documents_of_the_pages().items():
        required = re.findall(r"\$(\w+)\s*:\s*[\[\]\w!]+!(?!\s*=)", text.partition("{")[0])
        if text.startswith("query") and set(required) <= set(known):
            asked += 1
            status, _ = made.ask("domain_expert", text, **{one: known[one] for one in required})
            refused |= {name} if status in (401, 403) else set()
    assert asked > 50
    assert refused == {"InstanceConfigQuery", "RunLogsQuery"}


def test_what_is_allowed_opens_no_way_to_what_is_not(made: World, runs: dict[str, str]) -> None:
    """From the answer of a mutation a query reaches everything there is."""
    ways = (
        "mutation {reloadWorkspace {...on Workspace {locationEntries {locationOrLoadError {...on RepositoryLocation"
        " {repositories {jobs {runs {runId runConfigYaml}",
        'mutation {launchRun(executionParams: {selector: {WHERE, jobName: "__ASSET_JOB", assetSelection: [{path:'
        ' ["complaints", "raw_records"]}]}}) {...on LaunchRunSuccess {run {assets {definition {repository {jobs {runs'
        " {runId runConfigYaml}",
    )
    for query in ways:
        status, body = made.ask("data_engineering", query.replace("WHERE", WHERE) + "}" * 8)
        assert status == 200, body
        found = {one["runId"]: one["runConfigYaml"] for one in _runs_in(body)}
        assert "loggers" in found[runs[HERE]] and found[runs[THERE]].startswith("withheld: ")


def _runs_in(answer: Any) -> Iterator[dict[str, str]]:
    if isinstance(answer, dict) and "runConfigYaml" in answer:
        yield answer
    for below in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ():
        yield from _runs_in(below)


def test_a_query_runs_no_code_that_the_mutation_would_not(made: World) -> None:
    """A tick to come is tried out when its result is asked for."""
    asked = "evaluationResult {error {errorChain {error {message}}} runRequests {runConfigYaml}}"
    query = (
        "query($s: ScheduleSelector!) {scheduleOrError(scheduleSelector: $s) {...on Schedule {futureTick(tickTimestamp:"
        f" 1780000000) {{{asked}}}}}}}}}"
    )
    dry = (
        "mutation($s: SensorSelector!) {sensorDryRun(selectorData: $s, cursor: null) {...on DryRunInstigationTick"
        f" {{{asked}}}}}}}"
    )
    source, alerts = ({**REPOSITORY, "sensorName": f"{HERE}_{name}"} for name in ("source", "alerts"))
    assert "secret" in str(made.ask("ml_engineering", dry, s=source)[1])
    assert "a trace of" in str(made.ask("ml_engineering", dry, s=alerts)[1])
    daily = {**REPOSITORY, "scheduleName": f"{HERE}_daily"}
    for person in ASKING.keys() - {"nobody"}:
        status, body = made.ask(person, query, s=daily)
        may = person in ("data_engineering", "ml_engineering", "administrator")
        assert status == (200 if may else 403), (person, body)
        assert ("runRequests" in str(body.get("data"))) == may


def _sensor(made: World, name: str) -> Any:
    (repository,) = made.context.create_request_context().code_locations[0].get_repositories().values()
    return repository.get_sensor(name)


def test_the_settings_of_the_instance_and_traces_of_the_server_are_not_for_all(made: World) -> None:
    for person in ("administrator", "auditor"):
        assert "run_coordinator" in made.ask(person, "{instance {info}}")[1]["data"]["instance"]["info"]
    status, body = made.ask("ml_engineering", "{instance {info}}")
    assert status == 403 and body["data"]["instance"]["info"] is None
    status, body = made.ask("domain_expert", "{test {alwaysException}}")
    assert "errorInfo" not in str(body) and "as advertised" not in str(body)


def test_a_sensor_is_stopped_by_both_of_its_ids(made: World) -> None:
    """Dagster looks up who may by one id, and stops by the other."""
    made.instance.start_sensor(_sensor(made, f"{THERE}_source"))
    own, other = _sensor(made, f"{HERE}_source"), _sensor(made, f"{THERE}_source")
    stop = (
        "mutation($o: String, $s: String, $i: String) {stopSensor(jobOriginId: $o, jobSelectorId: $s, id: $i)"
        " {__typename}}"
    )
    for ids in (
        {"o": own.get_remote_origin_id(), "s": other.selector_id},
        {"o": other.get_remote_origin_id(), "s": own.selector_id},
        {"i": f"{own.get_remote_origin_id()}:{other.selector_id}"},
        {"o": f"{own.get_remote_origin_id()}:{other.selector_id}", "s": own.selector_id},
        {"o": own.get_remote_origin_id(), "s": "nothing"},
        {},
    ):
        _, body = made.ask("data_engineering", stop, **ids)
        assert body["data"]["stopSensor"]["__typename"] == "UnauthorizedError", ids
    state = made.instance.get_instigator_state(other.get_remote_origin_id(), other.selector_id)
    assert state and state.is_running


@pytest.mark.parametrize(
    "params",
    [
        {"selector": {**job(HERE)["selector"], "assetSelection": [{"path": [THERE, "raw_records"]}]}},
        {"selector": {**job(HERE)["selector"], "assetSelection": [], "assetCheckSelection": []}},
        {"selector": {**job("__ASSET_JOB")["selector"]}},
        {"selector": {**job(HERE)["selector"], "pipelineName": THERE}},
        {"selector": {**job(HERE)["selector"], "jobName": None, "assetSelection": None}},
        {**launch(HERE, "raw_records"), "executionMetadata": {"parentRunId": "{there}", "rootRunId": "{there}"}},
    ],
    ids=["own job, other asset", "nothing selected", "all", "two names", "no name", "other parent"],
)
def test_a_run_is_judged_by_what_it_would_make(made: World, runs: dict[str, str], params: dict[str, Any]) -> None:
    params = {**params}
    if "executionMetadata" in params:
        params["executionMetadata"] = dict.fromkeys(params["executionMetadata"], runs[THERE])
    before = made.state()
    fragment = "fragment F on Mutation {x: launchRun(executionParams: $p) {__typename}}"
    query = f"mutation M($p: ExecutionParams!) {{...F}} {fragment}"
    status, body = made.ask("data_engineering", query, p=params)
    assert status == 500 or body["data"]["x"]["__typename"] == "UnauthorizedError", body
    assert made.state() == before


def test_a_run_has_the_name_of_who_started_it_and_no_other(made: World, runs: dict[str, str]) -> None:
    forged = {
        "tags": [
            {"key": "ft/person", "value": "anna@example.org"},
            {"key": "ft/known_by", "value": "openid"},
            {"key": "why", "value": "x"},
        ]
    }
    start = "mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {...on LaunchRunSuccess {run {runId}}}}"
    _, body = made.ask("data_engineering", start, p={**launch(HERE, "raw_records"), "executionMetadata": forged})
    run = made.instance.get_run_by_id(body["data"]["launchRun"]["run"]["runId"])
    assert run and run.tags["ft/person"] == "dora@example.org" and run.tags["why"] == "x"
    assert starter(run.run_id, run.tags, made.keys) == Person("dora@example.org", known_by="openid")
    again = (
        "mutation($r: ReexecutionParams!) {launchRunReexecution(reexecutionParams: $r) {...on LaunchRunSuccess {run"
        " {runId}}}}"
    )
    extra = [{"key": "ft/person", "value": "anna@example.org"}]
    params = {"parentRunId": runs[HERE], "strategy": "ALL_STEPS", "extraTags": extra, "useParentRunTags": True}
    _, body = made.ask("data_engineering", again, r=params)
    run = made.instance.get_run_by_id(body["data"]["launchRunReexecution"]["run"]["runId"])
    assert run and run.tags["ft/person"] == "dora@example.org"
    assert starter(run.run_id, run.tags, made.keys) == Person("dora@example.org", known_by="openid")
    whole = (
        "mutation($r: ReexecutionParams) {reexecutePartitionBackfill(reexecutionParams: $r) {...on"
        " LaunchBackfillSuccess {backfillId}}}"
    )
    old = made.backfill(HERE, BulkActionStatus.FAILED)
    _, body = made.ask("domain_expert", whole, r={"parentRunId": old, "strategy": "ALL_STEPS"})
    backfill = made.instance.get_backfill(body["data"]["reexecutePartitionBackfill"]["backfillId"])
    assert backfill and backfill.tags["ft/person"] == "eva@example.org"


def test_where_nobody_signs_in_a_run_has_the_name_of_the_account(made: World, runs: dict[str, str]) -> None:
    run = made.instance.get_run_by_id(runs[HERE])
    assert run and run.tags["ft/person"] == at_this_machine().name
    answer = made.desk.post("/graphql", json={"query": "{permissions {permission value} instance {info}}"}).json()[
        "data"
    ]
    assert {one["permission"] for one in answer["permissions"] if not one["value"]} == {"edit_app_managed_components"}
    assert "run_coordinator" in answer["instance"]["info"]
    assert made.desk.get(f"/download_debug/{runs[HERE]}").status_code == 200


def test_the_audit_log_is_told_of_what_is_done_before_and_of_what_is_refused(made: World) -> None:
    made.noted.clear()
    start = "mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {__typename}}"
    made.ask("data_engineering", start, p=launch(HERE, "raw_records"))
    made.ask("domain_expert", start, p=launch(HERE, "raw_records"))
    made.get("domain_expert", "/download_debug/x")
    made.ask("domain_expert", "{logsForRun(runId: 1) {__typename}}")
    assert made.noted[0].details == {"assets": f"{HERE}/raw_records"}
    told = [(one.kind, one.person.name, one.what, one.use_case) for one in made.noted]
    assert told == [
        ("run", "dora@example.org", "launchRun", HERE),
        ("denial", "eva@example.org", "may not start stages from source to splits", HERE),
        ("denial", "eva@example.org", "may not download debug files of runs", ""),
        ("denial", "eva@example.org", "may not read logs and settings of runs", ""),
    ]


def test_what_cannot_be_noted_is_not_done(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_noted: Any) -> None:
        raise OSError("the disk is full")

    before = made.state()
    rules = made.rules
    monkeypatch.setitem(rules.__dict__, "noting", fail)
    start = "mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {__typename}}"
    status, body = made.ask("data_engineering", start, p=launch(HERE, "raw_records"))
    assert status == 500 and "the disk" not in str(body)
    assert made.state() == before


FLAGS = (
    '{assetNodes(assetKeys: [{path: [%s, "raw_records"]}]) {hasMaterializePermission hasWipePermission'
    " hasReportRunlessAssetEventPermission} sensorOrError(sensorSelector: {WHERE, sensorName: %s}) {...on Sensor"
    " {hasCursorUpdatePermissions sensorState {hasStartPermission hasStopPermission}}} pipelineOrError(params: {WHERE,"
    " pipelineName: %s}) {...on Pipeline {hasLaunchExecutionPermission}} runOrError(runId: %s) {...on Run"
    " {hasReExecutePermission hasTerminatePermission hasDeletePermission}} repositoryOrError(repositorySelector:"
    " {WHERE}) {...on Repository {assetManifest}} permissions {permission value} workspaceOrError {...on Workspace"
    " {locationEntries {permissions {permission value}}}}}"
).replace("WHERE", WHERE)


def test_the_pages_grey_out_what_the_table_refuses(made: World, runs: dict[str, str]) -> None:
    for person in ASKING.keys() - {"nobody", "token"}:
        for place in (HERE, THERE):

            def may(action: str, where: str | None = place, person: str = person) -> bool:
                return bool(PERMISSIONS.may(ASKING[person], action, where))  # type: ignore[arg-type]

            names = (place, f"{place}_source", f"{place}_reports", runs[place])
            status, body = made.ask(person, FLAGS % tuple(f'"{name}"' for name in names))
            assert status == 200, body
            data = body["data"]
            asset = {
                "hasMaterializePermission": may("start_data"),
                "hasWipePermission": may("delete_history"),
                "hasReportRunlessAssetEventPermission": False,
            }
            assert data["assetNodes"] == [asset]
            manifest = next(
                one
                for one in data["repositoryOrError"]["assetManifest"]
                if one["assetKey"]["path"] == [place, "raw_records"]
            )
            assert manifest.items() >= asset.items()
            automate = may("automate")
            assert data["sensorOrError"] == {
                "hasCursorUpdatePermissions": automate,
                "sensorState": {"hasStartPermission": automate, "hasStopPermission": automate},
            }
            assert data["pipelineOrError"]["hasLaunchExecutionPermission"] == may("start_reports")
            assert data["runOrError"] == {
                "hasReExecutePermission": may("start_data"),
                "hasTerminatePermission": may("stop_runs"),
                "hasDeletePermission": may("delete_history"),
            }
            everywhere = {one["permission"]: one["value"] for one in data["permissions"]}
            assert everywhere["reload_workspace"] == may("reload", None)
            assert everywhere["launch_pipeline_execution"] == may("start_data", None)
            assert everywhere["edit_concurrency_limit"] == (person == "administrator")
            (location,) = data["workspaceOrError"]["locationEntries"]
            here = {one["permission"]: one["value"] for one in location["permissions"]}
            assert here.items() <= everywhere.items()


SOCKET = "ws://127.0.0.1:3000/graphql"


def test_a_subscription_is_for_whoever_may_read_the_logs(made: World, runs: dict[str, str]) -> None:
    query = (
        "subscription($r: ID!) {pipelineRunLogs(runId: $r) {...on PipelineRunLogsSubscriptionSuccess {messages {...on"
        " EngineEvent {error {message}}}}}}"
    )
    for person, place in (("data_engineering", HERE), ("data_engineering", THERE), ("domain_expert", HERE)):
        with made.client.websocket_connect(SOCKET, ["graphql-ws"], headers={"x-person": person}) as socket:
            payload = {"query": query, "variables": {"r": runs[place]}}
            socket.send_json({"type": "start", "id": "1", "payload": payload})
            answer = socket.receive_json()
            reads = person == "data_engineering" and place == HERE
            assert (answer["type"], SECRET in str(answer)) == (("data", True) if reads else ("error", False)), answer
    with (
        pytest.raises(WebSocketDisconnect),
        made.client.websocket_connect(SOCKET, ["graphql-ws"], headers={"x-person": "nobody"}),
    ):
        pass
