"""A made-up history in which nothing asks for a retraining, and what changes that."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from ft_platform.costs.budgets import budgets_from
from ft_platform.monitoring.day_reports import Accuracy, Alarm, DayReport
from ft_platform.monitoring.retraining.decide import Decision, decide
from ft_platform.monitoring.retraining.entries import Entries
from ft_platform.monitoring.retraining.facts import Content, Day, History, Judged, Released, Training, facts_of
from ft_platform.use_case.settings.retraining import Retraining

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
"""A Monday."""
BASE = {"uri": "example/base", "revision": "a" * 40, "sha256": None}


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def settings(**changed: Any) -> Retraining:
    """`when__<field>` stands for a field of `when`."""
    when = {name.removeprefix("when__"): value for name, value in changed.items() if name.startswith("when__")}
    rest = {name: value for name, value in changed.items() if not name.startswith("when__")}
    return Retraining.model_validate({"mode": "by_reasons", **rest, "when": when})


def limited(limits: dict[str, float]) -> Any:
    return partial(budgets_from, limits=limits, use_case="complaints", currency="EUR")


def quiet(**changed: Any) -> History:
    """A release of thirty days ago with 50 new records since, fewer than a tenth of 1,000."""
    history = History(
        use_case="complaints",
        contents=[Content(ago(40), "old", 1000), Content(ago(10), "new", 1050)],
        trainings=[Training(ago(32), "ckpt-a", "old", BASE)],
        decisions=[Judged(ago(31), "ckpt-a", True)],
        releases=[Released(ago(30), "release-a", "ckpt-a")],
        withdrawn=[],
        days=[Day(ago(n - 1), report(ago(n))) for n in (5, 4, 3, 2, 1)],
        feedback=[],
        costs=[],
        curves=[],
        entries=Entries(),
        new_records=lambda now, before: 50 if (now, before) == ("new", "old") else 0,
        base_model=BASE,
        budgets=limited({}),
        currency="EUR",
    )
    return replace(history, **changed)


def report(day: datetime, *alarms: Alarm, release: str = "release-a", **accuracy: Accuracy) -> DayReport:
    return DayReport(
        use_case="complaints",
        day=day.date().isoformat(),
        releases=[release],
        reference="eval-a",
        requests=400,
        alarms=list(alarms),
        **accuracy,  # type: ignore[arg-type]
    )


def alarm(kind: str = "inputs", what: str = "characters") -> Alarm:
    return Alarm(what=what, kind=kind, since="2026-06-01", evidence="made up")  # type: ignore[arg-type]


def of_days(numbers: tuple[int, ...], *alarms: Alarm, **accuracy: Accuracy) -> list[Day]:
    return [Day(ago(n - 1), report(ago(n), *alarms, **accuracy)) for n in numbers]


LOW = Accuracy(value=0.70, low=0.66, high=0.74, of=0.80, answers=400)


def cost_row(money: float, at: datetime = NOW, **changed: Any) -> dict[str, Any]:
    """A row of the ledger: a training that ended."""
    return {
        "use_case": "complaints",
        "program": "train",
        "state": "finished",
        "started_at": at,
        "month": f"{at:%Y-%m}",
        "money": money,
        "currency": "EUR",
        "seconds": 600.0,
        "tokens": 1000,
        "dagster_run": None,
        **changed,
    }


def decided(history: History, at: datetime = NOW, **changed: Any) -> Decision:
    return decide(facts_of(history, at), settings(**changed))


def holding(decision: Decision) -> list[str]:
    return [one.name for one in decision.holding]


def rules(decision: Decision) -> list[str]:
    return [one.rule for one in decision.blocked_by]
