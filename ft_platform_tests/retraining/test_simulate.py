"""A replay says what was said then, hour by hour; and under other rules what would have been."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from ft_platform.monitoring.retraining.decide import decide
from ft_platform.monitoring.retraining.entries import End, Entries, Request, Start
from ft_platform.monitoring.retraining.facts import (
    Content,
    Day,
    History,
    Judged,
    Released,
    Training,
    Withdrawn,
    facts_of,
    until,
)
from ft_platform.monitoring.retraining.simulate import simulate
from ft_platform.use_case.settings.retraining import Retraining
from ft_platform_tests.retraining.case import BASE, LOW, alarm, cost_row, limited, quiet, report, settings

FIRST, LAST = date(2026, 6, 1), date(2026, 7, 20)
BEGIN = datetime.fromisoformat("2026-06-01T00:00:00+00:00")
RULES = {"when__cool_down_days": 5.0, "when__quiet_hours": "08:00-18:00", "when__new_records": 200}


def day(number: float) -> datetime:
    return BEGIN + timedelta(days=number)


def script() -> dict[str, list[Any]]:
    """What happens from outside: in the time of each item."""
    bad = [Day(day(n + 0.3), report(day(n - 1), release="release-s", estimated_accuracy=LOW)) for n in range(8, 12)]
    good = [Day(day(n + 0.3), report(day(n - 1), alarm(), release="release-s")) for n in (30, 31, 32, 33)]
    corrected = [Day(day(33.9), report(day(32), release="release-s"))]
    return {
        "contents": [Content(day(n), f"content-{n}", 1000 + 60 * n) for n in (3, 5, 9, 16, 20, 26, 31, 36, 41, 47)],
        "days": [*bad, *good, *corrected],
        "withdrawn": [Withdrawn(day(18.1), "ckpt-1", 3), Withdrawn(day(24.2), "ckpt-1", 0)],
        "feedback": [day(n) for n in (2, 6, 7, 34, 35)],
        "costs": [cost_row(4.0, day(n)) for n in (6, 12, 22, 28)],
        "curves": [(day(40), "Twice the records would not help.")],
        "requests": [Request("request-1", day(38.5), "New products", "ana")],
    }


def at_of(item: Any) -> datetime:
    if isinstance(item, Mapping):
        return item["started_at"]
    return item if isinstance(item, datetime) else item[0] if isinstance(item, tuple) else item.at


def beginning() -> History:
    old = day(-60)
    return quiet(
        contents=[Content(old, "old", 1000)],
        trainings=[Training(old, "ckpt-a", "old", BASE)],
        decisions=[Judged(old, "ckpt-a", True)],
        releases=[Released(old, "release-a", "ckpt-a")],
        days=[],
        new_records=lambda now, before: 60 * (number_of(now) - number_of(before)),
        budgets=limited({"compute.budget_per_month": 14.0}),
    )


def number_of(content: str) -> int:
    return int(content.partition("-")[2] or 0)


def lived(asked: Retraining) -> tuple[History, list[dict[str, Any]]]:
    """Goes through the days as the sensor would: what happens is added hour by hour, and nothing is looked up in the
    future. Each start trains after 4 hours and is judged after 5; the first is accepted and released, others lose."""
    history, pending = beginning(), script()
    later: dict[datetime, list[tuple[str, Any]]] = {}
    rows: list[dict[str, Any]] = []
    for hour in range(24 * ((LAST - FIRST).days + 1)):
        at = BEGIN + timedelta(hours=hour)
        for kind, items in pending.items():
            for one in [one for one in items if at - timedelta(hours=1) < at_of(one) <= at]:
                history = added(history, kind, one)
        for kind, one in later.pop(at, []):
            history = added(history, kind, one)
        decision = decide(facts_of(history, at), asked)
        if not rows or rows[-1]["day"] != at.date().isoformat():
            rows.append({"day": at.date().isoformat(), "started": [], "reasons": {}})
        rows[-1]["reasons"] |= {one.name: one.evidence for one in decision.holding}
        rows[-1]["blocked_by"] = {one.rule: one.why for one in decision.blocked_by}
        if decision.would_start:
            start = decision.start("daemon")
            history = added(history, "starts", start)
            rows[-1]["started"].append({"id": start.id, "at": at.isoformat(), "reasons": sorted(start.reasons)})
            trained, judged = at + timedelta(hours=4), at + timedelta(hours=5)
            name, first = f"ckpt-{start.number}", start.number == 1
            later.setdefault(trained, []).append(("trainings", Training(trained, name, start.content, BASE)))
            outcome: list[tuple[str, Any]] = [
                ("decisions", Judged(judged, name, first)),
                ("ends", End(f"end-{start.number}", start.id, judged, "succeeded", "run")),
            ]
            outcome += [("releases", Released(judged, "release-s", name))] if first else []
            later.setdefault(judged, []).extend(outcome)
    return history, rows


def added(history: History, kind: str, one: Any) -> History:
    if kind in ("starts", "ends", "requests"):
        entries = replace(history.entries, **{kind: [*getattr(history.entries, kind), one]})
        return replace(history, entries=entries)
    return replace(history, **{kind: [*getattr(history, kind), one]})


@pytest.fixture(scope="module")
def past() -> tuple[History, list[dict[str, Any]]]:
    return lived(settings(**RULES))


def test_a_replay_under_the_same_rules_says_what_was_said_day_by_day(past):
    history, said = past
    assert [one.to_dict() for one in simulate(history, settings(**RULES), FIRST, LAST)] == said


def test_the_past_of_this_test_has_something_of_everything(past):
    """Otherwise the comparison above would say little."""
    started = [one for row in past[1] for one in row["started"]]
    blocks = {rule for row in past[1] for rule in row["blocked_by"]}
    held = {reason for row in past[1] for reason in row["reasons"]}
    assert len(started) == 7 and held == {"new_content", "estimated_decline", "withdrawn", "drift", "person"}
    assert blocks == {"cool_down", "min_new_records", "budget", "losses", "running"}


def test_what_lies_in_the_future_of_a_moment_changes_nothing(past):
    history = past[0]
    for number in (0, 10, 13.5, 20, 33, 39):
        known = until(history, day(number))
        again = until(replace(history, curves=[*history.curves, (day(60), "later")]), day(number))
        assert facts_of(known, day(number)) == facts_of(again, day(number))
    assert [facts_of(until(history, day(n)), day(n)).withdrawn_rows for n in (18, 19, 25)] == [0, 3, 0]


def test_a_withdrawn_release_was_the_champion_until_then():
    gone = quiet(releases=[Released(day(1), "release-a", "ckpt-a", withdrawn_at=day(5))])
    assert until(gone, day(4)).releases[0].withdrawn_at is None
    assert until(gone, day(6)).releases[0].withdrawn_at == day(5)


def test_other_rules_start_other_runs(past):
    history, said = past

    def starts(**changed: Any) -> list[str]:
        rules = settings(**{**RULES, **changed})
        return [one.id for row in simulate(history, rules, FIRST, LAST) for one in row.started]

    real = [one["id"] for row in said for one in row["started"]]
    assert starts() == real
    assert starts(mode="on_demand") == []
    assert len(starts(when__new_records=10_000, when__decline=None, when__drift_days=None)) == 2, "withdrawn, person"
    assert len(starts(when__withdrawn=False)) == 9, "without its candidate there are no three losses"
    assert starts(when__cool_down_days=30.0) != real


def test_a_start_that_did_not_happen_takes_its_time_and_is_no_loss():
    rows = [cost_row(1.0, day(-3), seconds=3 * 3600.0)]
    contents = [Content(day(-60), "old", 1000), *[Content(day(n), f"content-{n}", 1000) for n in range(1, 40)]]
    history = replace(beginning(), contents=contents, costs=rows, entries=Entries())
    rules = settings(when__new_records=1, when__cool_down_days=1.0)
    found = simulate(history, rules, FIRST, LAST)
    started = [one for row in found for one in row.started]
    assert len(started) > 10 and max(row.last.facts.losses for row in found) == 0
    assert started[1].at - started[0].at >= timedelta(days=1, hours=3)


def test_what_a_replay_starts_is_paid_from_the_budget_and_what_it_does_not_start_is_not():
    contents = [Content(day(-60), "old", 1000), *[Content(day(n), f"content-{n}", 1000) for n in range(1, 30)]]
    budget, before = limited({"compute.budget_per_month": 5.0}), cost_row(1.0, day(-3), seconds=60.0)
    history = replace(beginning(), contents=contents, costs=[before], budgets=budget)
    rules = settings(when__new_records=1, when__cool_down_days=0.0)

    def starts(past: History) -> int:
        return sum(len(row.started) for row in simulate(past, rules, FIRST, date(2026, 6, 30)))

    assert starts(history) == 5
    real = Start("start-of-other-rules", 1, day(2.5), "daemon", {"schedule": "x"}, "old")
    ended = End("end-1", real.id, day(2.6), "succeeded", "run-1")
    other = replace(
        history, entries=Entries([real], [ended]), costs=[before, cost_row(3.0, day(2.5), dagster_run="run-1")]
    )
    assert starts(other) == 5, "its money was not spent under these rules"
    by_hand = replace(history, costs=[before, cost_row(3.0, day(2.5), dagster_run="run-2", tokens=None)])
    assert starts(by_hand) == 2
