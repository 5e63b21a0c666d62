"""From which probability on a label is relied on.

`auto` is chosen on the test records of the evaluation behind the release, from its selective accuracy: the lake has
probabilities of no other records that the model did not learn from. What is best on the records that it is chosen on
looks better than it is. So a threshold is taken only if the lower bound of its accuracy is at least what is wanted,
with one error of 5 % for all thresholds that are looked at (bounds: Clopper and Pearson, 1934; correction: Bonferroni):
the chance that the chosen one has less is 5 % at most, although the same records choose and prove.

Covered: requests like the test records. Not covered: other requests, and later times."""

from collections.abc import Mapping, Sequence
from typing import Any

NAME = "abstained"
ALWAYS = 2.0
"""A probability that no label has: the model always abstains."""
ERROR = 0.05


def threshold_for(selective: Sequence[Mapping[str, Any]], accuracy: float) -> float:
    """The lowest probability from which on labels are proven to have an accuracy; `ALWAYS` if none is.

    Args:
        selective: of `evaluation.calibration`.
        accuracy: wanted, in (0, 1).
    """
    from scipy.stats import beta

    def lower_bound(one: Mapping[str, Any]) -> float:
        rows = one["rows"]
        hits = round(one["accuracy"]["value"] * rows)
        return float(beta.ppf(ERROR / len(selective), hits, rows - hits + 1)) if hits else 0.0

    return min((one["threshold"] for one in selective if lower_bound(one) >= accuracy), default=ALWAYS)
