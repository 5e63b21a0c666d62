"""Collects the evidence about a checkpoint from the lake and says of each piece whether it may be relied on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from ft_platform.errors import VersionRefused
from ft_platform.evaluation.metric import metric_versions
from ft_platform.lake import ArtifactVersion, Lake
from ft_platform.lake.gate import newest_of_same_content, problems_with, version_of_parent
from ft_platform.lake.manifest import Verdict
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.versions import TableVersion, Version
from ft_platform.release.schema import (
    CanaryEvidence,
    EvaluationEvidence,
    FairnessEvidence,
    HumanReviewEvidence,
    JudgeEvidence,
    PrivacyEvidence,
    RegressionEvidence,
    SeedEvidence,
    Shown,
    Typed,
)
from ft_platform.stages import STAGES
from ft_platform.use_case import NamedUseCase

CHECKPOINT, EVALUATION = "adapter_checkpoint", "evaluation_report"
FILES: dict[str, tuple[str, type[Typed]]] = {
    "evaluation_report": ("metrics.json", EvaluationEvidence),
    "fairness_report": ("fairness.json", FairnessEvidence),
    "privacy_report": ("privacy.json", PrivacyEvidence),
    "regression_report": ("regression.json", RegressionEvidence),
    "roi_report": ("roi.json", Shown),
    "data_report": ("data.json", Shown),
    "canary_audit": ("canaries.json", CanaryEvidence),
    "human_review": ("review.json", HumanReviewEvidence),
    "judge_report": ("judge.json", JudgeEvidence),
    "seed_variation": ("seeds.json", SeedEvidence),
}
"""Evidence -> its file and what that must hold."""

REQUIRED = tuple(name for name in STAGES["release_decision"].parents if name != CHECKPOINT)
"""Evidence that every decision needs."""
OPTIONAL = ("canary_audit", "human_review", "judge_report", "seed_variation")
"""Evidence that is looked for where a rule asks for it."""

EVIDENCE = TypeVar("EVIDENCE", bound=Typed)


class NotProven(Exception):
    """A rule cannot be judged; the sentence says why. It is refused."""


@dataclass(frozen=True)
class Item:
    """One piece of evidence.

    Attributes:
        problems: every reason why it may not be relied on, as sentences. None: it may.
        figures: what its file says; None where nobody can read it.
    """

    stage: str
    version: ArtifactVersion | None
    figures: Typed | None
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """All evidence about one checkpoint.

    Attributes:
        data: stage -> table that the checkpoint was made from; empty where its lineage is broken.
        verdicts: stage -> check -> verdict on that table's content.
        items: stage -> evidence.
        problems: what is wrong with the checkpoint itself.
        signatures: what is wrong with any manifest, verdict, waiver or decision of the use case.
        adopted: how many of them were signed after they were written.
    """

    checkpoint: ArtifactVersion
    problems: tuple[str, ...]
    data: Mapping[str, Version]
    verdicts: Mapping[str, Mapping[str, Verdict]]
    items: Mapping[str, Item]
    signatures: tuple[str, ...]
    adopted: int = 0

    def of(self, stage: str, kind: type[EVIDENCE]) -> EVIDENCE:
        """What a report says.

        Raises:
            NotProven: it is missing or may not be relied on.
        """
        item = self.items.get(stage) or _missing(stage)
        if item.problems or not isinstance(item.figures, kind):
            raise NotProven("; ".join(item.problems) or f"{stage} cannot be read")
        return item.figures


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
            {stage: _missing(stage) for stage in (*REQUIRED, *OPTIONAL)},
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
    )


def _verdicts(lake: Lake, version: Version) -> dict[str, Verdict]:
    return {
        check: verdict
        for check, verdict in lake.verdicts(version, intact_only=True).items()
        if verdict.content_hash == version.content_hash
    }


def _missing(stage: str) -> Item:
    return Item(stage, None, None, (f"there is no {stage} of this checkpoint",))


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
        return _missing(stage)
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


def typed(stage: str, version_id: str, text: bytes) -> Typed:
    """What a file of evidence says.

    Raises:
        NotProven: a key is missing, or a value is no finite number.
    """
    name, kind = FILES[stage]
    try:
        return kind.model_validate(json.loads(text))
    except ValueError as error:
        raise NotProven(f"{name} of {version_id} is not valid evidence: {_said(error)}") from None


def _said(error: ValueError) -> str:
    """Where and what, without the value found there."""
    if not isinstance(error, ValidationError):
        return "it is not JSON"
    faults: list[Any] = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults[:5])
