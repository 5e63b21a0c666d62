"""Whether a figure of the evidence keeps a limit with its whole interval, and how it is told."""

import math
from collections.abc import Sequence
from typing import Any

from ft_platform.release.evidence import NotProven
from ft_platform.release.schema import Figure

MOST_MORE = 100
"""Times as many records as there are: no advice beyond that."""
SHARES = ("accuracy", "exact_match")
"""Metrics that are a share of the test records, so that an exact interval is known."""


def named(found: Any, name: str, where: str) -> Any:
    """The entry of that name.

    Raises:
        NotProven: there is none in `where`.
    """
    if name not in found:
        raise NotProven(f"{where} has no {name}")
    return found[name]


def upper_end(found: Figure) -> float:
    """Of a figure that may not be large. Resamples may all lie below the value itself, which counts as well then."""
    return max(found.value, found.high)


def held(found: Figure, limit: float) -> bool:
    """Whether a limit holds for the whole interval: where the interval reaches above it, the records are too few to say
    so."""
    return upper_end(found) <= limit


def reached(found: Figure, least: float) -> bool:
    """Whether the whole interval is at least as high as asked for."""
    return min(found.value, found.low) >= least


def reaches(found: Figure, limit: float) -> str:
    """What is said of a figure that keeps a limit, and its interval does not."""
    return "; its interval reaches above the limit" if found.value <= limit < found.high else ""


def more_records(found: Figure, limit: float, rows: int) -> str:
    """How many test records more would prove a figure that keeps a limit while its interval does not, if the figure
    stays as it is: an interval is as wide as one over the root of the records. Empty: no number would.

    Args:
        rows: test records that there are.
    """
    room = abs(found.value - limit)
    width = found.value - found.low if found.value > limit else found.high - found.value
    more = math.ceil(rows * ((width / room) ** 2 - 1)) if room else 0
    if more <= 0 or more > MOST_MORE * rows:
        return ""
    step = 10 ** max(len(str(more)) - 2, 0)
    return f"about {math.ceil(more / step) * step:,} more test records like these would prove it"


def shown(found: Figure) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def widened(found: Figure, low: float, high: float) -> Figure:
    """A figure whose interval covers another one of the same figure as well."""
    return Figure(value=found.value, low=min(found.low, low), high=max(found.high, high))


def exact_share(successes: int, rows: int, confidence: float) -> tuple[float, float]:
    """Ends of a share (Clopper and Pearson 1934, Biometrika 26). A bootstrap of records that are all right has no
    width."""
    from scipy.stats import binomtest

    ends = binomtest(successes, rows).proportion_ci(confidence_level=confidence, method="exact")
    return float(ends.low), float(ends.high)


def macro_f1_ends(confusion: Sequence[Sequence[int]], confidence: float) -> tuple[float, float]:
    """Ends of macro-F1. Among the records that have a label or were given it, the share `s` of hits is binomial, and
    F1 = 2 s / (1 + s): each label has exact ends. Those of the mean follow by squaring and adding distances (MOVER; Zou
    and Donner 2008, Statistics in Medicine 27), twice each, because every mistake concerns two labels.

    Args:
        confusion: rows: true label, columns: predicted label. Labels without a record are left out, as in the metric.
    """
    values, below, above = [], 0.0, 0.0
    for label, row in enumerate(confusion):
        if not sum(row):
            continue
        hits = row[label]
        concerned = sum(row) + sum(other[label] for other in confusion) - hits
        value, low, high = (2 * s / (1 + s) for s in (hits / concerned, *exact_share(hits, concerned, confidence)))
        values.append(value)
        below, above = below + 2 * (value - low) ** 2, above + 2 * (high - value) ** 2
    mean, rows = sum(values) / len(values), len(values)
    return max(mean - math.sqrt(below) / rows, 0.0), min(mean + math.sqrt(above) / rows, 1.0)


def exact_difference(only_first: int, only_second: int, rows: int, confidence: float) -> tuple[float, float]:
    """Ends of the difference of two shares on the same records: `exact_share` among those that only one of them gets
    right, which is what McNemar's exact test is about."""
    one_alone = only_first + only_second
    if not one_alone:
        most = exact_share(0, rows, confidence)[1]
        return -most, most
    low, high = exact_share(only_first, one_alone, confidence)
    return (2 * low - 1) * one_alone / rows, (2 * high - 1) * one_alone / rows


def exact(value: float) -> Figure:
    """A figure that was counted, not estimated."""
    return Figure(value=value, low=value, high=value)
