"""Configurations of runs that come over the web. None names a variable of the server: what a variable holds would be in
the records and errors of the run, and whether it is there in the answer to a mere check."""

from typing import Any

from dagster_graphql.schema.runs import parse_run_config_input
from graphql import GraphQLError, GraphQLScalarType, GraphQLSchema

from ft_platform.errors import ConfigError

TYPE = "RunConfigData"
REFUSED = "the configuration of a run may not read variables of the server; put the value into the use case's file"


def refuse_variables(schema: GraphQLSchema) -> None:
    """Lets no field take a configuration with `{env: NAME}` in it, as a variable, in the text of a query, or as YAML.

    Raises:
        ConfigError: the schema has no such type.
    """
    kind = schema.type_map.get(TYPE)
    if not isinstance(kind, GraphQLScalarType):
        raise ConfigError([f"this version of Dagster has no {TYPE}"], "Install the versions that ft-platform names")
    value_of, literal_of = kind.parse_value, kind.parse_literal
    kind.parse_value = lambda value: _looked_at(value_of(value))  # type: ignore[method-assign]
    kind.parse_literal = lambda node, variables=None: _looked_at(literal_of(node, variables))  # type: ignore[method-assign]


def _looked_at(config: Any) -> Any:
    if names_variable(parse_run_config_input(config, raise_on_error=False), set()):
        raise GraphQLError(REFUSED)
    return config


def names_variable(config: Any, seen: set[int]) -> bool:
    """Whether `{env: NAME}` is anywhere in a configuration.

    Args:
        seen: what was looked at. YAML may name a part more than once, also within itself.
    """
    if not isinstance(config, dict | list) or id(config) in seen:
        return False
    seen.add(id(config))
    if isinstance(config, dict) and isinstance(config.get("env"), str):
        return True
    return any(names_variable(one, seen) for one in (config.values() if isinstance(config, dict) else config))
