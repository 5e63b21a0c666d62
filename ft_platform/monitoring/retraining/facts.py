"""What a decision about retraining rests on: the facts at one moment, out of a history. Nothing here reads a clock or
the lake, so a moment of the past gives what it gave then."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ft_platform.costs.spent import spent
from ft_platform.monitoring.retraining.entries import Entries, Request, Start

if TYPE_CHECKING:
    from ft_platform.costs.budgets import Budget
    from ft_platform.monitoring.day_reports import DayReport

RECENT = timedelta(days=45)
"""Older reports say nothing about today; 30 days with traffic must fit."""
PERSON = "person"
"""The reason that a person is."""


@dataclass(frozen=True)
class Content:
    """A version of `permitted_records`."""

    at: datetime
    hash: str
    rows: int


@dataclass(frozen=True)
class Training:
    """A checkpoint.

    Attributes:
        content: hash of the `permitted_records` it was made from.
        base_model: `uri`, `revision` and `sha256`.
    """

    at: datetime
    checkpoint: str
    content: str
    base_model: Mapping[str, Any]


@dataclass(frozen=True)
class Judged:
    """A release decision; `accepted` is None where a replay cannot know."""

    at: datetime
    checkpoint: str
    accepted: bool | None


@dataclass(frozen=True)
class Released:
    """A release."""

    at: datetime
    id: str
    checkpoint: str
    withdrawn_at: datetime | None = None


@dataclass(frozen=True)
class Withdrawn:
    """Records of a checkpoint that may be used no more."""

    at: datetime
    checkpoint: str
    rows: int


@dataclass(frozen=True)
class Day:
    """A report of a monitored day."""

    at: datetime
    report: "DayReport"


@dataclass(frozen=True)
class Cost:
    """What a retraining will cost.

    Attributes:
        money, seconds: None: unknown.
        basis: where the figures come from.
    """

    money: float | None
    currency: str
    seconds: float | None
    basis: str


@dataclass(frozen=True)
class History:
    """What happened, each list in the order of time.

    Attributes:
        feedback: when requests got their first feedback.
        costs: rows of the ledger, of all use cases.
        curves: when a learning curve was measured, and what it says.
        new_records: counts the records of one content that another one does not have; None: nobody can tell.
        base_model: as configured.
        budgets: limits of a month, with what is spent by the rows of the ledger of that month.
    """

    use_case: str
    contents: Sequence[Content]
    trainings: Sequence[Training]
    decisions: Sequence[Judged]
    releases: Sequence[Released]
    withdrawn: Sequence[Withdrawn]
    days: Sequence[Day]
    feedback: Sequence[datetime]
    costs: Sequence[Mapping[str, Any]]
    curves: Sequence[tuple[datetime, str]]
    entries: Entries
    new_records: Callable[[str, str], int | None]
    base_model: Mapping[str, Any]
    budgets: Callable[[Sequence[Mapping[str, Any]]], Sequence["Budget"]]
    currency: str
    estimate: Cost | None = None


@dataclass(frozen=True)
class Facts:
    """What is known at a moment.

    Attributes:
        content: of `permitted_records`; None: there is none.
        trained: the newest checkpoint.
        trained_rows: records that it was made from.
        new_records: since then; None: nobody can tell.
        withdrawn_rows: of the champion's checkpoint.
        days: reports of the champion, one per day, oldest first.
        feedback: requests with feedback since the newest training.
        running: start whose end is not known.
        waiting: what the newest checkpoint waits for; empty: nothing.
        losses: candidates in a row that were refused, since a person started one.
        curve: what the newest learning curve says; empty: there is none.
        requests: of persons, that no start has answered.
    """

    at: datetime
    content: Content | None
    trained: Training | None
    trained_rows: int
    new_records: int | None
    base_model: Mapping[str, Any]
    champion: Released | None
    withdrawn_rows: int
    days: Sequence["DayReport"]
    feedback: int
    starts: Sequence[Start]
    running: Start | None
    waiting: str
    losses: int
    curve: str
    requests: Sequence[Request]
    budgets: Sequence["Budget"]
    cost: Cost

    @property
    def answered(self) -> set[tuple[str, str]]:
        """Reasons and evidence that started a run already."""
        return {pair for start in self.starts for pair in start.reasons.items()}


def until(history: History, at: datetime) -> History:
    """The history as it was known at a moment of the past."""

    def known(items: Sequence[Any]) -> list[Any]:
        return [one for one in items if one.at <= at]

    releases = [
        replace(one, withdrawn_at=one.withdrawn_at if one.withdrawn_at and one.withdrawn_at <= at else None)
        for one in known(history.releases)
    ]
    entries = history.entries
    return replace(
        history,
        contents=known(history.contents),
        trainings=known(history.trainings),
        decisions=known(history.decisions),
        releases=releases,
        withdrawn=known(history.withdrawn),
        days=known(history.days),
        feedback=[one for one in history.feedback if one <= at],
        costs=[row for row in history.costs if row["started_at"] <= at],
        curves=[one for one in history.curves if one[0] <= at],
        entries=Entries(known(entries.starts), known(entries.ends), known(entries.requests)),
    )


def facts_of(history: History, at: datetime) -> Facts:
    """What a history says at a moment. All of it counts, also what lies in the future of a clock that was set back."""
    content = history.contents[-1] if history.contents else None
    trained = history.trainings[-1] if history.trainings else None
    before = next((one for one in reversed(history.contents) if trained and one.hash == trained.content), None)
    new = content.rows if content and trained is None else 0
    if content and trained and content.hash != trained.content:
        new = history.new_records(content.hash, trained.content)
    champion = next((one for one in reversed(history.releases) if one.withdrawn_at is None), None)
    tainted = [one.rows for one in history.withdrawn if champion and one.checkpoint == champion.checkpoint]
    since = (at - RECENT).date().isoformat()
    # Of a day that was reported again, the newest.
    reports = {one.report.day: one.report for one in history.days if one.report.day >= since}
    days = [reports[day] for day in sorted(reports) if champion and reports[day].releases[:1] == [champion.id]]
    starts = history.entries.starts
    answered = {request for start in starts for request in start.reasons.get(PERSON, "").split(",")}
    return Facts(
        at=at,
        content=content,
        trained=trained,
        trained_rows=before.rows if before else 0,
        new_records=new,
        base_model=history.base_model,
        champion=champion,
        withdrawn_rows=tainted[-1] if tainted else 0,
        days=days,
        feedback=sum(trained is None or one > trained.at for one in history.feedback),
        starts=starts,
        running=history.entries.running,
        waiting=_waiting(history, trained),
        losses=_losses(history),
        curve=history.curves[-1][1] if history.curves else "",
        requests=[one for one in history.entries.requests if one.id not in answered],
        budgets=history.budgets([row for row in history.costs if row["month"] == f"{at.astimezone(UTC):%Y-%m}"]),
        cost=_cost(history),
    )


def _waiting(history: History, trained: Training | None) -> str:
    """At most one candidate at a time: what the newest checkpoint waits for."""
    if trained is None or any(one.checkpoint == trained.checkpoint for one in history.releases):
        return ""
    verdict = next((one for one in reversed(history.decisions) if one.checkpoint == trained.checkpoint), None)
    if verdict is None:
        return f"{trained.checkpoint} waits for its release decision"
    return f"{trained.checkpoint} is accepted and waits for its release" if verdict.accepted else ""


def _losses(history: History) -> int:
    """Newest candidates that were refused, until one that was not or that a person started."""
    verdicts = {one.checkpoint: one.accepted for one in history.decisions}
    released = {one.checkpoint for one in history.releases}
    by_person = [start.at for start in history.entries.starts if PERSON in start.reasons]
    found = 0
    for training in reversed(history.trainings):
        if training.checkpoint in released or (by_person and training.at < by_person[-1]):
            break
        accepted = verdicts.get(training.checkpoint)
        if accepted:
            break
        found += accepted is False
    return found


def _cost(history: History) -> Cost:
    """As the newest run that trained: all of its programs."""
    rows = [row for row in history.costs if row["use_case"] == history.use_case]
    trained = [row for row in rows if row["program"] == "train" and row["state"] == "finished" and row["tokens"]]
    if trained:
        run = trained[-1]["dagster_run"]
        whole = [row for row in rows if row["dagster_run"] == run] if run else trained[-1:]
        seconds = sum(row["seconds"] for row in whole)
        day, currency = trained[-1]["started_at"].date(), trained[-1]["currency"]
        return Cost(spent(whole).get(currency), currency, round(seconds, 1), f"as the retraining of {day}")
    nothing = f"unknown: no training has ended yet. Measure it: ft estimate {history.use_case}"
    return history.estimate or Cost(None, history.currency, None, nothing)
