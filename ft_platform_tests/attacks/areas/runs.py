"""Configurations of runs: variables of the server in them, over the web and in what is stored; limits that a run sets
for itself.

An attack broke through if a configuration with a variable was taken, or if what the file refuses was accepted."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import dagster as dg
import yaml

from ft_platform.errors import ConfigError
from ft_platform.redaction import instance as redaction
from ft_platform.redaction.edge import Edge
from ft_platform.redaction.withheld import Withheld
from ft_platform.use_case import file
from ft_platform.use_case.named import NamedUseCase
from ft_platform.web.roles import run_configuration
from ft_platform_tests.attacks.area import Area, Attack

VARIABLES = ("FT_SIGNING_KEY", "FT_PSEUDONYM_KEY", "AWS_SECRET_ACCESS_KEY", "FT_OPENID_CLIENT_SECRET", "PATH", "x")
PARTS = ("ops", "resources", "loggers", "execution", "inputs")
STRICT = {"sensitive_features": ["region", "age"], "max_gap": 0.01}


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    edge = Edge(Withheld(folder / "dagster"))
    for number in range(size):
        config = _config(random)
        yield f"{number}: a request with {json.dumps(config)}", _asked(config)
        yield f"{number}: a request with YAML {json.dumps(config)}", _asked(yaml.safe_dump(config))
        yield f"{number}: a run with {json.dumps(config)}", _stored(edge, config)
    for number in range(min(size, 2)):
        limit = round(random.uniform(0.2, 0.3), 3)
        yield f"{number}: a run whose own fairness.max_gap is {limit}", _decided(folder / f"own {number}", limit)


def _config(random: Random) -> dict[str, Any]:
    """A configuration with a variable somewhere in it."""
    made: Any = {"env": random.choice(VARIABLES)}
    for _ in range(random.randrange(1, 6)):
        made = random.choice([{f"part{random.randrange(99)}": made, "rows": 3}, {"config": made}, [1, made]])
    return {random.choice(PARTS): made}


def _asked(config: Any) -> Attack:
    from dagster_graphql.schema import create_schema
    from graphql import GraphQLError

    def attack() -> str | None:
        schema = create_schema().graphql_schema
        run_configuration.refuse_variables(schema)
        try:
            schema.type_map["RunConfigData"].parse_value(config)  # type: ignore[union-attr]
        except GraphQLError:
            return None
        return "it was taken"

    return attack


def _stored(edge: Edge, config: Any) -> Attack:
    def attack() -> str | None:
        try:
            redaction._run(edge, dg.DagsterRun("complaints", run_config=config))
        except ConfigError:
            return None
        return "it would be stored"

    return attack


def _decided(folder: Path, limit: float) -> Attack:
    from ft_platform_tests.release.test_own_settings import Case

    def attack() -> str | None:
        case = Case(folder, {"fairness": STRICT})
        found = case.read(case.made_with(**{"fairness.max_gap": limit}).decided())
        return "it was accepted" if found["decision"] == "accepted" else None

    return attack


def _runs_decide_by_their_own_settings() -> AbstractContextManager[Any]:
    stack = ExitStack()
    stack.enter_context(mock.patch.object(file, "as_filed", lambda use_case, _: use_case))
    stack.enter_context(mock.patch.object(NamedUseCase, "own_settings", ""))
    return stack


AREA = Area(
    name="runs",
    cases=cases,
    defences={
        "variables_in_requests": lambda: mock.patch.object(run_configuration, "names_variable", return_value=False),
        "variables_in_runs": lambda: mock.patch.object(redaction, "_may_stand", return_value=True),
        "settings_of_one_run": _runs_decide_by_their_own_settings,
    },
)
