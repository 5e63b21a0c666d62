"""The tables of rights cover all of the running Dagster: a newer one with something new fails here."""

import re

import pytest

pytest.importorskip("dagster_webserver")
from dagster._core.workspace.permissions import EDITOR_PERMISSIONS
from dagster_graphql.schema import create_schema
from dagster_webserver.webserver import DagsterWebserver
from graphql import GraphQLObjectType, get_named_type
from starlette.routing import Mount, Route, WebSocketRoute

from ft_platform.errors import ConfigError
from ft_platform.people.actions import ACTIONS
from ft_platform.web import guard
from ft_platform.web.roles import reads
from ft_platform.web.roles.mutations import MUTATIONS, START
from ft_platform.web.roles.schema import guard_schema

SECRET_TYPES = {"CapturedLogs", "EventConnection", "InstigationEventConnection", "RunConfigData", "TickEvaluation"}
"""Types that hold logs or settings of runs, or come from running code of a use case."""
SECRET_NAMES = re.compile(r".*yaml|logEvents|capturedLogs.*|logsForRun|info|attributes|configuredValue|stack", re.I)
HARMLESS = {
    ("DefsStateInfoEntry", "info"),
    ("RunQueueConfig", "tagConcurrencyLimitsYaml"),
    ("RunConfigSchema", "rootDefaultYaml"),  # what the code of a job says without a run
}


@pytest.fixture(scope="module")
def schema():
    return create_schema().graphql_schema


def test_permission_matrix_has_every_field_at_the_top(schema) -> None:
    assert set(schema.mutation_type.fields) == set(MUTATIONS)
    assert set(schema.query_type.fields) == set(reads.QUERIES)
    assert set(schema.subscription_type.fields) == set(reads.SUBSCRIPTIONS)


def test_every_field_with_logs_or_settings_is_in_a_table(schema) -> None:
    """Texts of errors have rules in their own type, so fields that hold an error need none."""
    ruled = {*reads.FIELDS, *reads.OPENED, *(("Query", name) for name in reads.QUERIES)}
    ruled |= {("Subscription", name) for name in reads.SUBSCRIPTIONS}
    found = {
        (kind.name, name)
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")
        for name, field in kind.fields.items()
        if get_named_type(field.type).name in SECRET_TYPES or SECRET_NAMES.fullmatch(name)
        if not get_named_type(field.type).name.startswith("EvaluationStack")
    }
    assert len(found) > 10
    assert found - ruled - HARMLESS == set()


def test_every_button_that_dagster_greys_out_is_in_a_table(schema) -> None:
    found = {
        (kind.name, name)
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType)
        for name in kind.fields
        if re.fullmatch(r"has\w+Permissions?", name)
    }
    assert found == set(reads.FLAGS)
    assert set(map(str, EDITOR_PERMISSIONS)) == set(reads.PERMISSIONS)


def test_every_path_with_data_is_in_the_table() -> None:
    routes = DagsterWebserver.build_routes(_Routes())  # type: ignore[arg-type]
    rooms = {
        route.path.strip("/").partition("/")[0]
        for route in routes
        if isinstance(route, Route | WebSocketRoute) and getattr(route, "name", "") != "root_static"
    }
    assert {route.path for route in routes if isinstance(route, Mount)} == {"/_next", "/vendor"}  # scripts and pictures
    assert rooms - {"", "{path:path}"} == set(reads.PATHS) == set(guard.DATA)


class _Routes(DagsterWebserver):
    """As much of a web application as its list of routes needs."""

    def __init__(self) -> None:
        self._app_path_prefix = ""


def test_the_tables_name_actions() -> None:
    named = {read.action for table in (reads.QUERIES, reads.SUBSCRIPTIONS, reads.FIELDS) for read in table.values()}
    named |= {mutation.action for mutation in MUTATIONS.values()} | {action for action, _ in reads.FLAGS.values()}
    named |= {path.action for path in reads.PATHS.values() if path.action}
    assert named - {START} <= set(ACTIONS)


def test_a_dagster_without_a_field_that_has_a_rule_does_not_start() -> None:
    schema = create_schema().graphql_schema
    del schema.type_map["Run"].fields["runConfigYaml"]  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match=r"has no Run\.runConfigYaml"):
        guard_schema(schema)
