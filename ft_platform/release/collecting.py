"""Collects the evidence about a checkpoint from the lake and says of each piece whether it may be relied on."""

import json
from collections.abc import Mapping
from contextlib import suppress

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.inputs import writes
from ft_platform.evaluation.metric import metric_versions
from ft_platform.lake.gate import newest_of_same_content, problems_with
from ft_platform.lake.manifest import Verdict
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.release.evidence import (
    CHECKPOINT,
    EVALUATION,
    FILES,
    OPTIONAL,
    REQUIRED,
    Evidence,
    Item,
    NotProven,
    missing,
    typed,
)
from ft_platform.release.schema import EvaluationEvidence, SeedEvidence, Shown, Typed
from ft_platform.use_case.named import NamedUseCase


def collect(
    lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion, versions: Mapping[str, ArtifactVersion | None]
) -> Evidence:
    """Evidence about a checkpoint.

    Args:
        versions: stage -> its artifact, for `REQUIRED` and `OPTIONAL`; None or left out: there is none.
    """
    lake = Snapshot.of(lake)
    signatures = tuple(lake.control_problems(use_case.name))
    adopted = 0 if signatures else lake.adopted(use_case.name)
    try:
        problems = tuple(problems_with(lake, use_case, checkpoint))
        behind = _behind(lake, checkpoint)
    except VersionRefused as refusal:
        return Evidence(
            checkpoint,
            (refusal.message,),
            {},
            {},
            {stage: missing(stage) for stage in (*REQUIRED, *OPTIONAL)},
            signatures,
            adopted,
        )
    data = {
        name: newest_of_same_content(lake, version)
        for name, version in behind.items()
        if isinstance(version, TableVersion)
    }
    pinned = pinned_versions(lake, checkpoint, versions.get(EVALUATION))
    items = {stage: _item(lake, use_case, pinned, stage, versions.get(stage)) for stage in (*REQUIRED, *OPTIONAL)}
    return Evidence(
        checkpoint,
        problems,
        data,
        {name: _verdicts(lake, version) for name, version in data.items()},
        items,
        signatures,
        adopted,
        writes(lake, checkpoint),
    )


def _verdicts(lake: Lake, version: Version) -> dict[str, Verdict]:
    return {
        check: verdict
        for check, verdict in lake.verdicts(version, intact_only=True).items()
        if verdict.content_hash == version.content_hash
    }


def pinned_versions(lake: Lake, checkpoint: ArtifactVersion, evaluation: ArtifactVersion | None) -> dict[str, Version]:
    """Stage -> the one version that all evidence must be about: the checkpoint and what it was made from, and its
    evaluation.

    Raises:
        VersionRefused: the lineage of the checkpoint is broken.
    """
    pinned = _behind(lake, checkpoint)
    if evaluation is not None:
        try:
            pinned = {**_behind(lake, evaluation), **pinned}
        except VersionRefused:  # told where the evaluation itself is judged
            pinned = {**pinned, EVALUATION: evaluation}
    return pinned


def _item(
    lake: Lake, use_case: NamedUseCase, pinned: Mapping[str, Version], stage: str, version: ArtifactVersion | None
) -> Item:
    if version is None:
        return missing(stage)
    try:
        own = problems_with(lake, use_case, version)
        problems = [*own, *_of_others(lake, version, pinned)]
        figures = None if own else _read(lake, version)
        if isinstance(figures, EvaluationEvidence | SeedEvidence):
            problems += _evaluated_otherwise(lake, figures, version, pinned[CHECKPOINT])
    except VersionRefused as refusal:
        return Item(stage, version, None, (refusal.message,))
    except NotProven as gap:
        return Item(stage, version, None, (str(gap),))
    return Item(stage, version, figures, tuple(problems))


def _behind(lake: Lake, version: Version) -> dict[str, Version]:
    """Stage -> version of an artifact and of all it was made from."""
    found: dict[str, Version] = {}
    open_versions: list[Version] = [version]
    while open_versions:
        one = open_versions.pop()
        if one.name not in found:
            found[one.name] = one
            open_versions += [version_of_parent(lake, one.use_case, parent) for parent in lake.manifest(one).parents]
    return found


def is_about(lake: Lake, version: ArtifactVersion, pinned: Mapping[str, Version]) -> bool:
    """Whether evidence was made from these versions (`pinned_versions`); not where its lineage is broken."""
    try:
        return not _of_others(lake, version, pinned)
    except VersionRefused:
        return False


def newest_about(lake: Lake, checkpoint: ArtifactVersion, stage: str) -> ArtifactVersion | None:
    """The newest artifact of a stage that was made from a checkpoint, or from what the checkpoint was made from; None:
    there is none. One of another checkpoint is none, however new it is."""
    lake = Snapshot.of(lake)
    pinned = pinned_versions(lake, checkpoint, None)
    for one in lake.artifacts(checkpoint.use_case, stage):
        with suppress(VersionRefused):  # its lineage is broken, so nobody can tell what it is about
            behind = _behind(lake, one)
            same = [name for name, version in behind.items() if name in pinned and version != one]
            if same and all(behind[name].content_hash == pinned[name].content_hash for name in same):
                return one
    return None


def _of_others(lake: Lake, version: ArtifactVersion, pinned: Mapping[str, Version]) -> list[str]:
    """Evidence that was made from another checkpoint, from other data than the checkpoint was, or from another
    evaluation."""
    return [
        f"{version.id} was made from {one.id}, the checkpoint's is {pinned[name].id}"
        for name, one in _behind(lake, version).items()
        if name in pinned and one.content_hash != pinned[name].content_hash
    ]


def _evaluated_otherwise(
    lake: Lake, figures: EvaluationEvidence | SeedEvidence, version: ArtifactVersion, checkpoint: Version
) -> list[str]:
    """An evaluation whose prompts or metrics are not those of today."""
    problems = []
    assert isinstance(checkpoint, ArtifactVersion)
    trained_with = json.loads(lake.read_file(checkpoint, "training.json")).get("renderer_hash")
    if figures.renderer_hash != trained_with:
        problems.append(f"{version.id} was made with a different prompt template from the checkpoint's")
    changed = sorted(name for name, digest in metric_versions().items() if figures.metric_versions.get(name) != digest)
    if changed:
        problems.append(f"{version.id} was made with a different version of the metrics {', '.join(changed)}")
    return problems


def _read(lake: Lake, version: ArtifactVersion) -> Typed:
    if version.name not in FILES:
        return Shown()
    name = FILES[version.name][0]
    if name not in lake.manifest(version).files:
        raise NotProven(f"{version.id} has no file {name}")
    return typed(version.name, version.id, lake.read_file(version, name))
