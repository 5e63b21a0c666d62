"""Which use cases, and which of their assets, a request to Dagster is about: from its arguments, and from what these
name. Only keys of assets say so, and where there is none the name of a sensor: tags of a run are whatever somebody
typed."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import dagster as dg
from dagster._core.definitions.partitions.definition import DynamicPartitionsDefinition, MultiPartitionsDefinition
from dagster._core.definitions.selector import RepositorySelector
from dagster._core.remote_representation.external import RemoteRepository, RemoteSchedule, RemoteSensor
from dagster._core.remote_representation.handle import CompoundID
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.workspace.context import BaseWorkspaceRequestContext as Context
from dagster_graphql.implementation.utils import pipeline_selector_from_graphql

from ft_platform.stages import way_back

Instigator = RemoteSchedule | RemoteSensor


class Concern(NamedTuple):
    """An asset of a use case.

    Attributes:
        use_case: None: of none that can be told, so that only who may in all of them may here.
        asset: without its use case. None: no single one.
    """

    use_case: str | None
    asset: str | None = None


UNKNOWN = Concern(None)
WAY_BACK = "the way back"
"""In place of an asset: that a run gives an earlier release the traffic."""
Concerns = set[Concern]


def of_assets(keys: Iterable[dg.AssetKey]) -> Concerns:
    """Of the assets with these keys, which begin with the use case."""
    return {Concern(key.path[0], "/".join(key.path[1:])) if len(key.path) > 1 else UNKNOWN for key in keys} or {UNKNOWN}


def of_inputs(keys: Iterable[Mapping[str, Any]]) -> Concerns:
    """Of keys in the arguments of GraphQL."""
    return of_assets(dg.AssetKey.from_graphql_input(key) for key in keys)  # type: ignore[arg-type]


def repositories(context: Context) -> Iterator[RemoteRepository]:
    for location in context.code_locations:
        yield from location.get_repositories().values()


def of_job(context: Context, name: str | None, location: str | None = None, repository: str | None = None) -> Concerns:
    """Of everything that a job makes or checks.

    Args:
        location, repository: where it is defined. None: wherever there is a job of that name.
    """
    keys: set[dg.AssetKey] = set()
    for found in repositories(context) if name else ():
        if location in (None, found.handle.location_name) and repository in (None, found.name):
            keys.update(found.get_asset_keys_in_job(str(name)))
            keys.update(snap.asset_key for snap in found.get_asset_check_node_snaps(name))
    return _with_way_back(of_assets(keys), name)


def _with_way_back(found: Concerns, job: str | None) -> Concerns:
    """With the way back, where the job of a run is one: also of a run of only a part of it."""
    return found | {Concern(one.use_case, WAY_BACK) for one in found if one.use_case and job == way_back(one.use_case)}


def of_params(context: Context, params: Mapping[str, Any]) -> Concerns:
    """Of a run that is asked for: of the assets and checks that it selects, and of all of its job where it selects
    none. A part of a job's steps counts as the whole job; a run that it repeats counts too."""
    selector = pipeline_selector_from_graphql(params["selector"])
    selected = {*(selector.asset_selection or ()), *(one.asset_key for one in selector.asset_check_selection or ())}
    asked = (
        _with_way_back(of_assets(selected), selector.job_name)
        if selected and not selector.op_selection
        else of_job(context, selector.job_name, selector.location_name, selector.repository_name)
    )
    parent = (params.get("executionMetadata") or {}).get("parentRunId")
    return asked | (of_run_id(context, parent) if parent else set())


def of_run(context: Context, run: DagsterRun) -> Concerns:
    if selected := {*(run.asset_selection or ()), *(one.asset_key for one in run.asset_check_selection or ())}:
        return _with_way_back(of_assets(selected), run.job_name)
    origin = run.remote_job_origin
    if origin is None:  # of a command, which runs the graph in its own process
        return of_job(context, run.job_name)
    return of_job(context, run.job_name, origin.location_name, origin.repository_origin.repository_name)


def of_run_id(context: Context, run_id: str) -> Concerns:
    run = context.instance.get_run_by_id(run_id)
    return of_run(context, run) if run else {UNKNOWN}


def of_run_ids(context: Context, run_ids: Iterable[str]) -> Concerns:
    return {concern for run_id in run_ids for concern in of_run_id(context, run_id)} or {UNKNOWN}


def of_log_key(context: Context, key: list[str]) -> Concerns:
    """Of the run that wrote a log. Keys of another form, such as one that climbs out of the folder of a run, are of
    none."""
    is_of_a_run = len(key) == 3 and key[1] == "compute_logs" and not any("/" in part or part == ".." for part in key)
    return of_run_id(context, key[0]) if is_of_a_run else {UNKNOWN}


def of_partition_set(context: Context, selector: Any, name: str) -> Concerns:
    jobs = [found.job_name for found in context.get_partition_sets(selector) if found.name == name]
    found = [of_job(context, job, selector.location_name, selector.repository_name) for job in jobs]
    return set().union(*found) or {UNKNOWN}


def of_backfill_params(context: Context, params: Mapping[str, Any]) -> Concerns:
    """Of a backfill that is asked for: of its job, and of the assets that it selects."""
    keys = [*(params.get("assetSelection") or ())]
    keys += [one["assetKey"] for one in params.get("partitionsByAssets") or () if one]
    found = of_inputs(keys) if keys else set()
    if asked := params.get("selector"):
        selector = RepositorySelector.from_graphql_input(asked["repositorySelector"])
        found |= of_partition_set(context, selector, asked["partitionSetName"])
    return found or {UNKNOWN}


def of_backfill(context: Context, backfill: Any) -> Concerns:
    found = of_assets(backfill.asset_selection) if backfill.asset_selection else set()
    if origin := backfill.partition_set_origin:
        found |= of_partition_set(context, origin.repository_origin.get_selector(), origin.partition_set_name)
    return found or {UNKNOWN}


def of_backfill_id(context: Context, backfill_id: str) -> Concerns:
    backfill = context.instance.get_backfill(backfill_id)
    return of_backfill(context, backfill) if backfill else {UNKNOWN}


def of_instigator(context: Context, found: Instigator | None, use_cases: Iterable[str]) -> Concerns:
    """Of a schedule or sensor: of what its jobs make and of the assets that it watches. One without either is of the
    use case that its name begins with."""
    if found is None:
        return {UNKNOWN}
    handle = found.handle.repository_handle
    if isinstance(found, RemoteSensor) and found.asset_selection:
        return of_assets(found.asset_selection.resolve(context.get_repository(handle.to_selector()).asset_graph))
    jobs = [found.job_name] if isinstance(found, RemoteSchedule) else [one.job_name for one in found.get_targets()]
    if jobs:
        return set().union(*(of_job(context, job, handle.location_name, handle.repository_name) for job in jobs))
    named = [name for name in use_cases if found.name == name or found.name.startswith(f"{name}_")]
    return {Concern(max(named, key=len))} if named else {UNKNOWN}


def of_instigator_ids(context: Context, ids: Iterable[str | None], kind: type, use_cases: Iterable[str]) -> Concerns:
    """Of the schedules or sensors that have these ids: one of where it is defined, one of its name. Dagster looks for
    the definition by the first and stops by the second, so both count."""
    known: dict[str, Instigator] = {}
    for repository in repositories(context):
        for found in repository.get_schedules() if kind is RemoteSchedule else repository.get_sensors():
            known |= {found.get_remote_origin_id(): found, found.selector_id: found}
    named = list(use_cases)
    return set().union(*(of_instigator(context, known.get(one or ""), named) for one in ids)) or {UNKNOWN}


def ids_in(whole: str | None, origin: str | None, selector: str | None) -> tuple[str | None, str | None]:
    """The two ids of a schedule or sensor, read as Dagster reads them."""
    if (given := whole or origin) and CompoundID.is_valid_string(given):
        both = CompoundID.from_string(given)
        return both.remote_origin_id, both.selector_id
    return origin, selector


def of_dynamic_partitions(context: Context, name: str) -> Concerns:
    """Of all assets with the partitions of that name. They are kept by name alone, so code locations share them."""
    nodes = context.asset_graph.asset_nodes
    return of_assets(node.key for node in nodes if name in _dynamic_names(node.partitions_def))


def _dynamic_names(partitions: dg.PartitionsDefinition | None) -> Iterator[str | None]:
    if isinstance(partitions, DynamicPartitionsDefinition):
        yield partitions.name
    elif isinstance(partitions, MultiPartitionsDefinition):
        for dimension in partitions.partitions_defs:
            yield from _dynamic_names(dimension.partitions_def)
