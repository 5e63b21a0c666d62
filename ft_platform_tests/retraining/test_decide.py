"""Each reason alone starts a retraining, each rule alone holds one back, and the same evidence starts one run."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from ft_platform.monitoring.day_reports import Accuracy
from ft_platform.monitoring.retraining.entries import End, Entries, Request, Start
from ft_platform.monitoring.retraining.facts import Content, History, Judged, Released, Training, Withdrawn, facts_of
from ft_platform.monitoring.retraining.reasons import REASONS
from ft_platform.monitoring.retraining.rules import RULES
from ft_platform.use_case.settings.retraining import Retraining, When
from ft_platform_tests.retraining.case import (
    BASE,
    LOW,
    NOW,
    ago,
    alarm,
    cost_row,
    decided,
    holding,
    limited,
    of_days,
    quiet,
    report,
    rules,
)

ASKED = Request("request-1", ago(0.1), "New products", "ana")
DAYS = (5, 4, 3, 2, 1)
REASON_CASES = [
    ("new_content", quiet(new_records=lambda now, before: 100), {}),
    ("new_content", quiet(trainings=[], decisions=[], releases=[], days=[]), {}),
    ("estimated_decline", quiet(days=of_days(DAYS, estimated_accuracy=LOW)), {}),
    ("estimated_decline", quiet(days=of_days((45, 44, 43), estimated_accuracy=LOW)), {}),
    ("measured_decline", quiet(days=of_days(DAYS, measured_accuracy=LOW)), {}),
    ("drift", quiet(days=of_days(DAYS, alarm())), {}),
    ("drift", quiet(days=of_days(DAYS, alarm("outputs", "label"))), {}),
    ("feedback", quiet(feedback=[ago(40), *[ago(n) for n in (3, 2, 1)]]), {"when__feedback": 3}),
    ("withdrawn", quiet(withdrawn=[Withdrawn(ago(1), "ckpt-a", 2)]), {}),
    ("schedule", quiet(), {"every": 32}),
    ("new_base_model", quiet(base_model={**BASE, "revision": "b" * 40}), {}),
    ("person", quiet(entries=Entries(requests=[ASKED])), {}),
]


def test_nothing_holds_in_the_quiet_history():
    decision = decided(quiet())
    assert not decision.would_start and holding(decision) == [] and rules(decision) == []
    assert all(reason.needs for reason in decision.reasons), "each says what it needs"


def test_every_reason_has_a_case():
    assert {name for name, _, _ in REASON_CASES} == {reason.__name__ for reason in REASONS}


@pytest.mark.parametrize(("name", "history", "changed"), REASON_CASES)
def test_each_reason_alone_starts(name: str, history: History, changed: dict):
    decision = decided(history, **changed)
    assert decision.would_start and holding(decision) == [name]


@pytest.mark.parametrize(
    ("name", "history", "changed"),
    [
        ("99 of 100 new records", quiet(new_records=lambda now, before: 99), {}),
        ("own threshold", quiet(new_records=lambda now, before: 100), {"when__new_records": 101}),
        ("two of three days", quiet(days=[*of_days((3,)), *of_days((2, 1), estimated_accuracy=LOW)]), {}),
        ("interval reaches the threshold", quiet(days=of_days(DAYS, measured_accuracy=LOW)), {"when__decline": 0.06}),
        ("no interval", quiet(days=of_days(DAYS, estimated_accuracy=Accuracy(value=0.5, of=0.8))), {}),
        ("off", quiet(days=of_days(DAYS, estimated_accuracy=LOW)), {"when__decline": None}),
        ("alarm of two days", quiet(days=[*of_days((3,)), *of_days((2, 1), alarm())]), {}),
        ("46 days ago", quiet(days=of_days((48, 47, 46), estimated_accuracy=LOW)), {}),
        ("alarm about service", quiet(days=of_days(DAYS, alarm("service", "errors"))), {}),
        ("another alarm each day", quiet(days=[of_days((n,), alarm(what=f"m{n}"))[0] for n in (3, 2, 1)]), {}),
        ("alarms off", quiet(days=of_days(DAYS, alarm())), {"when__drift_days": None}),
        ("feedback before the training", quiet(feedback=[ago(40), ago(2), ago(1)]), {"when__feedback": 3}),
        ("of another checkpoint", quiet(withdrawn=[Withdrawn(ago(1), "ckpt-b", 2)]), {}),
        ("cleared since", quiet(withdrawn=[Withdrawn(ago(2), "ckpt-a", 2), Withdrawn(ago(1), "ckpt-a", 0)]), {}),
        ("withdrawn off", quiet(withdrawn=[Withdrawn(ago(1), "ckpt-a", 2)]), {"when__withdrawn": False}),
        ("33 days", quiet(), {"every": 33}),
        ("base model off", quiet(base_model={**BASE, "uri": "other"}), {"when__new_base_model": False}),
    ],
)
def test_near_misses_start_nothing(name: str, history: History, changed: dict):
    decision = decided(history, **changed)
    assert not decision.would_start and holding(decision) == []


def test_reports_of_an_earlier_release_say_nothing_about_the_champion():
    days = [*of_days((5, 4), estimated_accuracy=LOW), *of_days((3, 2, 1), estimated_accuracy=LOW)]
    released = [Released(ago(30), "release-a", "ckpt-a"), Released(ago(2.5), "release-b", "ckpt-a")]
    assert not decided(quiet(days=days, releases=released)).would_start


def test_a_day_that_was_reported_again_counts_as_it_was_reported_last():
    days = of_days((3, 2, 1), estimated_accuracy=LOW)
    corrected = replace(days[-1], at=NOW, report=report(ago(1)))
    assert decided(quiet(days=days)).would_start
    assert not decided(quiet(days=[*days, corrected])).would_start


FULL = quiet(new_records=lambda now, before: 500)
LAST = Start("start-1", 1, ago(3), "instance", {"new_content": "older"}, "older")
OVER = End("end-1", "start-1", ago(2.9), "failed", "run")
LOST = [Training(ago(n), f"ckpt-{n}", "old", BASE) for n in (28, 27, 26)]
THREE_LOSSES = replace(
    FULL,
    trainings=[*FULL.trainings, *LOST],
    decisions=[*FULL.decisions, *[Judged(one.at, one.checkpoint, False) for one in LOST]],
)
DATA = ("new_content",)
RULE_CASES = [
    ("mode", FULL, {"mode": "on_demand"}, ()),
    ("running", replace(FULL, entries=Entries([LAST])), {"when__cool_down_days": 0}, ()),
    ("waiting", replace(FULL, decisions=[], releases=[]), {}, ("person", "withdrawn")),
    ("waiting", replace(FULL, releases=[]), {}, ("person", "withdrawn")),
    ("cool_down", replace(FULL, entries=Entries([LAST], [OVER])), {}, ("person", "withdrawn")),
    ("cool_down", FULL, {"when__cool_down_days": 33}, ("person", "withdrawn")),
    ("min_new_records", FULL, {"when__min_new_records": 501}, ("new_base_model", "person", "withdrawn")),
    ("budget", replace(FULL, budgets=limited({"x": 5.0}), costs=[cost_row(3.0)]), {}, ()),
    ("budget", replace(FULL, budgets=limited({"x": 0.0})), {}, ()),
    ("quiet_hours", FULL, {"when__quiet_hours": "11:00-13:00"}, ("person",)),
    ("losses", THREE_LOSSES, {}, ("new_base_model", "person", "withdrawn")),
]


def test_every_rule_has_a_case():
    assert {name for name, *_ in RULE_CASES} == {r.__name__.replace("minimum", "min_new_records") for r in RULES}


def test_new_content_starts_without_a_rule():
    assert decided(FULL).would_start


@pytest.mark.parametrize(("rule", "history", "changed", "spared"), RULE_CASES)
def test_each_rule_alone_blocks_and_spares_what_it_says(rule: str, history: History, changed: dict, spared: tuple):
    decision = decided(history, **changed)
    assert holding(decision) == ["new_content"] and rules(decision) == [rule] and not decision.would_start
    assert decision.blocked_by[0].spares == set(spared)
    entries = replace(history.entries, requests=[ASKED])
    assert decided(replace(history, entries=entries), **changed).would_start == ("person" in spared)
    released = history.releases or [Released(ago(30), "release-a", "ckpt-other")]
    found = [Withdrawn(ago(1), released[-1].checkpoint, 2)]
    tainted = decided(replace(history, releases=released, withdrawn=found), **changed)
    assert "withdrawn" in holding(tainted) and tainted.would_start == ("withdrawn" in spared)


@pytest.mark.parametrize(
    ("name", "history", "changed"),
    [
        ("an end is noted", replace(FULL, entries=Entries([LAST], [OVER])), {"when__cool_down_days": 2}),
        ("a refused candidate waits for nothing", replace(FULL, decisions=[Judged(ago(31), "ckpt-a", False)]), {}),
        ("after the cool-down", FULL, {"when__cool_down_days": 31}),
        ("within the budget", replace(FULL, budgets=limited({"x": 6.0}), costs=[cost_row(3.0)]), {}),
        ("of last month", replace(FULL, budgets=limited({"x": 5.0}), costs=[cost_row(3.0, ago(30))]), {}),
        (
            "of another use case",
            replace(FULL, budgets=limited({"x": 3.0}), costs=[cost_row(3.0, use_case="other")]),
            {},
        ),
        ("after quiet hours", FULL, {"when__quiet_hours": "11:00-12:00"}),
        ("two losses", replace(THREE_LOSSES, trainings=THREE_LOSSES.trainings[:3]), {}),
    ],
)
def test_rules_let_near_misses_pass(name: str, history: History, changed: dict):
    assert decided(history, **changed).would_start


@pytest.mark.parametrize(
    ("hours", "zone", "at", "inside"),
    [
        ("22:00-06:00", "UTC", datetime(2026, 6, 15, 23, tzinfo=UTC), True),
        ("22:00-06:00", "UTC", datetime(2026, 6, 15, 5, 59, tzinfo=UTC), True),
        ("22:00-06:00", "UTC", datetime(2026, 6, 15, 6, tzinfo=UTC), False),
        ("22:00-06:00", "Europe/Berlin", datetime(2026, 6, 15, 20, tzinfo=UTC), True),  # summer: 22:00
        ("22:00-06:00", "Europe/Berlin", datetime(2026, 12, 15, 20, 59, tzinfo=UTC), False),  # winter: 21:59
    ],
)
def test_quiet_hours_are_those_of_the_time_zone(hours: str, zone: str, at: datetime, inside: bool):
    decision = decided(FULL, at, when__quiet_hours=hours, when__time_zone=zone)
    assert ("quiet_hours" in rules(decision)) is inside


def test_three_losses_say_what_the_learning_curve_says_and_a_person_ends_the_streak():
    told = replace(THREE_LOSSES, curves=[(ago(20), "Twice the records would lower it by nothing.")])
    why = next(one.why for one in decided(told).blocked_by if one.rule == "losses")
    assert "more of the same data does not help" in why and "lower it by nothing" in why
    assert "no learning curve was measured" in decided(THREE_LOSSES).blocked_by[0].why
    person = Start("start-p", 1, ago(27.5), "instance", {"person": "request-0"}, "old")
    after = replace(THREE_LOSSES, entries=Entries([person], [End("end-p", "start-p", ago(27.4), "failed", "")]))
    assert facts_of(after, NOW).losses == 2 and decided(after).would_start


def test_an_accepted_candidate_between_ends_the_streak():
    decisions = [replace(one, accepted=one.checkpoint == "ckpt-27") for one in THREE_LOSSES.decisions]
    assert facts_of(replace(THREE_LOSSES, decisions=decisions), NOW).losses == 1


def test_the_same_evidence_starts_one_run_and_new_evidence_another():
    decision = decided(FULL)
    start = decision.start("instance")
    ended = Entries([start], [End("end-1", start.id, NOW, "failed", "")])
    again = decided(replace(FULL, entries=ended), NOW + timedelta(days=8))
    assert holding(again) == [] and not again.would_start
    assert start.id in next(one.needs for one in again.reasons if one.name == "new_content")
    newer = replace(FULL, entries=ended, contents=[*FULL.contents, Content(NOW, "newer", 2000)])
    found = decided(newer, NOW + timedelta(days=8))
    assert found.would_start and found.start("instance").id != start.id and found.start("instance").number == 2


def test_two_requests_are_one_run_and_a_later_one_another_whatever_the_clock_says():
    both = quiet(entries=Entries(requests=[ASKED, replace(ASKED, id="request-2", at=NOW)]))
    start = decided(both).start("instance")
    ended = [End("end-1", start.id, NOW, "succeeded", "")]
    after = replace(both, entries=Entries([start], ended, both.entries.requests))
    assert not decided(after, NOW + timedelta(days=9)).would_start
    earlier = replace(ASKED, id="request-3", at=ago(100))
    third = replace(both, entries=Entries([start], ended, [earlier, *both.entries.requests]))
    later = decided(third, NOW + timedelta(days=9))
    assert later.would_start and later.start("instance").reasons == {"person": "request-3"}


@pytest.mark.parametrize("jump", [-3000, -30, -1, 30, 3000])
def test_a_clock_that_jumps_starts_nothing_twice(jump: int):
    """A start at the right time, then the clock jumps, and comes back."""
    history, started = FULL, []
    for day in (0, jump, jump + 0.01, 0.02, 0.03):
        at = NOW + timedelta(days=day)
        decision = decided(history, at, every=20, when__cool_down_days=7)
        if decision.would_start:
            start = decision.start("instance")
            started.append(start)
            entries = Entries(
                [*history.entries.starts, start], [*history.entries.ends, End("", start.id, at, "failed", "")]
            )
            history = replace(history, entries=entries)
    answered = [pair for start in started for pair in start.reasons.items()]
    assert len(answered) == len(set(answered)), "no evidence twice"
    assert len(started) == (2 if jump in (30, 3000) else 1), "a schedule that is due by a later clock is new evidence"


def test_after_a_clock_that_was_ahead_only_a_person_starts():
    ahead = Start("start-1", 1, NOW + timedelta(days=400), "instance", {"schedule": "ckpt-a:10"}, "old")
    entries = Entries([ahead], [End("end-1", "start-1", NOW + timedelta(days=400), "failed", "")])
    decision = decided(replace(FULL, entries=entries))
    assert rules(decision) == ["cool_down"] and "the clock was set back" in decision.blocked_by[0].why
    assert decided(replace(FULL, entries=replace(entries, requests=[ASKED]))).would_start


def test_a_flapping_alarm_starts_one_run():
    flapping, starts = FULL, []
    flapping = quiet(new_records=lambda now, before: 5)
    for hour in range(24 * 30):
        at, on = NOW + timedelta(hours=hour), hour % 2 == 0
        days = of_days((1,), *([alarm()] if on else []))
        decision = decided(replace(flapping, days=days), at, when__drift_days=1)
        assert ("drift" in holding(decision)) is (on and not starts)
        if decision.would_start:
            starts.append(decision.start("instance"))
            ends = [End("end", starts[-1].id, at, "succeeded", "")]
            flapping = replace(flapping, entries=Entries(list(starts), ends))
    assert len(starts) == 1


def test_the_cost_is_that_of_the_newest_run_that_trained_with_all_its_programs():
    rows = [
        cost_row(9.0, ago(20), dagster_run="run-1"),
        cost_row(2.0, ago(10), dagster_run="run-2"),
        cost_row(1.0, ago(9.9), dagster_run="run-2", program="evaluate", tokens=None),
        cost_row(0.1, ago(1), dagster_run="run-3", tokens=None),  # a checkpoint that was there
    ]
    cost = decided(quiet(costs=rows)).facts.cost
    assert (cost.money, cost.seconds, cost.basis) == (3.0, 1200.0, "as the retraining of 2026-06-05")
    assert decided(quiet()).to_dict()["estimated_cost"]["money"] is None


@pytest.mark.parametrize(
    "when", [{"quiet_hours": "24:00-06:00"}, {"quiet_hours": "22-6"}, {"time_zone": "Europe/Bonn"}, {"decline": 1.5}]
)
def test_wrong_rules_are_refused(when: dict):
    with pytest.raises(ValidationError):
        When.model_validate(when)


def test_the_default_mode_is_still_a_person():
    assert Retraining().mode == "on_demand" and rules(decided(FULL, mode="on_data_change")) == ["mode"]
