"""Who is next, by class, share and age, and which training makes room for it."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform.costs import queue_folder
from ft_platform.costs.fair_queue import (
    Entry,
    class_of,
    in_order,
    may_be_asked,
    used_lately,
    who_makes_room,
)
from ft_platform.costs.queue_folder import Queued, QueueFolder
from ft_platform.errors import LakeUnreachable
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.quotas import PRIORITIES, Queue, Quotas

LOW, NORMAL, HIGH = range(3)
NOW = 1_800_000_000.0
MINUTE, HOUR = 60.0, 3600.0
WEIGHTED = Quotas.model_validate({"teams": {"legal": {"weight": 4.0}}})


def entry(name: str, priority: int = NORMAL, waited: float = 0.0, **values: Any) -> Entry:
    about = {"run": name, "use_case": name, "team": name, "program": "train", "profile": "local", "pool": "gpu"}
    return Entry(**{"id": name, "priority": priority, "since": NOW - waited, **about, **values})


def running(name: str, priority: int = LOW, ran: float = HOUR, **values: Any) -> Entry:
    return entry(name, priority, ran, **{"started": NOW - ran, "stoppable": True, **values})


def order(*entries: Entry, quotas: Quotas | None = None, **used: float) -> list[str]:
    return [one.id for one in in_order(entries, used, quotas or Quotas(), Queue(), NOW)]


@pytest.mark.parametrize(
    ("wanted", "highest", "kind", "found"),
    [
        ("normal", "normal", {}, NORMAL),
        ("high", "normal", {}, NORMAL),  # not granted
        ("high", "high", {}, HIGH),
        ("low", "high", {}, LOW),
        ("normal", "high", {"experiment": True}, LOW),
        ("low", "high", {"experiment": True}, LOW),
        ("normal", "high", {"retraining": True}, HIGH),
        ("normal", "normal", {"retraining": True}, NORMAL),
        ("high", "low", {"retraining": True}, LOW),
        ("normal", "high", {"experiment": True, "retraining": True}, LOW),
    ],
)
def test_the_class_is_what_the_use_case_asks_for_and_its_team_is_granted(wanted, highest, kind, found):
    assert class_of(wanted, highest, **{"experiment": False, "retraining": False, **kind}) == found


def test_the_highest_class_comes_first_then_the_team_that_used_least_then_who_came_first():
    waiting = [entry("low", LOW, 9 * HOUR), entry("much", waited=5 * HOUR), entry("little"), entry("high", HIGH)]
    assert order(*waiting, much=100.0, little=1.0, low=0.0, high=999.0) == ["high", "little", "much", "low"]
    same = [entry("b", team="x"), entry("a", team="x", waited=1.0)]
    assert order(*same) == ["a", "b"]


def test_use_counts_by_weight():
    waiting = [entry("legal"), entry("sales")]
    assert order(*waiting, legal=300.0, sales=100.0) == ["sales", "legal"]
    assert order(*waiting, quotas=WEIGHTED, legal=300.0, sales=100.0) == ["legal", "sales"]


def test_waiting_raises_a_class_so_that_none_waits_forever():
    """A low program of the greediest team is before each that comes three days later."""
    old = entry("old", LOW, 73 * HOUR)
    assert order(old, *(entry(f"new{n}", HIGH) for n in range(5)), old=1e9)[0] == "old"
    younger = entry("old", LOW, 71 * HOUR)
    assert order(younger, entry("new", HIGH), old=1e9) == ["new", "old"]


def test_use_is_that_of_the_last_days_and_what_running_programs_will_take():
    def row(team: str, days_ago: float, **values: Any) -> dict[str, Any]:
        at = datetime.fromtimestamp(NOW, UTC) - timedelta(days=days_ago)
        return {"team": team, "use_case": team, "started_at": at, "state": "finished", "seconds": 10.0} | values

    rows = [
        row("a", 1, gpu_seconds=40.0),
        row("a", 8, gpu_seconds=1000.0),
        row("a", 0, gpu_seconds=7.0, state="running"),
        row("b", 1, gpu_seconds=0.0),
        row("", 1, gpu_seconds=0.0, use_case="old"),
    ]
    now = [running("a", ran=30.0, seconds=100.0, gpus=2), running("c", ran=300.0, seconds=100.0), entry("d")]
    assert used_lately(rows, now, Queue(), NOW, {"old": "b"}) == {"a": 240.0, "b": 20.0, "c": 300.0}


@pytest.mark.parametrize(
    ("training", "reason"),
    [
        (running("x", NORMAL), "the class is not lower"),
        (running("x", stoppable=False), "an evaluation, or a training elsewhere"),
        (running("x", ran=9 * MINUTE), "it has just begun"),
        (running("x", seconds=HOUR + 9 * MINUTE), "it is about to end"),
        (running("x", asked_by="somebody"), "it was asked already"),
        (entry("x", LOW, HOUR, stoppable=True), "it waits itself"),
    ],
)
def test_nobody_is_asked_to_make_room_where(training, reason):
    by = entry("by")
    assert not may_be_asked(training, by, Queue(), NOW), reason
    assert who_makes_room(by, [training, by], {}, Quotas(), Queue(), NOW) is None


def test_the_lowest_class_makes_room_of_it_the_team_that_used_most_of_it_the_one_that_ran_shortest():
    by = entry("by", HIGH)
    trainings = [
        running("normal", NORMAL),
        running("little", LOW),
        running("long", LOW, 3 * HOUR, team="much"),
        running("short", LOW, team="much"),
    ]
    used = {"much": 9.0, "little": 1.0, "normal": 99.0}

    def asked(*among: Entry, **settings: Any) -> str | None:
        found = who_makes_room(by, among, used, Quotas(), Queue(**settings), NOW)
        return found.id if found else None

    assert asked(*trainings) == "short"
    assert asked(*trainings[:2]) == "little" and asked(trainings[0]) == "normal" and asked() is None
    assert asked(*trainings, preempt=False) is None
    assert asked(running("late", seconds=HOUR + 11 * MINUTE)) == "late"


def test_a_training_that_would_have_its_place_back_at_once_is_not_asked():
    """It waited so long before it ran that its age puts it first."""
    by, aged = entry("by", HIGH), running("aged", LOW, HOUR)
    aged = replace(aged, since=NOW - 80 * HOUR)
    assert may_be_asked(aged, by, Queue(), NOW)
    assert who_makes_room(by, [by, aged], {}, Quotas(), Queue(), NOW) is None


def queued(lake: Lake, one: Entry) -> Queued:
    return Queued(lake, replace(one, since=time.time()), Quotas(), Queue(least_minutes=0.0))


def looked(one: Queued) -> tuple[Any, list[Entry], dict[str, float]]:
    seen = one.look()
    assert seen
    return seen


def test_who_waits_does_not_wait_for_ever_for_a_lake_that_is_closed(lake: Lake, monkeypatch):
    def closed(*_: Any) -> Any:
        raise PermissionError("the folder of the queue")

    with queued(lake, entry("a")).there() as one:
        with monkeypatch.context() as patched:
            patched.setattr(QueueFolder, "entries", closed)
            assert one.look() is None
            patched.setattr(queue_folder, "PATIENCE_SECONDS", -1.0)
            with pytest.raises(PermissionError):
                one.look()
        assert looked(one)


def test_while_the_lake_is_out_of_reach_nobody_makes_room_and_nobody_moves_on(lake: Lake, monkeypatch):
    def unreachable(*_: Any) -> Any:
        raise LakeUnreachable("the store does not answer", "Wait")

    with queued(lake, entry("a", LOW, stoppable=True)).there() as one:
        one.has_place()
        QueueFolder(lake).ask(one.entry, entry("b", HIGH))
        with monkeypatch.context() as patch:
            patch.setattr(queue_folder.files, "read_bytes", unreachable)
            assert one.look() is None and not one.asked()
        assert one.look() and one.asked()
        monkeypatch.setattr(QueueFolder, "leave", unreachable)


def test_what_a_newer_version_writes_is_read(lake: Lake):
    with queued(lake, entry("a")).there() as one:
        (file,) = Path(lake.root).rglob("queue/a.json")
        file.write_text(json.dumps({**json.loads(file.read_text()), "colour": "blue"}))
        assert [each.id for each in looked(one)[1]] == ["a"]


def test_who_waits_is_seen_by_all_and_gone_afterwards(lake: Lake):
    with queued(lake, entry("a")).there() as first, queued(lake, entry("b", HIGH)).there() as second:
        entries, waiting, _ = looked(first)
        assert [one.id for one in waiting] == ["b", "a"] and len(entries) == 2
        second.has_place()
        assert [one.id for one in looked(first)[1]] == ["a"]
    assert not QueueFolder(lake).entries()
    assert not list(Path(lake.root).rglob("queue/*"))


def test_only_one_asks_and_who_made_room_waits_on_with_what_it_waited_before(lake: Lake):
    training = queued(lake, entry("t", LOW, stoppable=True, seconds=5000.0))
    with training.there(), queued(lake, entry("a", HIGH)).there() as first, queued(lake, entry("b", HIGH)).there():
        training.has_place()
        assert not training.asked()
        entries, _, used = looked(first)
        asked = first.ask_for_room(entries, used)
        assert asked and asked.id == "t" and training.asked()
        assert not QueueFolder(lake).ask(asked, first.entry)  # the second one comes too late
        entries, _, used = looked(first)
        assert first.ask_for_room(entries, used) is None  # and who looks anew sees it
        began, started = training.entry.since, training.entry.started
        assert started
        time.sleep(0.05)
        training.made_room()
        now = training.entry
        assert (
            now.waits
            and (now.stint, now.made_room_for) == (1, "for a program of high priority")
            and not training.asked()
        )
        assert 0.04 < now.since - began < 5 and now.seconds is not None and 4990 < now.seconds < 5000
        assert training.expects(5000.0) == now.seconds  # what is left, not all of it again
    assert not list(Path(lake.root).rglob("queue/*"))


def test_a_killed_program_keeps_its_turn_for_a_minute_only(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    QueueFolder(lake).write(replace(entry("killed", HIGH), since=time.time()))
    with queued(lake, entry("a")).there() as one:
        assert [each.id for each in looked(one)[1]] == ["killed", "a"]
        monkeypatch.setattr(queue_folder, "LOST_AFTER_SECONDS", 0.0)
        assert looked(one)[1] == []
        one.folder.write(one.entry)
        monkeypatch.setattr(queue_folder, "LOST_AFTER_SECONDS", 5.0)
        monkeypatch.setattr(queue_folder.time, "time", lambda: NOW + 10**9)
        one.folder.write(one.entry)
        assert [each.id for each in QueueFolder(lake).entries()] == ["a"]
    assert not list(Path(lake.root).rglob("queue/*"))  # what it left was removed too


def test_other_pools_have_a_queue_of_their_own(lake: Lake):
    with queued(lake, entry("a", pool="gpu@x")).there() as one, queued(lake, entry("b", pool="gpu@y")).there():
        assert [each.id for each in looked(one)[1]] == ["a"]


def test_classes_stand_in_their_order():
    assert PRIORITIES == ("low", "normal", "high")
