"""Plays the loop: days of requests to a served release, in which the platform sees a change and gets over it.

Real are the server, the requests and feedback over HTTP, reports, decisions, training, gate and rollout. Made up are
the day that a request is noted under, and the persons: who corrects labels, releases feedback, adds labelled sentences
to the source, ends the shadow."""

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

from ft_platform.errors import FtError
from ft_platform.lake.store import Lake
from ft_platform.monitoring.day_reports import FILE, DayReport
from ft_platform.monitoring.retraining.deciding import decide_and_start
from ft_platform.monitoring.retraining.entries import Start
from ft_platform.monitoring.retraining.journal import end
from ft_platform.monitoring.rollout.conducting import end_by_person, step, under_way
from ft_platform.monitoring.traffic import batches
from ft_platform.monitoring.traffic.remaking import remake
from ft_platform.monitoring.traffic.shipping import ship, spool_path
from ft_platform.onboarding.rehearsal.loop.case import CONSENT, PURPOSE, add_to_source, roll_out
from ft_platform.onboarding.rehearsal.loop.stream import Asked, Stream
from ft_platform.onboarding.rehearsal.loop.waiving import waive_recall
from ft_platform.reporting.publishing.monitoring import publish_monitoring
from ft_platform.serving.client import call
from ft_platform.training.continuing import weights_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.training import CHAMPION

BY = "ft loop"
TARGET = "local"
DATA = ["raw_records", "permitted_records"]
"""What the source's sensor makes anew by itself when there are new records."""


class LoopBroken(FtError):
    """A part of the loop did not do what it is there for."""


@dataclass(frozen=True)
class Plan:
    """What is played.

    Attributes:
        requests: each day.
        change_on: number of the first day with new texts, from 0.
        share: of the requests from then on that are new; 0: the control.
        labelled: posts that a person labels and adds to the source.
        judged: share of the answers, drawn by chance, whose right label somebody gives.
    """

    days: int = 10
    requests: int = 100
    change_on: int = 4
    share: float = 0.7
    labelled: int = 350
    judged: float = 0.8
    seed: int = 7

    @property
    def changes(self) -> bool:
        return self.share > 0


@dataclass
class Day:
    """One day, as it was seen.

    Attributes:
        accuracy: share of right answers, of all: only the loop knows it.
        by_release: id of each release that answered -> its requests.
        alarms: measures with an alarm.
        cause: what moved most, or else the evidence of the first alarm.
        events: kind -> what happened in the evening, in words.
    """

    day: str
    requests: int
    accuracy: float
    by_release: dict[str, int]
    estimated: dict[str, Any]
    measured: dict[str, Any]
    alarms: list[str]
    cause: str
    events: dict[str, str] = field(default_factory=dict)


class Story:
    """The days of a plan, one after another.

    Args:
        run: runs stages of the use case with changed settings (None: all stages), and raises where they fail.
        tell: takes a line for the reader.
        stream: what is asked; default that of the plan.
    """

    def __init__(
        self,
        lake: Lake,
        environment: Environment,
        use_case: NamedUseCase,
        plan: Plan,
        run: Callable[[Sequence[str] | None, dict[str, Any]], None],
        tell: Callable[[str], None],
        stream: Stream | None = None,
    ) -> None:
        self.lake, self.environment, self.use_case, self.plan = lake, environment, use_case, plan
        self.run, self.tell = run, tell
        self.days: list[Day] = []
        self.starts: list[Start] = []
        self._stream = stream or Stream(plan.share, plan.labelled, plan.seed)
        self._draws = random.Random(f"judged:{plan.seed}")
        self._began = datetime.now(UTC).date()
        self._later = timedelta()
        self._helped = self._shadowed = False

    def play(self) -> list[Day]:
        """Raises:
        FtError: a part failed.
        LoopBroken: the gate refused what was trained again.
        """
        for number in range(self.plan.days):
            noon = datetime.combine(self._began + timedelta(days=number + 1), time(12), UTC)
            self._later = noon - datetime.now(UTC)
            changed = self.plan.changes and number >= self.plan.change_on
            day = self._asked(noon.date().isoformat(), self._stream.day(self.plan.requests, changed))
            if self.plan.changes and number == self.plan.change_on:
                day.events["change"] = f"{self.plan.share:.0%} of the requests are posts that quote another customer"
            self.days.append(day)
            self._watched(day)
            self._evening(day)
            self.tell(in_a_line(day))
        return self.days

    def release(self) -> None:
        """Releases the newest checkpoint.

        Raises:
            LoopBroken: the gate refuses it.
        """
        if waive_recall(self.lake, self.use_case):
            self.run(["release_decision"], {})
        newest = self.lake.artifacts(self.use_case.name, "release_decision")[0]
        if self.lake.manifest(newest).info["decision"] != "accepted":
            raise LoopBroken(
                f"the gate refused {self.lake.manifest(newest).info['checkpoint']}",
                f"See: FT_HOME={self.environment.home} FT_DEFS={self.environment.defs} ft decide {self.use_case.name}",
            )
        self.run(["release"], {})

    def _asked(self, day: str, asked: list[Asked]) -> Day:
        """Asks the server, and says of each answer which label is right."""
        url = self.use_case.settings.serving.targets[TARGET].url  # pyright: ignore[reportAttributeAccessIssue]
        name, right, by_release = self.use_case.name, 0, dict[str, int]()
        for one in asked:
            metadata = {"subject": one.subject, "consent": CONSENT, "purpose": PURPOSE}
            found = call(url, "/v1/classify", {"model": name, "input": one.text, "metadata": metadata})
            right += found["data"][0]["label"] == one.label
            by_release[found["release"]] = by_release.get(found["release"], 0) + 1
            if self._draws.random() < self.plan.judged:
                told = {"request_id": found["id"], "model": name, "correct_label": one.label, "by": "product team"}
                call(url, "/v1/feedback", told)
        return Day(day, len(asked), right / len(asked), by_release, {}, {}, [], "")

    def _ship(self) -> None:
        ship(self.lake, spool_path(self.environment), self._later)

    def _watched(self, day: Day) -> None:
        self._ship()
        version = publish_monitoring(self.lake, self.use_case, day.day)
        report = DayReport.model_validate_json(self.lake.read_file(version, FILE))
        day.estimated, day.measured = report.estimated_accuracy.model_dump(), report.measured_accuracy.model_dump()
        told = [one for one in report.alarms if one.kind != "service"]
        day.alarms = [one.what for one in told]
        if causes := [cause for one in told for cause in one.cause]:
            day.cause = f"{causes[0]['kind']} {causes[0]['value']}: {causes[0]['before']:.0%} -> {causes[0]['now']:.0%}"
        elif told:
            day.cause = told[0].evidence
        if day.alarms and not any(one.alarms for one in self.days[:-1]):
            day.events["alarm"] = f"alarm: {', '.join(day.alarms)}"

    def _evening(self, day: Day) -> None:
        """What the sensors and the persons do at the end of a day."""
        if day.alarms and not self.starts:
            self._learn_from(day)
        if under_way(self.environment, self.use_case.name):
            self._rolled(day)
        self._weigh(day)

    def _learn_from(self, day: Day) -> None:
        """A person releases the feedback since the alarm, and once adds labelled sentences to the source."""
        since = next(one.day for one in self.days if one.alarms)
        remake(self.lake, self.environment, self.use_case)
        waiting = [one for one in batches.waiting(self.lake, self.use_case) if one.counts["day"] >= since]
        self._stream.learned()
        for one in waiting:
            batches.release(self.lake, self.use_case, one.name, reason="Labels of the product team", by=BY)
        if not self._helped and self.plan.changes:
            add_to_source(self.environment, self._stream.labelled, day.day)
            self._helped = True
        day.events["feedback"] = f"{sum(len(one.records) for one in waiting)} labelled requests released"
        self.run(DATA, {})

    def _weigh(self, day: Day) -> None:
        """The decision about a retraining; where it starts one, the run and what follows."""
        at = datetime.now(UTC) + self._later
        weights = partial(weights_of, self.lake, self.use_case)
        decision, start = decide_and_start(self.lake, self.environment, self.use_case, at, BY, weights)
        if start is None:
            return
        self.starts.append(start)
        why = ", ".join(f"{one.name} ({one.evidence})" for one in decision.holding)
        day.events["retraining"] = f"retraining because of {why}"
        self.tell(f"{day.day}  retraining starts: {why}")
        self.run(None, {"training.continue_from": CHAMPION} if start.continues else {})
        end(self.lake, self.use_case, start, datetime.now(UTC) + self._later, "succeeded")
        self.release()
        day.events["accepted"] = "the gate accepts it; one waiver: recall was not measured on these texts"
        self._tried("shadow")
        day.events["shadow"] = "shadow begins"

    def _tried(self, mode: str) -> None:
        roll_out(self.environment, self.use_case.name, mode)
        self.run([f"deployment/{TARGET}"], {})
        self._ship()

    def _rolled(self, day: Day) -> None:
        """Looks at the rollout. After one day a person ends the shadow, and the canary begins."""
        rollout = under_way(self.environment, self.use_case.name)
        assert rollout is not None
        if rollout.rules.mode == "shadow" and not self._shadowed:
            self._shadowed = True
            reason = "The shadow was right more often; next it answers callers"
            end_by_person(self.lake, self.environment, self.use_case, promote=False, reason=reason)
            self._tried("canary")
            day.events["canary"] = "canary begins"
            return
        seen = step(self.lake, self.environment, self.use_case)
        if seen and seen.reason:
            if seen.verdict.decision != "promote":
                raise LoopBroken(f"the new release was rolled back: {seen.reason}")
            day.events["switch"] = f"all traffic: {seen.reason}"


def in_a_line(day: Day) -> str:
    shares = ["-" if one.get("value") is None else f"{one['value']:.0%}" for one in (day.estimated, day.measured)]
    said = "; ".join(day.events.values()) or (f"alarms: {', '.join(day.alarms)}" if day.alarms else "")
    return f"{day.day}  right {day.accuracy:.0%}  estimated {shares[0]}  by feedback {shares[1]}  {said}".rstrip()


def to_dict(plan: Plan, days: Sequence[Day], starts: Sequence[Start]) -> dict[str, Any]:
    started = [{"id": one.id, "at": one.at.isoformat(), "reasons": sorted(one.reasons)} for one in starts]
    return {"plan": asdict(plan), "days": [asdict(one) for one in days], "starts": started}
