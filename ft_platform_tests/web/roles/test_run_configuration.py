"""No configuration that comes over the web reads a variable of the server, by whatever field it comes."""

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("dagster_webserver")
from dagster_graphql.schema import create_schema
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    get_named_type,
)

from ft_platform_tests.web.roles.world import HERE, REPOSITORY, World, world

VARIABLE, SECRET = "FT_CANARY_OF_THE_SERVER", "canary-7912"
WORDS = "may not read variables of the server"
ASKING = [
    {"ops": {f"{HERE}__release": {"config": {"reason": {"env": VARIABLE}}}}},
    {"resources": {"settings": {"config": {"training": {"max_steps": {"env": VARIABLE}}}}}},
    {"loggers": {"console": {"config": {"log_level": {"env": VARIABLE}}}}},
    {"execution": {"config": [{"deep": [{"env": VARIABLE}]}]}},
    f"ops: {{a: {{config: {{reason: {{env: {VARIABLE}}}}}}}}}",
    f"ops:\n  a: &reason\n    env: {VARIABLE}\n  b: *reason\n",
    f'{{"ops": {{"a": {{"env": "{VARIABLE}"}}}}}}',
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, SECRET)
        with world(tmp_path_factory.mktemp("world")) as found:
            yield found


def value_of(kind: Any, config: Any) -> Any:
    """Some value of an input type, with the configuration wherever it has a place for one."""
    if isinstance(kind, GraphQLNonNull):
        return value_of(kind.of_type, config)
    if isinstance(kind, GraphQLList):
        return [value_of(kind.of_type, config)]
    if isinstance(kind, GraphQLInputObjectType):
        return {
            name: value_of(field.type, config)
            for name, field in kind.fields.items()
            if isinstance(field.type, GraphQLNonNull) or takes_configuration(field.type)
        }
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    return {"RunConfigData": config, "Boolean": True, "Int": 1, "Float": 1.0}.get(kind.name, "complaints")


def takes_configuration(kind: Any, above: tuple[str, ...] = ()) -> bool:
    named = get_named_type(kind)
    if named.name in above:
        return False
    inner = named.fields.values() if isinstance(named, GraphQLInputObjectType) else ()
    return named.name == "RunConfigData" or any(takes_configuration(one.type, (*above, named.name)) for one in inner)


def requests(schema: GraphQLSchema, config: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, text and variables of a request by each field that takes a configuration, from the installed Dagster."""
    for word, root in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        for name, field in root.fields.items() if root else ():
            if any(takes_configuration(one.type) for one in field.args.values()):
                needed = {
                    key: one
                    for key, one in field.args.items()
                    if isinstance(one.type, GraphQLNonNull) or takes_configuration(one.type)
                }
                declared = ", ".join(f"${key}: {one.type}" for key, one in needed.items())
                given = ", ".join(f"{key}: ${key}" for key in needed)
                text = f"{word}({declared}) {{{name}({given}) {{__typename}}}}"
                yield name, text, {key: value_of(one.type, config) for key, one in needed.items()}


@pytest.mark.parametrize("config", ASKING, ids=str)
def test_no_field_takes_a_configuration_that_names_a_variable(made: World, config: Any) -> None:
    before, asked = made.state(), list(requests(create_schema().graphql_schema, config))
    assert {"launchRun", "launchMultipleRuns", "launchPartitionBackfill", "executionPlanOrError"} <= {
        name for name, _, _ in asked
    }
    for name, text, variables in asked:
        status, answer = made.ask("administrator", text, **variables)
        assert status == 400 and WORDS in str(answer), name
        assert SECRET not in str(answer), name
    assert made.state() == before


def test_a_configuration_within_the_text_of_a_query_is_looked_at_too(made: World) -> None:
    selector = ", ".join(f'{name}: "{value}"' for name, value in {**REPOSITORY, "pipelineName": HERE}.items())
    for config in (
        f'{{ops: {{a: {{config: {{reason: {{env: "{VARIABLE}"}}}}}}}}}}',
        f'"ops: {{a: {{env: {VARIABLE}}}}}"',
    ):
        given = f'pipeline: {{{selector}}}, mode: "default", runConfigData: {config}'
        query = f"{{executionPlanOrError({given}) {{__typename}}}}"
        status, answer = made.ask("administrator", query)
        assert status == 400 and WORDS in str(answer)


@pytest.mark.parametrize(
    "config", [{}, "", "{}", {"ops": {"a": {"config": {"env": 3, "environment": "x"}}}}, "not: [yaml"]
)
def test_any_other_configuration_reaches_dagster(made: World, config: Any) -> None:
    query = (
        "query($pipeline: PipelineSelector!, $config: RunConfigData) {isPipelineConfigValid(pipeline: $pipeline, mode:"
        ' "default", runConfigData: $config) {__typename}}'
    )
    status, answer = made.ask("administrator", query, pipeline={**REPOSITORY, "pipelineName": HERE}, config=config)
    assert status == 200 and answer["data"]["isPipelineConfigValid"]["__typename"], answer
