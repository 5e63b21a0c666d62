"""The evidence about a checkpoint, typed, and what is missing of it. `release.collecting` reads it from the lake."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from ft_platform.lake.manifest import Verdict
from ft_platform.lake.versions import ArtifactVersion, Version
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
        writes: whether the checkpoint writes; otherwise it scores labels and nothing else.
        may_lose: how much the checkpoint may lose to the champion; above 0 for a simpler model (`release.simpler`).
    """

    checkpoint: ArtifactVersion
    problems: tuple[str, ...]
    data: Mapping[str, Version]
    verdicts: Mapping[str, Mapping[str, Verdict]]
    items: Mapping[str, Item]
    signatures: tuple[str, ...]
    adopted: int = 0
    writes: bool = True
    may_lose: float = 0.0

    def of(self, stage: str, kind: type[EVIDENCE]) -> EVIDENCE:
        """What a report says.

        Raises:
            NotProven: it is missing or may not be relied on.
        """
        item = self.items.get(stage) or missing(stage)
        if item.problems or not isinstance(item.figures, kind):
            raise NotProven("; ".join(item.problems) or f"{stage} cannot be read")
        return item.figures


def missing(stage: str) -> Item:
    """What stands where nobody made a report."""
    return Item(stage, None, None, (f"there is no {stage} of this checkpoint",))


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
    return "; ".join(": ".join(filter(None, [".".join(map(str, f["loc"])), f["msg"]])) for f in faults[:5])
