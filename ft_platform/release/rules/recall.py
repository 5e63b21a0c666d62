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
OF_THIS_SOURCE = ("own_records", "own_sample", "generated_records")
"""What a verdict may rest on (`privacy.annotated.Basis`)."""
GENERATED = "generated_texts"
"""What it may rest on where `why_own_records` has no answer."""
LEAST_TEXTS = 20
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Recall(Typed):
    """Of one entity."""

    recall: Share
    low: Share
    high: Share
    texts: int = Field(ge=0)


class SampleRecall(Typed):
    """Of all kinds together, in records that a person marked one by one; the interval holds whenever one stops."""

    recall: Share
    low: Share
    high: Share
    records: int = Field(ge=0)


class RecallVerdict(Typed):
    """The numbers of the verdict. `persons`: in the records; older verdicts do not say."""

    status: str
    says: str
    basis: Literal["own_records", "own_sample", "generated_records", "generated_texts", "other_texts"]
    entities: dict[str, Recall]
    sample: SampleRecall | None = None
    persons: int | None = Field(default=None, ge=0)


def _rules(use_case: NamedUseCase, champion: str | None) -> Iterator[Rule]:
    least = use_case.settings.privacy.min_recall
    needed = f"at least {least:g} of the personal data found, with the whole interval, in records of this source"
    yield Rule("recall", needed, lambda found: judge_recall(found, use_case))


def why_own_records(use_case: NamedUseCase, persons: int | None) -> str:
    """Why recall has to be measured on records of the source, as a clause; empty: generated texts are enough.

    Args:
        persons: in the records; None: nobody knows.
    """
    least, special = use_case.policy.own_recall_from, use_case.settings.privacy.special_categories
    if special is None:
        return "the file does not say whether texts tell of health, belief and the like (privacy.special_categories)"
    if special:
        return "texts tell of health, belief and the like (privacy.special_categories)"
    if persons is None or persons >= least:
        many = "nobody has counted the persons" if persons is None else f"{persons:,} persons are in the records"
        return f"{many}, and the policy asks for it from {least:,} persons on"
    return ""


def judge_recall(evidence: Evidence, use_case: NamedUseCase) -> Finding:
    """Whether the floor is proven on this source, why, and the figure of all kinds together in records that were marked
    one by one, else of the entity that is found least.

    Raises:
        NotProven: the recall was not measured, or the verdict cannot be read.
    """
    verdict = evidence.verdicts.get(STAGE, {}).get(CHECK)
    if verdict is None:
        raise NotProven(f"check {CHECK} of {STAGE} was not run")
    found, floor = _read(verdict), use_case.settings.privacy.min_recall
    own, why = found.basis in OF_THIS_SOURCE, why_own_records(use_case, found.persons)
    if found.basis == "own_sample":
        worst, enough = found.sample, _is_enough_of_sample(found, floor)
    else:
        worst = min(found.entities.values(), key=lambda one: one.low, default=None)
        enough = bool(found.entities) and all(
            min(one.recall, one.low) >= floor and one.texts >= LEAST_TEXTS for one in found.entities.values()
        )
    figure = Figure(value=worst.recall, low=worst.low, high=worst.high) if worst and own else None
    if own and enough and verdict.passed and found.status == "above_floor":
        return Finding(True, found.says, figure)
    if found.basis == GENERATED and enough and verdict.passed and not why:
        return Finding(True, _generated_in_words(use_case, found))
    needs = f" It has to be, because {why}." if found.basis == GENERATED and why else ""
    remedy = (
        f"Mark some of your records in the portal, about ten minutes (page recall?of={use_case.name}), or in a file (ft"
        f" privacy sample {use_case.name}), or let an owner approve it by name (ft waiver)."
    )
    return Finding(False, f"{found.says}{needs} {remedy}", figure)


def _is_enough_of_sample(found: RecallVerdict, floor: float) -> bool:
    """Together above the floor, and no kind shown to be below it."""
    sample, kinds = found.sample, found.entities.values()
    return (
        sample is not None
        and min(sample.recall, sample.low) >= floor
        and sample.records >= LEAST_TEXTS
        and all(one.high >= floor for one in kinds)
    )


def _generated_in_words(use_case: NamedUseCase, found: RecallVerdict) -> str:
    least = min(one.low for one in found.entities.values())
    return (
        f"Measured on generated texts, not on your records: of each kind at least {least:.3f} is found there. That"
        f" is enough for {found.persons:,} persons, fewer than {use_case.policy.own_recall_from:,}, whose texts tell of"
        " no health, belief and the like, as the file says."
    )


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
