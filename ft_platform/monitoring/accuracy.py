"""Accuracy of a day, without labels and with them, and whether it fell below what the evaluation measured."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import norm

from ft_platform.monitoring.alarms import DAYS
from ft_platform.monitoring.day_reports import Accuracy, Alarm
from ft_platform.monitoring.estimated_accuracy import CANNOT_SEE, Answers, estimated_accuracy
from ft_platform.monitoring.labelled_accuracy import (
    LEAST_JUDGED,
    VOLUNTEERS,
    Judged,
    from_random_share,
    from_volunteers,
)
from ft_platform.monitoring.reference import Reference
from ft_platform.monitoring.served import Served
from ft_platform.monitoring.traffic.feedback import Answer, Settled, settled

CONFIDENCE = 0.95
REASONS = {
    "too_few_requests": "fewer answers than an estimate needs",
    "too_few_tested": "the test split is too small for an estimate",
    "labels_not_tested": "the model gave labels that the test split does not have",
    "unlike_the_test_split": "confidences are unlike those of the test split, so no estimate can be trusted: ask for"
    " feedback",
}
WANTED = 0.05
"""To both sides of the accuracy: with a wider interval it says how many judgements would do."""
DRAWN = "of requests whose texts are kept, drawn by chance among those that allow it"


def estimated(reference: Reference, served: Served) -> Accuracy:
    """Without labels; `note` says what it cannot see, or why there is none."""
    answers = [one for one in served.answers(once=True) if one["decision"] and one["confidence"] is not None]
    if reference.answers is None:
        note = "the evaluation has no labels with confidences to estimate from"
        return Accuracy(of=reference.accuracy, answers=len(answers), note=note)
    predicted = np.array([one["decision"] for one in answers], str)
    confidence = np.array([one["confidence"] for one in answers], float)
    found = estimated_accuracy(reference.answers, Answers(predicted, confidence), CONFIDENCE)
    note = REASONS[found.reason] if found.reason else f"it cannot see {CANNOT_SEE}"
    return Accuracy(
        value=found.value, low=found.low, high=found.high, of=reference.accuracy, answers=len(answers), note=note
    )


def verdicts(served: Served, feedback: Sequence[Mapping[str, Any]]) -> dict[Answer, Settled]:
    """What people said of the answers of a day."""
    ids = {one["request_id"] for one in served.answered}
    return settled(served.answered, [one for one in feedback if one["request_id"] in ids])


def measured(reference: Reference, served: Served, known: Mapping[Answer, Settled]) -> Accuracy:
    """With labels. Answers of requests drawn by chance count by their probability where enough of these were judged,
    whatever the others would say; else all that were judged, with bounds.

    Args:
        known: of `verdicts`.
    """
    right = {answer: one.verdict == "right" for answer, one in known.items() if one.verdict in ("right", "wrong")}
    found, note = from_volunteers(np.array(list(right.values()), float), len(served.answers())), VOLUNTEERS
    kept = [one for one in served.answered if one["captured"]]
    drawn = [((one["request_id"], place), one["share"]) for one in kept for place in range(len(one["answers"]))]
    sample = _drawn(drawn, right) if sum(answer in right for answer, _ in drawn) >= LEAST_JUDGED else None
    if sample and _width(sample) < _width(found):
        missing = len(drawn) - sample.judged
        found, note = sample, DRAWN + (f"; {missing:,} are not judged: it holds whatever they are" if missing else "")
    if found.value is None:
        note = f"{len(right):,} answers were judged; {LEAST_JUDGED} are needed"
    if _width(found) > 2 * WANTED:
        would_do = judgements_for(WANTED, reference.accuracy, len(served.answers()))
        note += (
            f"; {would_do:,} judgements of answers drawn by chance would tell it to within {100 * WANTED:.0f} points"
        )
    return Accuracy(
        value=found.value, low=found.low, high=found.high, of=reference.accuracy, answers=found.judged, note=note
    )


def judgements_for(wanted: float, accuracy: float | None, answers: int) -> int:
    """How many of the answers of a day must be drawn and judged for an interval of at most `wanted` to both sides
    (Cochran, Sampling Techniques, 1977, section 4.4, with the correction for a finite population).

    Args:
        accuracy: what is expected, in [0, 1]; None: nothing is, which takes most.
    """
    expected = 0.5 if accuracy is None else accuracy
    many = (float(norm.isf((1 - CONFIDENCE) / 2)) / wanted) ** 2 * expected * (1 - expected)
    return min(answers, max(LEAST_JUDGED, math.ceil(many / (1 + (many - 1) / max(answers, 1)))))


def _width(found: Judged) -> float:
    return found.high - found.low if found.high is not None and found.low is not None else 1.0


def _drawn(drawn: Sequence[tuple[Answer, float]], right: Mapping[Answer, bool]) -> Judged:
    """From the sample: those that are not judged are all wrong in `low`, and all right in `high`."""
    said = [right.get(answer) for answer, _ in drawn]
    share = np.array([one for _, one in drawn])
    judged = np.array([one is not None for one in said])
    found = from_random_share(np.array([bool(one) for one in said])[judged], share[judged], CONFIDENCE)
    low = from_random_share(np.array([bool(one) for one in said]), share, CONFIDENCE).low
    high = from_random_share(np.array([one is not False for one in said]), share, CONFIDENCE).high
    return Judged(found.value, low, high, found.judged, found.kind)


def fallen(what: str, found: Accuracy, rate: float, day: str, tested: int = 0) -> list[Alarm]:
    """An alarm where accuracy is surely below that of the evaluation. An interval of 95 % is widened to one for every
    day of `DAYS`, as of a normal distribution.

    Args:
        tested: records that the evaluation measured it on; 0: the interval counts them already.
    """
    if found.value is None or found.high is None or found.low is None or found.of is None:
        return []
    z = float(norm.isf(rate / DAYS))
    own = z / norm.isf((1 - CONFIDENCE) / 2) * (found.high - found.value)
    other = z * math.sqrt(found.of * (1 - found.of) / tested) if tested else 0.0
    if found.value + math.hypot(own, other) >= found.of:
        return []
    said = (
        f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%}, {found.answers:,} answers); the evaluation measured"
        f" {found.of:.1%}"
    )
    return [Alarm(what=what, kind="accuracy", since=day, evidence=said)]
