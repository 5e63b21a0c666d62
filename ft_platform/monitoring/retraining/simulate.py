"""The past under other rules: which retrainings would have started.

A start of the replay that really happened, on the same evidence, has the outcome it had. Of any other one nobody knows
how it would have ended: it counts as decided after the time, and for the
money, that it would have taken, as no loss and as no release. So
accuracy and drift are those of the models that really served. Not replayed: a new base model, because earlier settings
are not in the lake; and of withdrawn records only the newest count of each checkpoint is known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from ft_platform.monitoring.retraining.decide import Decision, decide
from ft_platform.monitoring.retraining.entries import End, Entries, Start
from ft_platform.monitoring.retraining.facts import Cost, History, Judged, Training, facts_of, until
from ft_platform.use_case.settings.retraining import Retraining

STEP = timedelta(hours=1)


@dataclass
class Replayed:
    """One day.

    Attributes:
        started: entries of the journal that would have been written.
        last: decision of its last hour.
        held: reasons that held at any hour.
    """

    day: date
    last: Decision
    started: list[Start] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        starts = self.started
        return {
            "day": self.day.isoformat(),
            "started": [{"id": one.id, "at": one.at.isoformat(), "reasons": sorted(one.reasons)} for one in starts],
            "reasons": self.held,
            "blocked_by": {one.rule: one.why for one in self.last.blocked_by},
        }


def simulate(history: History, settings: Retraining, first: date, last: date) -> list[Replayed]:
    """Every day from the first to the last, decided at each full hour (UTC).

    Args:
        history: since well before the first day.
    """
    replay = _Replay(history, settings, datetime.combine(first, time(), UTC))
    days: list[Replayed] = []
    for at in _hours(first, last):
        decision, start = replay.decided(at)
        if not days or days[-1].day != at.date():
            days.append(Replayed(at.date(), decision))
        days[-1].last = decision
        days[-1].held |= {one.name: one.evidence for one in decision.holding}
        days[-1].started += [start] if start else []
    return days


def _hours(first: date, last: date) -> Iterator[datetime]:
    at = datetime.combine(first, time(), UTC)
    while at.date() <= last:
        yield at
        at += STEP


class _Replay:
    def __init__(self, history: History, settings: Retraining, begin: datetime) -> None:
        entries = history.entries
        self._real = {one.id: one for one in entries.starts if one.at >= begin}
        self._ends = {one.start: one for one in entries.ends}
        self._settings = settings
        runs = {self._ends[one].run for one in self._real if one in self._ends}
        self._costs = [row for row in history.costs if row["dagster_run"] and row["dagster_run"] in runs]
        of_starts = [one for start in self._real.values() for one in self._trainings_of(history.trainings, start)]
        self._history = replace(
            history,
            trainings=[one for one in history.trainings if one not in of_starts],
            costs=[row for row in history.costs if row not in self._costs],
            entries=Entries(
                [one for one in entries.starts if one.id not in self._real],
                [one for one in entries.ends if one.start not in self._real],
                entries.requests,
            ),
        )
        self._all = history.trainings

    def decided(self, at: datetime) -> tuple[Decision, Start | None]:
        seen = until(self._history, at)
        same = seen.trainings[-1].base_model if seen.trainings else {}
        decision = decide(facts_of(replace(seen, base_model=same), at), self._settings)
        if not decision.would_start:
            return decision, None
        start = decision.start("replay")
        self._goes_on(start, decision)
        return decision, start

    def _goes_on(self, start: Start, decision: Decision) -> None:
        """Adds what follows from a start."""
        real, history = self._real.get(start.id), self._history
        ends, verdicts, cost = [], [], decision.facts.cost
        if real is None:
            over = start.at + timedelta(seconds=cost.seconds or 0)
            ends = [End(start.id, start.id, over, "succeeded", "")]
            trainings = [Training(over, start.id, start.content, {})]
            verdicts = [Judged(over, start.id, None)]
            costs = [_row(history, start, cost)]
        else:
            ends = [self._ends[real.id]] if real.id in self._ends else []
            trainings = self._trainings_of(self._all, real)
            costs = [row for row in self._costs if ends and row["dagster_run"] == ends[0].run]
        self._history = replace(
            history,
            trainings=sorted([*history.trainings, *trainings], key=lambda one: one.at),
            costs=[*history.costs, *costs],
            decisions=sorted([*history.decisions, *verdicts], key=lambda one: one.at),
            entries=Entries([*history.entries.starts, start], [*history.entries.ends, *ends], history.entries.requests),
        )

    def _trainings_of(self, trainings: Sequence[Training], start: Start) -> list[Training]:
        end = self._ends.get(start.id)
        return [one for one in trainings if one.at >= start.at and (end is None or one.at <= end.at)]


def _row(history: History, start: Start, cost: Cost) -> dict[str, Any]:
    """What the ledger would have of a start that did not happen."""
    told = {"use_case": history.use_case, "program": "retraining", "state": "finished", "tokens": None}
    of = {"started_at": start.at, "month": f"{start.at:%Y-%m}", "dagster_run": start.id}
    return {**told, **of, "seconds": cost.seconds or 0.0, "money": cost.money, "currency": cost.currency}
