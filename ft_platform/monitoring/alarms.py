"""Alarms that may be looked at every day.

Stated: over all measures together, the probability of a false alarm within `DAYS` days of a start or a reset is at
most `rate`, whatever the distribution and the size of the reference; so the mean time to one is `DAYS / (2 * rate)`
days, 900 with the defaults, or more. The rate is divided among measures (Bonferroni): an average of their evidence
would need one common filtration, which exact scores of different measures do not have (Choe and Ramdas, Combining
evidence across filtrations using adjusters, 2024).

Assumed: without a change, requests of a stratum are drawn independently, as the reference was. So weekdays and
weekends that differ are two strata; copies within a day are left out first (`measures.first_of_each`); and a test
split as reference is right only if it was drawn as traffic is. Not covered: days that differ among themselves more
than requests do for another reason.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ft_platform.errors import DataError
from ft_platform.monitoring.draws import normal_scores
from ft_platform.monitoring.evidence import Evidence, after
from ft_platform.monitoring.measures import Column, Measure, day_counts, fit_rows, measure_of

DAYS = 90
"""The rate of false alarms is for so many days."""
RATE = 0.05
LEAST_REQUESTS = 30
"""With fewer, days are taken together until they have as many; nothing is said before."""

Counts = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Watched:
    """One measure and what is known of it.

    Attributes:
        measure: its bins.
        reference: requests in each bin, by stratum, as at the start.
        pool: the same with the days looked at since.
        waiting: the same of days that are not looked at yet.
        evidence: since the start or the last reset.
        alarm: day of the alarm; stays until `acknowledged`.
    """

    measure: Measure
    reference: Counts
    pool: Counts
    waiting: Counts
    evidence: Evidence = field(default_factory=Evidence)
    alarm: str | None = None


@dataclass(frozen=True)
class State:
    """What is kept from day to day.

    Attributes:
        watched: by name of the measure.
        shares: the number of parts the rate is divided into; at least one for each measure.
        rate: of false alarms in `DAYS` days, in (0, 1).
        date: of the last day taken in, ISO; empty at the start.
    """

    watched: dict[str, Watched]
    shares: int
    rate: float = RATE
    date: str = ""

    @property
    def alarms(self) -> dict[str, str]:
        """Measure -> day of its alarm."""
        return {name: one.alarm for name, one in self.watched.items() if one.alarm}

    def levels(self) -> dict[str, float]:
        """Measure -> how far it is from an alarm: 1 and more is one."""
        return {name: level(one.evidence, self.rate, self.shares) for name, one in self.watched.items()}


def level(evidence: Evidence, rate: float, shares: int) -> float:
    """Evidence as a share of what an alarm takes, from 0 on a logarithmic scale; 1 and more is an alarm."""
    limit = math.log(DAYS * shares / (rate / 2))
    day = -math.log(max(evidence.smallest, 1e-300))
    return max(0.0, day / limit, evidence.log_sum() / limit)


def started(
    columns: Mapping[str, Column],
    strata: Sequence[str] | None = None,
    rate: float = RATE,
    reserved: int = 0,
) -> State:
    """The state before the first day.

    Args:
        columns: name -> one value for each request of the reference: numbers; or names, true and false; None if there
            is none. A column without any value is not watched.
        strata: of each request, as `weekend`; default: all are one.
        rate: of false alarms in `DAYS` days.
        reserved: measures that `renewed` brings later.

    Raises:
        DataError: no column has values, lengths differ, or the reference is too small.
    """
    columns = {name: column for name, column in columns.items() if any(v is not None and v == v for v in column)}
    if not columns:
        raise DataError("the reference has no values to watch", "Take a reference with answered requests")
    rows = len(next(iter(columns.values())))
    if rows < LEAST_REQUESTS:
        problem = f"the reference has {rows} requests, {LEAST_REQUESTS} are needed"
        raise DataError(problem, "Wait for more traffic, or take a test split")
    fit = fit_rows(rows)
    measures = [measure_of(name, _rows(column, fit)) for name, column in columns.items()]
    names = np.array(["all"] * rows if strata is None else list(strata))
    watched = {one.name: Watched(one, {}, {}, {}) for one in measures}
    for stratum in np.unique(names):
        counts = day_counts(measures, {n: _rows(c, ~fit & (names == stratum)) for n, c in columns.items()})
        for name, one in watched.items():
            pool = {**one.pool, str(stratum): _plain(counts[name])}
            watched[name] = replace(one, reference=pool, pool=pool)
    return State(watched, len(watched) + reserved, rate)


def day_passed(state: State, date: str, counts: Mapping[str, np.ndarray], stratum: str = "all") -> State:
    """The state after a day. The same state, day and counts give the same result, to the bit.

    Args:
        date: ISO, later than the day before.
        counts: of `measures.day_counts`, the whole day; a measure without counts keeps what it has.
        stratum: of the day. The first requests of a new one only become its reference.

    Raises:
        DataError: the date is not later than the last one, or counts have other bins.
    """
    if date <= state.date:
        raise DataError(
            f"{state.date} was taken in before {date}", "Add up all requests of a day, and take in each day once"
        )
    watched = dict(state.watched)
    for name, found in counts.items():
        if name not in watched:
            raise DataError(f"{name} is not watched; watched are: {', '.join(watched)}", "Start with this column")
        watched[name] = _passed(watched[name], name, date, np.asarray(found), stratum)
    found = replace(state, watched=watched, date=date)
    for name, reached in found.levels().items():
        if reached >= 1 and not watched[name].alarm:
            watched[name] = replace(watched[name], alarm=date)
    return found


def _passed(one: Watched, name: str, date: str, counts: np.ndarray, stratum: str) -> Watched:
    if one.alarm:
        return one  # nothing to find until somebody looked, and the days since do not belong to the reference
    if counts.shape != (one.measure.bins,):
        raise DataError(f"{name} has {one.measure.bins} bins, the day's counts {counts.size}", "Count with its measure")
    day = counts + np.asarray(one.waiting.get(stratum, np.zeros_like(counts)))
    if day.sum() < LEAST_REQUESTS:
        return replace(one, waiting={**one.waiting, stratum: _plain(day)})
    before = np.asarray(one.pool.get(stratum, np.zeros_like(counts)))
    waiting = {other: found for other, found in one.waiting.items() if other != stratum}
    passed = replace(one, pool={**one.pool, stratum: _plain(before + day)}, waiting=waiting)
    if not before.sum():
        return passed
    seed = hashlib.sha256(json.dumps([name, date, stratum]).encode()).digest()
    scores = normal_scores(before, day, np.random.default_rng(list(seed)))
    trend = None if one.measure.bounds is None else _trend(before + day, int(day.sum()))
    return replace(passed, evidence=after(one.evidence, scores, trend))


def _trend(together: np.ndarray, drawn: int) -> np.ndarray:
    """Weights of the scores in a log-rank statistic: the deviation of each count (Mantel, 1966); requests without a
    number, the first bin, have none."""
    rest = np.cumsum(together[::-1])[::-1][:-1]
    share = together[:-1] / np.maximum(rest, 1)
    weights = np.sqrt(drawn * rest / together.sum() * share * (1 - share))
    weights[0] = 0.0
    return weights


def acknowledged(state: State, measure: str) -> State:
    """The state after somebody looked at an alarm: evidence starts again, beside the reference of the start.

    If the change is there to stay, start again with a newer reference instead: this one would raise the alarm again.

    Raises:
        DataError: the measure has no alarm.
    """
    if measure not in state.alarms:
        raise DataError(f"{measure} has no alarm to acknowledge", f"Alarms: {', '.join(state.alarms) or 'none'}")
    one = state.watched[measure]
    fresh = Watched(one.measure, one.reference, one.reference, {})
    return replace(state, watched={**state.watched, measure: fresh})


def renewed(state: State, measure: Measure, reference: np.ndarray) -> State:
    """The state with a measure chosen anew, as one that was learned from earlier days. Its evidence starts again; an
    alarm stays. The rate holds: the bound adds up over days, whichever measure each has.

    Args:
        reference: requests of the reference in each bin, none of which chose the measure.

    Raises:
        DataError: `started` reserved no share for it.
    """
    if measure.name not in state.watched and len(state.watched) >= state.shares:
        raise DataError(f"no share of the rate is left for {measure.name}", "Start with `reserved`")
    if measure.name in state.alarms:
        return state
    pool: Counts = {"all": _plain(reference)}
    return replace(state, watched={**state.watched, measure.name: Watched(measure, pool, pool, {})})


def to_json(state: State) -> str:
    return json.dumps(asdict(state), sort_keys=True, separators=(",", ":"))


def from_json(text: str) -> State:
    """The state that `to_json` wrote."""
    found: dict[str, Any] = json.loads(text)
    return State(**{**found, "watched": {name: _watched(one) for name, one in found["watched"].items()}})


def _watched(found: dict[str, Any]) -> Watched:
    measure, evidence = found["measure"], found["evidence"]
    bounds = measure["bounds"]
    measure = Measure(measure["name"], tuple(measure["values"]), None if bounds is None else tuple(bounds))
    evidence["log_sums"] = tuple(evidence["log_sums"])
    evidence["directions"] = tuple(tuple(one) for one in evidence["directions"])
    counts = {
        name: {stratum: tuple(c) for stratum, c in found[name].items()} for name in ("reference", "pool", "waiting")
    }
    return Watched(measure, **counts, evidence=Evidence(**evidence), alarm=found["alarm"])


def _plain(counts: np.ndarray) -> tuple[int, ...]:
    return tuple(int(count) for count in counts)


def _rows(column: Column, chosen: np.ndarray) -> Column:
    return column[chosen] if isinstance(column, np.ndarray) else [column[i] for i in np.flatnonzero(chosen).tolist()]
