"""Everything in the lake that is evidence about one checkpoint, found over the parents that manifests name, not by a
list of reports."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ft_platform.errors import CorruptVersion, DataError
from ft_platform.lake.manifest import Manifest, Verdict
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.provenance import NotTraced, find_checkpoint
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.stages import STAGES

CHECKPOINT = "adapter_checkpoint"
MOST_NAMED = 20
Key = tuple[str, str]
"""Name and content hash: a stage that ran again and came to the same rows has a newer version of the same content."""


@dataclass(frozen=True)
class Found:
    """One version that is part of the evidence.

    Attributes:
        role: `checkpoint`, `report` (about it or about what it was made from), or `ancestor`.
    """

    version: Version
    manifest: Manifest
    verdicts: dict[str, Verdict]
    role: str

    @property
    def zone(self) -> str:
        return self.version.zone if isinstance(self.version, TableVersion) else "shared"


@dataclass(frozen=True)
class Evidence:
    """The checkpoint, all it was made from, every report about either, and what is not there.

    Attributes:
        versions: in the order the data flows; several of one stage newest first.
        missing: `{"what", "why"}` of everything that was expected and is not there.
        not_made: on-demand stages that nobody started for this checkpoint.
    """

    checkpoint: ArtifactVersion
    versions: list[Found]
    missing: list[dict[str, str]] = field(default_factory=list)
    not_made: list[str] = field(default_factory=list)

    def of(self, stage: str) -> Found | None:
        """The newest version of a stage, or None."""
        return next((found for found in self.versions if found.version.name == stage), None)


def find_known(lake: Lake, use_cases: Iterable[str], wanted: str) -> ArtifactVersion:
    """The checkpoint with this id, or the only one whose id begins so, of whichever use case.

    Raises:
        DataError: there is none (the known ones are listed), or there are several.
    """
    found: list[ArtifactVersion] = []
    known: list[str] = []
    for name in use_cases:
        known += [f"{one.artifact_id} ({name})" for one in lake.artifacts(name, CHECKPOINT)]
        try:
            found.append(find_checkpoint(lake, name, wanted))
        except NotTraced:
            continue
    if len(found) > 1:
        problem = f"{len(found)} use cases have a checkpoint {wanted!r}: {', '.join(one.use_case for one in found)}"
        raise DataError(problem, "Name the use case before it")
    if not found:
        more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
        remedy = f"There are {', '.join(known[:MOST_NAMED]) + more if known else 'none yet; run: ft run <use_case>'}"
        raise DataError(f"there is no checkpoint {wanted!r}", remedy)
    return found[0]


def gather(lake: Lake, checkpoint: ArtifactVersion) -> Evidence:
    """The evidence about a checkpoint.

    Raises:
        VersionRefused: a version behind it has no manifest, or bytes of a report or of any signed file are not what was
            written.
    """
    if altered := Snapshot.of(lake).control_problems(checkpoint.use_case):
        raise CorruptVersion("; ".join(altered), f"See: ft seals verify {checkpoint.use_case}")
    versions: dict[str, Found] = {}
    _add(lake, versions, checkpoint, "checkpoint")
    for report in _reports(lake, checkpoint, _behind(lake, checkpoint)):
        versions.pop(report.id, None)  # where a report before it has brought it as an ancestor only
        _add(lake, versions, report, "report")
    ordered = _ordered(versions.values())
    made = {found.version.name for found in ordered}
    reports = [stage for stage in STAGES.values() if stage.kind == "report"]
    return Evidence(
        checkpoint,
        ordered,
        _missing(ordered),
        [stage.name for stage in reports if stage.on_demand and stage.name not in made],
    )


def _behind(lake: Lake, version: Version) -> set[Key]:
    """A version and all it was made from; not a checkpoint that it was continued from, for reports about that one say
    nothing about it."""
    found = {_key(version)}
    for parent in lake.manifest(version).parents:
        if parent.name != version.name:
            found |= _behind(lake, version_of_parent(lake, version.use_case, parent))
    return found


def _reports(lake: Lake, checkpoint: ArtifactVersion, behind: set[Key]) -> list[ArtifactVersion]:
    """What was made from the checkpoint, and what was made from nothing but the versions behind it.

    Args:
        behind: the checkpoint and the versions that it was made from.
    """
    published = _published(lake, checkpoint.use_case)
    about, have = {_key(checkpoint)}, set(behind)
    found: dict[str, ArtifactVersion] = {}
    before = -1
    while len(found) > before:
        before = len(found)
        for artifact, manifest in published:
            parents = {(parent.name, parent.content_hash) for parent in manifest.parents}
            if artifact.id in found or not parents or not (parents & about or parents <= have):
                continue
            found[artifact.id] = artifact
            have.add(_key(artifact))
            about |= {_key(artifact)} if parents & about else set()
    return list(found.values())


def _published(lake: Lake, use_case: str) -> list[tuple[ArtifactVersion, Manifest]]:
    """Every published folder of a use case that is no checkpoint, whatever stage made it."""
    folder = lake.path_of("shared", use_case).rstrip("/")
    names = sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in lake.fs.ls(folder, detail=False))
    found = [
        artifact
        for name in names
        if not name.startswith(".") and name != CHECKPOINT
        for artifact in lake.artifacts(use_case, name)
    ]
    return [(artifact, lake.manifest(artifact)) for artifact in found]


def _add(lake: Lake, versions: dict[str, Found], version: Version, role: str) -> None:
    """Adds a version and all it was made from; of a table also the newest version of the same rows, which later
    verdicts are about."""
    queue: list[tuple[Version, str]] = [(version, role)]
    while queue:
        current, role = queue.pop(0)
        if current.id in versions:
            continue
        manifest = lake.manifest(current)
        if isinstance(current, ArtifactVersion):
            lake.verify_artifact(current, manifest)
        versions[current.id] = Found(current, manifest, lake.verdicts(current), role)
        queue += [(version_of_parent(lake, current.use_case, parent), "ancestor") for parent in manifest.parents]
        newest = lake.latest(current.use_case, current.name) if isinstance(current, TableVersion) else None
        if newest and newest.content_hash == current.content_hash:
            queue.append((newest, role))


def _key(version: Version) -> Key:
    return version.name, version.content_hash


def _ordered(found: Iterable[Found]) -> list[Found]:
    """In the order the data flows, pages beside the stages last; of one stage the newest first."""
    places = {name: place for place, name in enumerate(STAGES)}
    newest_first = sorted(found, key=lambda one: (one.manifest.written_at, one.version.id), reverse=True)
    return sorted(newest_first, key=lambda one: (places.get(one.version.name, len(places)), one.version.name))


def _missing(found: list[Found]) -> list[dict[str, str]]:
    """Reports that every run makes and checks that every version needs, as far as they are not there."""
    made = {one.version.name for one in found}
    missing = [
        {
            "what": stage.name,
            "why": "no report of this stage names this checkpoint, or what it was made from, as its parent",
        }
        for stage in STAGES.values()
        if stage.kind == "report" and not stage.on_demand and stage.name not in made
    ]
    judged = {(one.version.name, one.version.content_hash, check) for one in found for check in one.verdicts}
    for one in {_key(found.version): found for found in found}.values():
        stage = STAGES.get(one.version.name)
        for check in stage.checks if stage else ():
            if (*_key(one.version), check) not in judged:
                missing.append({"what": f"{check} of {one.version.id}", "why": "the check has left no verdict"})
    return missing
