"""Jobs of a use case, found among its own assets.

Dagster looks for the assets of each job among all of an installation: with 200 use cases, a thousand jobs and 9,200
assets and checks took 20 CPU seconds before the first page of the UI (`benchmarks/scale.py`)."""

from collections import defaultdict
from functools import lru_cache
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._record import as_dict_for_new

from ft_platform.use_case.named import NamedUseCase


def asset_job(use_case: NamedUseCase, name: str, **arguments: Any) -> UnresolvedAssetJobDefinition:
    """As `dg.define_asset_job`, of assets and checks of one use case."""
    made = _Job(**as_dict_for_new(dg.define_asset_job(name, **arguments)))
    vars(made)["use_case"] = use_case.name
    return made


class _Job(UnresolvedAssetJobDefinition):
    def resolve(self, asset_graph: AssetGraph, *given: Any, **named: Any) -> dg.JobDefinition:
        use_case = vars(self).get("use_case")
        return super().resolve(_part(asset_graph, use_case) if use_case else asset_graph, *given, **named)


@lru_cache(maxsize=4)  # the jobs of a use case are asked for one after the other
def _part(graph: AssetGraph, use_case: str) -> AssetGraph:
    """What lies below a use case or in one of its groups, and what that reads."""
    by_use_case, by_group = _places(graph)
    own = set(by_use_case[use_case])
    groups = {spec.group_name or "" for made in own for spec in made.specs}
    own |= {made for group in groups if group.startswith(use_case) for made in by_group[group]}
    keys = {key for made in own for key in (*made.keys, *made.node_keys_by_input_name.values(), *made.dependency_keys)}
    checks = {check: made for made in own for check in made.check_keys}
    return AssetGraph({key: graph.get(key) for key in keys if graph.has(key)}, checks)


@lru_cache(maxsize=1)
def _places(graph: AssetGraph) -> tuple[dict[str, list[dg.AssetsDefinition]], dict[str, list[dg.AssetsDefinition]]]:
    """What stands below each use case and in each group."""
    by_use_case, by_group = defaultdict(list), defaultdict(list)
    for made in graph.assets_defs:
        for name in {key.path[0] for key in made.keys} | {check.asset_key.path[0] for check in made.check_keys}:
            by_use_case[name].append(made)
        for group in {spec.group_name or "" for spec in made.specs}:
            by_group[group].append(made)
    return by_use_case, by_group
