"""What the graphs of a code location share, whether `ft_platform.definitions` loads them or, in a project that uses the
component, Dagster itself."""

import os
from typing import Any

import dagster as dg

from ft_platform.assets.order import Order, order_resource
from ft_platform.assets.version_io import VersionIOManager
from ft_platform.errors import ConfigError
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.orchestration import run_settings
from ft_platform.orchestration.audit_log import audit_log_watch
from ft_platform.orchestration.catalog_watch import catalog_watch
from ft_platform.orchestration.lineage_watch import lineage_watch
from ft_platform.orchestration.places import with_places
from ft_platform.process.hooks import install_hooks
from ft_platform.redaction.console import console_logger
from ft_platform.redaction.settings_file import instance_problems
from ft_platform.redaction.withheld import Withheld
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def prepared_environment() -> Environment:
    """The environment of a process that loads graphs, made ready for it.

    Raises:
        ConfigError: the Dagster instance would store texts of records.
    """
    install_hooks()
    prepare_variables()
    environment = load_environment()
    if os.environ.get("DAGSTER_HOME") and (problems := instance_problems(environment.dagster_home)):
        raise ConfigError(problems)
    return environment


def prepare_variables() -> None:
    """Settings that must be there before heavy libraries are imported, in every process that loads the graph."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def resources(environment: Environment, use_cases: list[NamedUseCase], order: Order | None = None) -> dict[str, Any]:
    """Resource -> what stages ask for under that name.

    Args:
        use_cases: those that the stages read their settings from; it may grow until a run starts.
        order: what a command asks of its one run.
    """

    # Every stage needs the lake, so the settings of a run are there before any stage begins.
    @dg.resource(description="Versioned tables, checkpoints and reports.", required_resource_keys={run_settings.NAME})
    def lake(_context: Any) -> Lake:
        return open_lake(environment)

    settings = run_settings.settings_resource(environment, use_cases)
    return {
        "lake": lake,
        "environment": environment,
        "versions": VersionIOManager(),
        "order": order_resource(order or Order()),
        run_settings.NAME: settings,
    }


_SHARED: dict[str, tuple[dg.Definitions, list[NamedUseCase]]] = {}


def by_itself(definitions: dg.Definitions, use_case: NamedUseCase, environment: Environment) -> dg.Definitions:
    """The graph of one use case with all that it needs, for Dagster's own loader. It merges graphs only where what has
    one name is one object: for each environment these are made once."""
    of = environment.model_dump_json()
    if of not in _SHARED:
        use_cases: list[NamedUseCase] = []
        logger = console_logger(Withheld(environment.dagster_home))
        _SHARED[of] = (
            dg.Definitions(
                resources=resources(environment, use_cases),
                loggers={"console": logger},
                sensors=[*lineage_watch(environment), *audit_log_watch(environment), *catalog_watch(environment)],
            ),
            use_cases,
        )
    shared, loaded = _SHARED[of]
    loaded[:] = [one for one in loaded if one.name != use_case.name] + [use_case]
    assert use_case.path
    return dg.Definitions.merge(shared, with_places(definitions, environment, use_case.path))
