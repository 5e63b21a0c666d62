"""Answers that only tell of definitions, kept until the code location is loaded again: the list of all assets, which
each page of the UI opens with. With 200 use cases it has 8 MB, and costs 2 CPU seconds to make (`benchmarks/scale.py`).

Covered: who asks gets what was made for somebody else only if every ruling that it rests on is the same for them now.
Not covered: queries with a field that `DEFINED` does not list; they are answered anew each time."""

import gzip
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

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
}
"""Fields that follow from the definitions of the code location and from who asks; none of them reads the database."""
AT_LEAST = 50_000
"""Bytes of an answer that is kept."""
MOST = 16
"""Answers: of a query, as many as there are groups of persons who may do the same."""


@dataclass(frozen=True)
class About:
    """A query about what is loaded now."""

    query: str
    variables: str
    operation: str | None
    locations: tuple[tuple[str, str, float], ...]
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
        if not _only_defined(query):
            return None
        entries = context.get_current_workspace().code_location_entries
        if any(entry.load_status != CodeLocationLoadStatus.LOADED for entry in entries.values()):
            return None
        locations = tuple((name, entry.version_key, entry.update_timestamp) for name, entry in sorted(entries.items()))
        said = json.dumps(variables, sort_keys=True)
        return About(query, said, operation, locations, context.read_only, context.judge.rules.signs_in)

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


@lru_cache(maxsize=64)
def _only_defined(query: str) -> bool:
    try:
        names = _Names()
        visit(parse(query, no_location=True), names)
    except (GraphQLError, RecursionError):
        return False
    return names.found <= DEFINED


class _Names(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.found.add(node.name.value)
