"""What the graphs of a code location share, whether `ft_platform.definitions` loads them or, in a project that uses the
component, Dagster itself."""

import os
from pathlib import Path
from typing import Any

import dagster as dg

from ft_platform.assets.version_io import VersionIOManager
from ft_platform.environment import Environment, load_environment
from ft_platform.errors import ConfigError
from ft_platform.lake import Lake, open_lake
from ft_platform.process.hooks import install_hooks
from ft_platform.redaction.console import console_logger
from ft_platform.redaction.settings_file import instance_problems
from ft_platform.redaction.withheld import Withheld
from ft_platform.stages import STAGES


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


def resources(environment: Environment) -> dict[str, Any]:
    """Resource -> what stages ask for under that name."""

    @dg.resource(description="Versioned tables, checkpoints and reports.")
    def lake(_context: Any) -> Lake:
        return open_lake(environment)

    return {"lake": lake, "environment": environment, "versions": VersionIOManager()}


_SHARED: dict[str, dg.Definitions] = {}


def by_itself(definitions: dg.Definitions, environment: Environment) -> dg.Definitions:
    """The graph of one use case with all that it needs, for Dagster's own loader. It merges graphs only where what has
    one name is one object: for each environment these are made once."""
    logger = console_logger(Withheld(environment.dagster_home))
    shared = _SHARED.setdefault(
        environment.model_dump_json(),
        dg.Definitions(resources=resources(environment), loggers={"console": logger}),
    )
    return dg.Definitions.merge(shared, with_places(definitions, environment))


def with_places(definitions: dg.Definitions, environment: Environment) -> dg.Definitions:
    """The same definitions; each stage also says where its versions lie. Dagster shows that in the overview of an
    asset."""
    root = environment.lake_uri if "://" in environment.lake_uri else str(Path(environment.lake_uri).absolute())

    def placed(spec: dg.AssetSpec) -> dg.AssetSpec:
        use_case, name = spec.key.path[0], spec.key.path[-1]
        if name not in STAGES:
            return spec
        stage = STAGES[name]
        folder = [name] if stage.kind in ("checkpoint", "report") else ["tables", name]
        return spec.merge_attributes(
            metadata={"dagster/uri": "/".join([root.rstrip("/"), stage.zone, use_case, *folder])}
        )

    # `Definitions.map_asset_specs` would do the same. It is in preview, and every start of the UI then warns of it
    # twice a process.
    return dg.Definitions(
        assets=[
            (
                asset.map_asset_specs(placed)
                if isinstance(asset, dg.AssetsDefinition)
                else placed(asset)
                if isinstance(asset, dg.AssetSpec)
                else asset
            )
            for asset in definitions.assets or []
        ],
        asset_checks=definitions.asset_checks,
        schedules=definitions.schedules,
        sensors=definitions.sensors,
        jobs=definitions.jobs,
        resources=definitions.resources,
        executor=definitions.executor,
        loggers=definitions.loggers,
    )
