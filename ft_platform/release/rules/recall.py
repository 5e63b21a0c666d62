"""`recall`: every entity of personal data is found at least as often as `privacy.min_recall` asks, with the whole
interval, in records of this source.

It repeats the verdict `recall_above_floor`, which measures. Not proven where that check was not made or its numbers are
no evidence; refused where it rests on other texts or on too few.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from ft_platform.lake.manifest import Verdict
from ft_platform.release.evidence import Evidence, NotProven
from ft_platform.release.rule import Finding, Kind, Rule
from ft_platform.release.schema import Figure, Typed
from ft_platform.use_case.named import NamedUseCase

STAGE, CHECK = "anonymized_records", "recall_above_floor"
OF_THIS_SOURCE = ("own_records", "generated_records")
"""What a verdict may rest on (`privacy.annotated.Basis`)."""
LEAST_TEXTS = 20
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Recall(Typed):
    """Of one entity."""

    recall: Share
    low: Share
    high: Share
    texts: int = Field(ge=0)


class RecallVerdict(Typed):
    """The numbers of the verdict."""

    status: str
    says: str
    basis: Literal["own_records", "generated_records", "other_texts"]
    entities: dict[str, Recall]


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    least = use_case.settings.privacy.min_recall
    needed = f"at least {least:g} of every entity found, with the whole interval, in annotated records of this source"
    yield Rule("recall", needed, lambda found: judge_recall(found, use_case))


def judge_recall(evidence: Evidence, use_case: NamedUseCase) -> Finding:
    """Whether the floor is proven on this source, why, and the figure of the entity that is found least.

    Raises:
        NotProven: the recall was not measured, or the verdict cannot be read.
    """
    verdict = evidence.verdicts.get(STAGE, {}).get(CHECK)
    if verdict is None:
        raise NotProven(f"check {CHECK} of {STAGE} was not run")
    found, floor = _read(verdict), use_case.settings.privacy.min_recall
    own = found.basis in OF_THIS_SOURCE
    worst = min(found.entities.values(), key=lambda one: one.low, default=None)
    figure = Figure(value=worst.recall, low=worst.low, high=worst.high) if worst and own else None
    enough = bool(found.entities) and all(
        min(one.recall, one.low) >= floor and one.texts >= LEAST_TEXTS for one in found.entities.values()
    )
    if own and enough and verdict.passed and found.status == "above_floor":
        return Finding(True, found.says, figure)
    remedy = (
        f"Annotate records of this source (ft privacy sample {use_case.name}) and name the file in privacy.gold, or"
        " let an owner approve it by name (ft waiver)."
    )
    return Finding(False, f"{found.says} {remedy}", figure)


def _read(verdict: Verdict) -> RecallVerdict:
    try:
        return RecallVerdict.model_validate(verdict.numbers)
    except ValidationError as error:
        places = sorted(
            {
                ".".join(str(part) for part in fault["loc"])
                for fault in error.errors(include_url=False, include_input=False)
            }
        )
        raise NotProven(f"the verdict of {CHECK} is not valid evidence: {', '.join(places[:5])}") from None


KIND = Kind(names=("recall",), owner="compliance", order=(40, 0), rules=_rules)
