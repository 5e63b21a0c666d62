"""Dagster's web application by role, over a real code server with two use cases. The persons are fictitious."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.nux import get_has_seen_nux
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._core.test_utils import instance_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.utils import make_new_run_id
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._daemon.asset_daemon import get_auto_materialize_paused
from dagster._grpc.server import GrpcServerProcess
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from ft_platform.lake.signing.keys import SigningKeys
from ft_platform.lake.signing.opening import signing_keys_of
from ft_platform.people.may import Permissions
from ft_platform.people.noted import Noted
from ft_platform.people.person import PERSON, Person
from ft_platform.redaction.guarded_instance import sign_runs
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hosts import Hosts
from ft_platform.web.guard import Guard
from ft_platform.web.portal import PortalApp
from ft_platform.web.roles.rules import Rules
from ft_platform.web.roles.webserver import RoleWebserver
from ft_platform_tests.people.test_may import OWNERS, PEOPLE, PERSONS
from ft_platform_tests.tables import use_case

LOCATION = "two_use_cases"
REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION}
HERE, THERE = "complaints", "letters"
"""Owned by the persons, and by somebody else."""
TOKEN = Person(
    "token:ci",
    known_by="token",
    actions=frozenset({"see", "read_logs", "start_data", "stop_runs", "automate", "report_from_outside"}),
    use_cases=frozenset({HERE}),
)
RELEASER = Person(
    "token:releaser", known_by="token", actions=frozenset({"see", "release", "deploy"}), use_cases=frozenset({HERE})
)
"""May release and deploy what was accepted, and not go back."""
SIGNED_IN = {name: replace(person, known_by="openid") for name, person in PERSONS.items()}
ASKING: dict[str, Person | None] = {**SIGNED_IN, "nobody": None, "token": TOKEN}
PERMISSIONS = Permissions(
    PEOPLE, {HERE: use_case(owners=OWNERS), THERE: use_case(owners={"accountable": "someone@example.org"})}
)


class SigningIn:
    """In place of what signs persons in: a header names one of `ASKING`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = dict(scope.get("headers") or []).get(b"x-person", b"nobody").decode()
        person = ASKING[name]
        others = {key: value for key, value in scope.items() if key != PERSON}
        await self.app(others if person is None else {**others, PERSON: person}, receive, send)


@dataclass
class World:
    """What tests ask, and what they look at.

    Attributes:
        client: asks the application with persons.
        desk: asks the application as it is where nobody signs in.
        noted: what the audit log was told of.
    """

    instance: dg.DagsterInstance
    context: WorkspaceProcessContext
    rules: Rules
    client: TestClient
    desk: TestClient
    noted: list[Noted]
    keys: SigningKeys

    def ask(self, person: str, query: str, **variables: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer of a query."""
        body = {"query": query, "variables": variables}
        answer = self.client.post("/graphql", json=body, headers={"x-person": person})
        kind = answer.headers.get("content-type", "")
        return answer.status_code, answer.json() if kind.startswith("application/json") else {"said": answer.text}

    def get(self, person: str, path: str) -> int:
        return self.client.get(path, headers={"x-person": person}).status_code

    def started(self, *keys: list[str], job: str = "__ASSET_JOB", **params: Any) -> str:
        """A run in the queue, started at the desk."""
        given = {
            "selector": {**REPOSITORY, "jobName": job, "assetSelection": [{"path": key} for key in keys]},
            **params,
        }
        query = (
            "mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {... on LaunchRunSuccess {run {runId}}}}"
        )
        answer = self.desk.post("/graphql", json={"query": query, "variables": {"p": given}}).json()
        return answer["data"]["launchRun"]["run"]["runId"]

    def back(self, use_case: str) -> str:
        """A run that goes back, in the queue."""
        return self.started(*([use_case, stage] for stage in ("release", "deployment")), job=f"{use_case}_rollback")

    def another(self, run_id: str) -> str:
        """A run like this one, in the queue."""
        run = self.instance.get_run_by_id(run_id)
        assert run
        made = run._replace(run_id=make_new_run_id(), status=DagsterRunStatus.QUEUED)  # type: ignore[attr-defined]
        return self.instance.add_run(made).run_id

    def backfill(self, use_case: str, status: Any) -> str:
        """A backfill of the days of `monitoring_report`."""
        made = PartitionBackfill.from_asset_partitions(
            backfill_id=make_new_run_id(),
            asset_graph=self.context.create_request_context().asset_graph,
            partition_names=["monday"],
            asset_selection=[dg.AssetKey([use_case, "monitoring_report"])],
            backfill_timestamp=1_780_000_000.0,
            tags={"ft/person": "before@example.org"},
            dynamic_partitions_store=self.instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        ).with_status(status)
        self.instance.add_backfill(made)
        return made.backfill_id

    def materialized(self, use_case: str, stage: str = "splits") -> None:
        self.instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey([use_case, stage])))

    def state(self) -> str:
        """All that a mutation could change."""
        instance = self.instance
        storage = instance.event_log_storage
        entries = self.context.get_current_workspace().code_location_entries
        return json.dumps(
            {
                "runs": sorted((run.run_id, str(run.status), sorted(run.tags.items())) for run in instance.get_runs()),
                "backfills": sorted((one.backfill_id, str(one.status)) for one in instance.get_backfills()),
                "instigators": sorted(
                    (one.name, str(one.status), str(one.instigator_data)) for one in instance.all_instigator_state()
                ),
                "partitions": [instance.get_dynamic_partitions(f"{name}_customers") for name in (HERE, THERE)],
                "limits": sorted(str(storage.get_concurrency_info(key)) for key in storage.get_concurrency_keys()),
                "assets": sorted(key.to_user_string() for key in instance.all_asset_keys()),
                "events": [
                    len(instance.fetch_materializations(dg.AssetKey([name, "splits"]), limit=1000).records)
                    for name in (HERE, THERE)
                ],
                "checks": len(instance.fetch_observations(dg.AssetKey([HERE, "splits"]), limit=1000).records),
                "loaded": sorted(entry.update_timestamp for entry in entries.values()),
                "paused": get_auto_materialize_paused(instance),
                "seen": get_has_seen_nux(),
            },
            sort_keys=True,
        )


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A world that ends with the block."""
    target = LoadableTargetOrigin(
        executable_path=sys.executable, python_file=str(Path(__file__).with_name("two_use_cases.py"))
    )
    queue = {"run_coordinator": {"module": "dagster", "class": "QueuedRunCoordinator"}, "telemetry": {"enabled": False}}
    told: list[Noted] = []

    def note(noted: Noted) -> None:
        told.append(noted)

    rules, desk_rules = Rules(lambda: PERMISSIONS, note), Rules(lambda: PERMISSIONS, required=lambda: False)
    with (
        instance_for_test(overrides=queue, temp_dir=str(folder)) as instance,
        GrpcServerProcess(
            instance_ref=instance.get_ref(), loadable_target_origin=target, location_name=LOCATION, wait_on_exit=True
        ) as server,
        WorkspaceProcessContext(
            instance,
            GrpcServerTarget(host="localhost", port=server.port, socket=server.socket, location_name=LOCATION),
        ) as context,
    ):
        environment = Environment(home=folder / "home", defs=folder / "defs", tracking_uri="none")

        def guarded(by: Rules, *, signing_in: bool) -> ASGIApp:
            made = RoleWebserver(
                context, rules=by, portal=lambda _: PortalApp(environment, by, in_dagster=True)
            ).create_asgi_app()
            return Guard(SigningIn(made) if signing_in else made, Hosts())

        app, desk = guarded(rules, signing_in=True), guarded(desk_rules, signing_in=False)
        address = "http://127.0.0.1:3000"
        with TestClient(app, address) as client, TestClient(desk, address) as at_desk:
            keys = signing_keys_of(Environment(home=folder / "home"))
            sign_runs(instance, keys)
            yield World(instance, context, rules, client, at_desk, told, keys)
