"""Answers about all that is defined, kept until the code location is loaded again: the list of all assets, and the one
of all jobs and sensors, which also ends when a sensor is switched or its cursor moves. Each page of the UI opens with
both. With 200 use cases they have 8 and 2 MB, and cost 2 and 0.5 CPU seconds to make (`benchmarks/scale.py`).

Covered: who asks gets what was made for somebody else only if every ruling that it rests on is the same for them now.
Not covered: queries with a field that neither `DEFINED` nor `STATED` lists; they are answered anew each time."""

import gzip
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

from dagster import DagsterInstance
from dagster._core.workspace.workspace import CodeLocationLoadStatus
from graphql import FieldNode, GraphQLError, Visitor, parse, visit
from starlette.responses import Response

from ft_platform.web.roles.context import RoleContext
from ft_platform.web.roles.rules import Judge, Need

DEFINED = {
    *("workspaceLocationEntryOrError", "loadStatus", "updatedTimestamp", "versionKey", "locationOrLoadError"),
    *("repositories", "assetNodes", "assetGroups", "id", "name", "__typename", "message", "stack", "errorChain"),
    *("isExplicitLink", "error", "graphName", "dependencyKeys", "path", "changedReasons", "groupName", "opNames"),
    *("isMaterializable", "isObservable", "isExecutable", "isPartitioned", "isAutoCreatedStub", "hasAssetChecks"),
    *("computeKind", "hasMaterializePermission", "hasWipePermission", "hasReportRunlessAssetEventPermission"),
    *("assetKey", "internalFreshnessPolicy", "failWindowSeconds", "warnWindowSeconds", "deadlineCron", "timezone"),
    *("lowerBoundDeltaSeconds", "partitionDefinition", "dimensionTypes", "type", "dynamicPartitionsDefinitionName"),
    *("automationCondition", "description", "owners", "email", "team", "tags", "key", "value", "storageAddress"),
    *("storageKind", "tableName", "jobNames", "kinds"),
    *("displayMetadata", "featureFlags", "enabled", "definitionsSource", "isReloadSupported", "serverId", "location"),
    *("dagsterLibraryVersions", "version", "pipelines", "isJob", "isAssetJob", "externalJobSource", "label", "mode"),
    *("pipelineSnapshotId", "partitionSets", "pipelineName", "allTopLevelResourceDetails", "resourceType", "jobName"),
    *("parentResources", "assetKeysUsing", "jobsOpsUsing", "opsUsing", "schedulesUsing", "sensorsUsing", "targets"),
    *("cronSchedule", "executionTimezone", "sensorType"),
}
"""Fields that follow from the definitions of the code location and from who asks; none of them reads the database."""
STATED = {
    *("schedules", "sensors", "scheduleState", "sensorState", "selectorId", "status", "hasStartPermission"),
    *("hasStopPermission", "typeSpecificData", "lastCursor"),
}
"""Fields that also follow from what `_states` tells."""
AT_LEAST = 50_000
"""Bytes of an answer that is kept."""
MOST = 16
"""Answers: of a query, as many as there are groups of persons who may do the same."""


@dataclass(frozen=True)
class About:
    """A query about what is loaded now.

    Attributes:
        states: of sensors and schedules, as a hash; empty where they are not asked for.
    """

    query: str
    variables: str
    operation: str | None
    locations: tuple[tuple[str, str, float], ...]
    states: str
    read_only: bool
    signs_in: bool


@dataclass(frozen=True)
class Answer:
    """Attributes:
    rulings: what the answer rests on.
    packed: the answer, by gzip.
    """

    rulings: Mapping[Need, bool]
    packed: bytes


class Answers:
    """Those of one web server."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[About, int], Answer] = OrderedDict()
        self._lock, self._number = Lock(), 0

    def about(
        self, context: RoleContext, query: str, variables: Mapping[str, Any] | None, operation: str | None
    ) -> About | None:
        """What a request asks; None: an answer to it is not kept."""
        fields = _fields(query)
        if not fields or not fields <= DEFINED | STATED:
            return None
        entries = context.get_current_workspace().code_location_entries
        if any(entry.load_status != CodeLocationLoadStatus.LOADED for entry in entries.values()):
            return None
        locations = tuple((name, entry.version_key, entry.update_timestamp) for name, entry in sorted(entries.items()))
        said = json.dumps(variables, sort_keys=True)
        states = _states(context.instance) if fields & STATED else ""
        return About(query, said, operation, locations, states, context.read_only, context.judge.rules.signs_in)

    def kept(self, about: About, judge: Judge) -> bytes | None:
        """The answer, by gzip, if there is one for what this person may do."""
        with self._lock:
            candidates = [(key, answer) for key, answer in self._kept.items() if key[0] == about]
        for key, answer in candidates:
            if all(bool(judge.may([need])) == ruling for need, ruling in answer.rulings.items()):
                with self._lock:
                    if key in self._kept:
                        self._kept.move_to_end(key)
                return answer.packed
        return None

    def keep(self, about: About, judge: Judge, body: bytes) -> None:
        """Keeps an answer that is worth it, as long as others do not push it out."""
        if len(body) < AT_LEAST or (about.signs_in and not judge.rulings):
            return
        answer = Answer({need: bool(ruling) for need, ruling in judge.rulings.items()}, gzip.compress(body, 6))
        with self._lock:
            self._number += 1
            self._kept[about, self._number] = answer
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)


def as_response(packed: bytes, accepted: str) -> Response:
    """The answer as a browser takes it.

    Args:
        accepted: the header `Accept-Encoding`.
    """
    zipped = "gzip" in accepted
    headers = {"Vary": "Accept-Encoding", **({"Content-Encoding": "gzip"} if zipped else {})}
    return Response(packed if zipped else gzip.decompress(packed), media_type="application/json", headers=headers)


def _states(instance: DagsterInstance) -> str:
    """Which sensors and schedules are on, and how far each sensor has read."""
    told = sorted(
        (state.selector_id, state.status.value, str(getattr(state.instigator_data, "cursor", None)))
        for state in instance.all_instigator_state()
    )
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


@lru_cache(maxsize=64)
def _fields(query: str) -> frozenset[str]:
    """Names of all fields of a query; none where it cannot be read."""
    try:
        names = _Names()
        visit(parse(query, no_location=True), names)
    except (GraphQLError, RecursionError):
        return frozenset()
    return frozenset(names.found)


class _Names(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.found.add(node.name.value)
