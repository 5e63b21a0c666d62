"""Where the versions of a stage lie, where its code stands and which page tells of it. Dagster shows this beside an
asset, the code as links that open the file in an editor."""

import inspect
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg

from ft_platform.assets.decorators import with_metadata
from ft_platform.reporting.report_urls import home_url
from ft_platform.stages import STAGES
from ft_platform.use_case.settings.environment import Environment


def with_places(definitions: dg.Definitions, environment: Environment, settings: Path) -> dg.Definitions:
    """The same definitions; each asset also says where its versions lie, and which lines made it.

    Args:
        settings: the use case's file.
    """
    # `Definitions.map_asset_specs` would do the same. It is in preview, and every start of the UI then warns of it
    # twice a process.
    return dg.Definitions(
        assets=[_placed(asset, environment, settings) for asset in definitions.assets or []],
        asset_checks=definitions.asset_checks,
        schedules=definitions.schedules,
        sensors=definitions.sensors,
        jobs=definitions.jobs,
        resources=definitions.resources,
        executor=definitions.executor,
        loggers=definitions.loggers,
    )


def _placed(asset: Any, environment: Environment, settings: Path) -> Any:
    if isinstance(asset, dg.AssetSpec):
        return asset.merge_attributes(metadata={**_versions(asset, environment), **_code([], settings)})
    if not isinstance(asset, dg.AssetsDefinition):
        return asset
    code = _code(_lines(asset), settings)
    return with_metadata(asset, lambda spec: {**_versions(spec, environment), **code})


def _versions(spec: dg.AssetSpec, environment: Environment) -> dict[str, Any]:
    use_case, name = spec.key.path[0], spec.key.path[1]
    home = {"home": dg.MetadataValue.url(home_url(environment, use_case, in_dagster=True))}
    if name not in STAGES:
        return home
    stage = STAGES[name]
    folder = [name] if stage.kind in ("checkpoint", "report") else ["tables", name]
    return {**home, "dagster/uri": "/".join([_root(environment.lake_uri), stage.zone, use_case, *folder])}


@lru_cache(maxsize=8)
def _root(lake: str) -> str:
    return (lake if "://" in lake else str(Path(lake).absolute())).rstrip("/")


def _lines(asset: dg.AssetsDefinition) -> list[tuple[Path, int]]:
    """File and line of the function that makes an asset; none for one that is no function."""
    made_by = getattr(getattr(asset.node_def, "compute_fn", None), "decorated_fn", None)
    if made_by is None:
        return []
    function = inspect.unwrap(made_by)
    return [(Path(function.__code__.co_filename), function.__code__.co_firstlineno)]


def _code(lines: list[tuple[Path, int]], settings: Path) -> dict[str, Any]:
    references = [*(_reference("code", *place) for place in lines), _reference("settings", settings, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=dg.BetaWarning)
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}


@lru_cache(maxsize=256)  # of each stage, and of the use case that is being placed
def _reference(label: str, file: Path, line: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=dg.BetaWarning)
        return dg.LocalFileCodeReference(file_path=str(file.absolute()), line_number=line, label=label)
