"""Versions of tables that were replaced long ago, and which of them are evidence.

Covered: tables of the stages, with what was removed and quarantined beside them. A version is evidence while one of
these rests on it: the newest version of anything, a release that stands, the newest deployment of a target, a signature
or rejection of a decision that was not taken back, a training on its way. Not covered: other tables, which keep all
versions."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow.parquet as pq

from ft_platform.erasure.artifacts import CHECKPOINTS
from ft_platform.erasure.rewriting import parquet_files
from ft_platform.erasure.tables import Table, files_of, tables_of, versions_of
from ft_platform.errors import VersionRefused
from ft_platform.lake.deployments import deployments
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.lake.training_states import unfinished_trainings
from ft_platform.lake.versions import TableVersion, Version
from ft_platform.people.statements import statements
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase

KEPT_NEWEST = "the newest version of its table, or what that was made from"
TABLES = [stage.name for stage in STAGES.values() if stage.kind in ("table", "quarantine")]
SIGNATURE = "signature"
"""The kind of statement that signs a decision or rejects it (`release.signatures`)."""
VERSION = "_version"
"""How a manifest names the version of a table that was written beside it."""


@dataclass
class Old:
    """Versions beyond their period.

    Attributes:
        gone: `{"version", "rows", "why"}` of those whose rows are deleted.
        kept: `{"version", "why"}` of those that are evidence.
        files: key of a table -> names of files that lose all rows; `rows` in these files.
        checkpoints: that were trained on one of `gone`; nobody could tell any more who withdrew of whom they learned.
    """

    gone: list[dict[str, Any]] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    files: dict[str, list[str]] = field(default_factory=dict)
    rows: int = 0
    checkpoints: list[str] = field(default_factory=list)


def old_versions(lake: Lake, use_case: NamedUseCase, day: date) -> Old:
    """Finds them. Changes nothing."""
    found, days = Old(), use_case.settings.retention.versions_days
    if days is None:
        return found
    evidence = evidence_of(lake, use_case)
    gone: set[tuple[str, str]] = set()
    for table in tables_of(lake, use_case.name):
        if table.name.removesuffix("_removed") in TABLES:
            gone |= _of_table(lake, table, day, days, evidence, found)
    if gone:
        found.checkpoints = [
            one.artifact_id
            for name in CHECKPOINTS
            for one in lake.artifacts(use_case.name, name)
            if not gone.isdisjoint((behind.name, behind.id) for behind in behind_of(lake, one))
        ]
    return found


def _of_table(
    lake: Lake, table: Table, day: date, days: int, evidence: dict[tuple[str, str], str], found: Old
) -> set[tuple[str, str]]:
    versions = list(versions_of(lake, table))
    files = {version: set(files_of(lake, version, manifest)) for version, manifest in versions}
    replaced = [date.fromisoformat(manifest.written_at[:10]) for _, manifest in versions[:-1]]
    old = [one for (one, _), on in zip(versions[1:], replaced, strict=True) if (day - on).days >= days]
    gone = [one for one in old if (one.name, one.id) not in evidence]
    needed = set().union(*(files[one] for one, _ in versions if one not in gone)) if versions else set()
    left = _rows_of(lake, table, set().union(*(files[one] for one in gone)) - needed if gone else set())
    found.kept += [{"version": one.id, "why": evidence[one.name, one.id]} for one in old if one not in gone]
    emptied = [one for one in gone if any(left.get(name) for name in files[one])]
    for one in emptied:
        on = replaced[versions.index(next(pair for pair in versions if pair[0] == one)) - 1]
        rows = sum(left.get(name, 0) for name in files[one])
        found.gone.append({"version": one.id, "rows": rows, "why": f"replaced on {on}"})
    if names := sorted(name for name, rows in left.items() if rows):
        found.files[table.key] = names
        found.rows += sum(left.values())
    return {(one.name, one.id) for one in emptied}


def _rows_of(lake: Lake, table: Table, names: set[str]) -> dict[str, int]:
    """File -> its rows."""
    found = {}
    for path in parquet_files(lake, table.folder(lake)) if names else []:
        if (name := path.rsplit("/", 1)[-1]) in names:
            with lake.fs.open(path, "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
                found[name] = file.metadata.num_rows
    return found


def evidence_of(lake: Lake, use_case: NamedUseCase) -> dict[tuple[str, str], str]:
    """Name and id of each version of a table that something rests on -> what."""
    found: dict[tuple[str, str], str] = {}
    for root, why in _roots(lake, use_case):
        for version in (root, *behind_of(lake, root)):
            if isinstance(version, TableVersion):
                found.setdefault((version.name, version.id), why)
                found |= {one: why for one in _beside(lake, version) if one not in found}
    return found


def _roots(lake: Lake, use_case: NamedUseCase) -> Iterator[tuple[Version, str]]:
    """What must stay provable, the strongest reason first."""
    name = use_case.name
    for release in standing_releases(lake, name):
        yield release.version, release.id
    for target in use_case.settings.serving.targets:
        for deployment in deployments(lake, name, target)[:1]:
            yield deployment.version, deployment.version.id
    for stated in statements(lake, use_case, SIGNATURE):
        if stated.taken_back is None:
            yield stated.version, stated.said["id"]
    for training in unfinished_trainings(lake, name):
        for version, _ in versions_of(lake, Table("shared", name, "splits")):
            if training.splits_content_hash in (None, version.content_hash):
                yield version, f"the training of {training.checkpoint_id}"
    for table in tables_of(lake, name):
        for version, _ in list(versions_of(lake, table))[:1]:
            yield version, KEPT_NEWEST
    for stage in STAGES.values():
        if stage.kind in ("checkpoint", "report"):
            for artifact in lake.artifacts(name, stage.name)[:1]:
                yield artifact, artifact.id


def _beside(lake: Lake, version: TableVersion) -> Iterable[tuple[str, str]]:
    """Tables that the stage wrote together with this version."""
    with suppress(VersionRefused):
        for name, number in lake.manifest(version).info.items():
            if name.endswith(VERSION) and isinstance(number, int):
                table = name.removesuffix(VERSION)
                table = f"{version.name}_removed" if table == "removed" else table
                yield table, f"{table}@{number}"


def behind_of(lake: Lake, version: Version) -> list[Version]:
    """All that a version was made from, each once. What has no manifest any more ends there."""
    seen: dict[tuple[str, str], Version] = {}
    queue: list[Version] = [version]
    while queue:
        current = queue.pop()
        with suppress(VersionRefused):
            for parent in lake.manifest(current).parents:
                known = parent.version is None or parent.name in STAGES
                if known and (parent.name, parent.id) not in seen:
                    behind = version_of_parent(lake, current.use_case, parent)
                    seen[parent.name, parent.id] = behind
                    queue.append(behind)
    return list(seen.values())
