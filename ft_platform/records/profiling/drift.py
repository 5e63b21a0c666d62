"""What changed between two profiles: the population stability index of every distribution.

PSI and its thresholds: Siddiqi, "Credit Risk Scorecards", 2006: below 0.1 stable, from 0.25 on a large shift. Where
nothing changed, PSI is not 0 but distributed as (1/n + 1/m) times chi-square with one degree of freedom less than bins
(Yurdakul and Naranjo, "Statistical properties of the population stability index", Journal of Risk Model Validation
14(4), 2020). A PSI that chance alone reaches once in 100 comparisons is no shift.
Not covered: records of one person are counted as independent, which makes chance look smaller than it is; a shift
inside a text that changes neither its length nor its language.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ft_platform.records.profiling.lengths import Lengths
from ft_platform.records.profiling.profile import Profile

MODERATE, LARGE = 0.1, 0.25
NORMAL_99 = 2.3263
"""99 % quantile of the standard normal distribution."""

LENGTH_BINS = 10
LEAST_SHARE = 0.01
"""Values that fewer of the rows before have are one bin: PSI of rare values is noise."""

OTHERS = "\x00others"
Level = Literal["stable", "moderate", "large", "too_few_rows"]


@dataclass(frozen=True)
class Drift:
    """How far one distribution moved.

    Attributes:
        what: e.g. `label`, `user_words`, `missing label`.
        psi: population stability index, from 0.
        by_chance: the PSI that two samples of these sizes exceed once in 100 times although nothing changed.
        level: `too_few_rows` where PSI is above 0.1 and still could be chance.
        before, after: of lengths the means, of missing values the shares; else None.
        new, gone: values that only one of the two has.
    """

    what: str
    psi: float
    by_chance: float
    level: Level
    before: float | None = None
    after: float | None = None
    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def drift(before: Profile, after: Profile) -> list[Drift]:
    """Every distribution that both profiles have, the largest shift first."""
    found = []
    for name in after.lengths.keys() & before.lengths.keys():
        old, new = before.lengths[name], after.lengths[name]
        found.append(_compared(name, *_in_tenths(old, new), before=old.mean, after=new.mean))
    for name in after.values.keys() & before.values.keys():
        old, new = before.values[name], after.values[name]
        found.append(
            _compared(
                name, old, new, new=tuple(sorted(new.keys() - old.keys())), gone=tuple(sorted(old.keys() - new.keys()))
            )
        )
    if before.language_rows and after.language_rows:
        found.append(_compared("language", before.languages, after.languages))
    for name in after.missing.keys() & before.missing.keys():
        old, new = ({"missing": p.missing[name], "there": p.rows - p.missing[name]} for p in (before, after))
        shares = {
            "before": before.missing[name] / max(before.rows, 1),
            "after": after.missing[name] / max(after.rows, 1),
        }
        found.append(_compared(f"missing {name}", old, new, **shares))
    return sorted(found, key=lambda d: (-d.psi, d.what))


def psi(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[float, int]:
    """Population stability index of two counts of the same values, and how many bins it was taken over.

    Half a row is added to each bin, so that an empty one does not make it infinite.
    """
    bins = sorted({name for counts in (before, after) for name, count in counts.items() if count})
    old_rows, new_rows = (sum(counts.get(name, 0) + 0.5 for name in bins) for counts in (before, after))
    total = 0.0
    for name in bins:
        old, new = (before.get(name, 0) + 0.5) / old_rows, (after.get(name, 0) + 0.5) / new_rows
        total += (new - old) * math.log(new / old)
    return total, len(bins)


def chance(rows_before: int, rows_after: int, bins: int) -> float:
    """The PSI that chance alone exceeds once in 100 times. Quantile of chi-square by Wilson and Hilferty, 1931."""
    freedom = bins - 1
    if freedom < 1 or not rows_before or not rows_after:
        return 0.0
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + NORMAL_99 * math.sqrt(spread)) ** 3 * (1 / rows_before + 1 / rows_after)


def level_of(value: float, by_chance: float) -> Level:
    if value < MODERATE:
        return "stable"
    if value < by_chance:
        return "too_few_rows"
    return "large" if value >= LARGE else "moderate"


def _compared(what: str, first: Mapping[str, int], second: Mapping[str, int], **shown: Any) -> Drift:
    """Drift of counts of the same values. `shown`: fields of `Drift` that only tell more about it."""
    rows_before, rows_after = sum(first.values()), sum(second.values())
    if not rows_before or not rows_after:
        return Drift(what, 0.0, 0.0, "stable", **shown)
    common = {name for name, count in first.items() if count >= LEAST_SHARE * rows_before}
    value, bins = psi(_grouped(first, common), _grouped(second, common))
    by_chance = chance(rows_before, rows_after, bins)
    return Drift(what, value, by_chance, level_of(value, by_chance), **shown)


def _grouped(counts: Mapping[str, int], common: set[str]) -> dict[str, int]:
    rest = sum(count for name, count in counts.items() if name not in common)
    return {**{name: counts.get(name, 0) for name in common}, **({OTHERS: rest} if rest else {})}


def _in_tenths(before: Lengths, after: Lengths) -> tuple[dict[str, int], dict[str, int]]:
    """Rows of both in bins that each hold about a tenth of the rows before."""
    bounds, seen = [], 0
    for edge in sorted(before.histogram):
        if seen >= (len(bounds) + 1) * before.rows / LENGTH_BINS:
            bounds.append(edge)
        seen += before.histogram[edge]
    return _binned(before, bounds), _binned(after, bounds)


def _binned(lengths: Lengths, bounds: list[int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for edge, count in lengths.histogram.items():
        name = str(sum(edge >= bound for bound in bounds))
        counts[name] = counts.get(name, 0) + count
    return counts
