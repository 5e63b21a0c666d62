"""From which probability on a label is relied on, and what a model answers then, in words.

`auto` is chosen on the test records of the evaluation behind the release, from its selective accuracy: the lake has
probabilities of no other records that the model did not learn from. What is best on the records that it is chosen on
looks better than it is. So a threshold is taken only if the lower bound of its accuracy is at least what is wanted,
with one error of 5 % for all thresholds that are looked at (bounds: Clopper and Pearson, 1934; correction: Bonferroni):
the chance that the chosen one has less is 5 % at most, although the same records choose and prove.

Covered: requests like the test records. Not covered: other requests, and later times."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ft_platform.evaluation.calibration import LEAST_ROWS
from ft_platform.use_case.settings.guardrails import Guardrails

ALWAYS = 2.0
"""A probability that no label has: the model always abstains."""
SUGGESTION = "The model suggests a label, and a person decides on every request."
"""Of a release that claims no more (`gate.claim`)."""
ERROR = 0.05
ACCURACY = 0.95
"""What `auto` aims at where the use case names no accuracy."""
LEAST_ANSWERED = 0.5
"""Share of requests that a lower accuracy must leave the model to be worth naming."""


@dataclass(frozen=True)
class Abstaining:
    """When a model abstains.

    Attributes:
        below: probability of its label below which it does; 0: never, `ALWAYS`: always.
        answered: share of the test records that it answers; of a probability that somebody chose, at least.
        says: the same in sentences, with the share of requests that it answers and how many of them are right.
    """

    below: float
    answered: float
    says: str


def abstaining(selective: Sequence[Mapping[str, Any]], guardrails: Guardrails) -> Abstaining:
    """When a model abstains. Where nobody asked for an accuracy and none is proven, it answers every request: all of
    its labels are what the gate judged.

    Args:
        selective: of `evaluation.calibration`.
    """
    asked, wanted = guardrails.abstain_below, guardrails.abstain_for_accuracy
    if asked == "none":
        return Abstaining(0.0, 1.0, "The model gives every request a label (abstain_below: none).")
    if asked != "auto":
        says = f"The model leaves a request to a person where its label is less probable than {asked:g}."
        return Abstaining(asked, max((r["coverage"] for r in selective if r["threshold"] >= asked), default=0.0), says)
    accuracy = ACCURACY if wanted is None else wanted
    if row := _lowest(selective, accuracy):
        return Abstaining(row["threshold"], row["coverage"], f"The model {_answers(row)}.")
    unproven = f"no probability is proven to give labels of which {100 * accuracy:g} % are right"
    unproven += _records(selective, accuracy)
    if wanted is not None:
        return Abstaining(ALWAYS, 0.0, f"The model leaves every request to a person: {unproven}.")
    return Abstaining(0.0, 1.0, f"The model gives every request a label: {unproven}.{_offer(selective)}")


def _lower_bound(row: Mapping[str, Any], looked_at: int) -> float:
    from scipy.stats import beta

    rows = row["rows"]
    hits = round(row["accuracy"]["value"] * rows)
    return float(beta.ppf(ERROR / looked_at, hits, rows - hits + 1)) if hits else 0.0


def _lowest(selective: Sequence[Mapping[str, Any]], accuracy: float) -> Mapping[str, Any] | None:
    """The row with the lowest threshold that is proven to have an accuracy."""
    proven = (row for row in selective if _lower_bound(row, len(selective)) >= accuracy)
    return min(proven, key=lambda row: row["threshold"], default=None)


def _answers(row: Mapping[str, Any]) -> str:
    share, right = f"{100 * row['coverage']:.0f} %", f"{100 * row['accuracy']['value']:.0f} %"
    others = "" if row["coverage"] == 1 else " and leaves the others to a person"
    return f"answers {share} of requests like the test records with {right} right{others}"


def _records(selective: Sequence[Mapping[str, Any]], accuracy: float) -> str:
    """The number of test records, and how many it would take if every label was right."""
    if not selective:
        return f" on fewer than {LEAST_ROWS} test records"
    rows = max(row["rows"] for row in selective)
    needed = math.ceil(math.log(ERROR / len(selective)) / math.log(accuracy))
    more = f" (it takes {needed:,} at least)" if rows < needed else ""
    return f" on {rows:,} test records{more}"


def _offer(selective: Sequence[Mapping[str, Any]]) -> str:
    """The highest accuracy that is proven while the model answers most requests."""
    bounds = [_lower_bound(row, len(selective)) for row in selective if row["coverage"] >= LEAST_ANSWERED]
    accuracy = math.floor(100 * max(bounds, default=0.0)) / 100
    row = _lowest(selective, accuracy) if accuracy > LEAST_ANSWERED else None
    if row is None or row["coverage"] == 1:
        return ""
    return f" With abstain_for_accuracy: {accuracy:g}, which is proven, it {_answers(row)}."
