"""A program of a higher class has the place of a training, which waits and goes on. Back ends are played here; with a
real training: `test_preemption.py`."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from ft_platform.compute import pool, program_runs, running
from ft_platform.compute.backend import Launch
from ft_platform.compute.pool import POOL
from ft_platform.compute.program_runs import RETRAINING, run_program
from ft_platform.costs.fair_queue import Entry
from ft_platform.costs.ledger import Ledger
from ft_platform.costs.queue_folder import QueueFolder
from ft_platform.errors import NanLoss, Preempted, QuotaExceeded
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.quotas import Queue
from ft_platform_tests.costs.test_ledger import named
from ft_platform_tests.costs.test_quotas import of_team, with_quotas

ARTIFACT = {
    "type": "artifact",
    "use_case": "complaints",
    "name": "adapter_checkpoint",
    "artifact_id": "a-1",
    "content_hash": "0" * 64,
    "uri": "nowhere",
}
SECONDS = 60.0


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    settings = {"concurrency": {"pools": {"default_limit": 1, "granularity": "op"}}}
    with dg.instance_for_test(settings) as made:
        yield made


@pytest.fixture
def installation(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Where a training may be asked at once."""
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.02)
    quick = Queue(least_minutes=0.0, spare_minutes=0.0)
    return with_quotas(environment, teams={"legal": {"priority": "high"}}).model_copy(update={"queue": quick})


class Office:
    """Steps that run programs on a back end of this test, in threads.

    Attributes:
        said: what happened, in order.
        does: use case -> what its program does.
    """

    def __init__(self, environment: Environment, instance: dg.DagsterInstance) -> None:
        self.environment, self.instance = environment, instance
        self.said: list[str] = []
        self.does: dict[str, Callable[[Launch], None]] = {}
        self.entries: dict[str, Entry] = {}

    def run(self, launch: Launch) -> dict[str, Any]:
        name = launch.use_case.name
        self.said.append(f"{name} begins")
        self.does[name](launch)
        self.said.append(f"{name} ends")
        return {"artifact": ARTIFACT}

    def step(self, name: str, priority: str, program: str = "train", tags: dict[str, str] | None = None) -> Any:
        """A thread in which a step runs the program; its result when it is joined."""
        use_case, results = of_team("legal", name, priority=priority), []

        @dg.asset(name=name)
        def asset(context: dg.AssetExecutionContext) -> None:
            try:
                results.append(run_program(context, self.environment, use_case, program, {}))
            except Exception as error:
                results.append(error)

        def materialize() -> None:
            dg.materialize([asset], instance=self.instance, tags=tags)

        thread = threading.Thread(target=materialize)
        thread.start()

        def result() -> Any:
            thread.join(SECONDS)
            assert not thread.is_alive()
            return results[0]

        return result


@pytest.fixture
def office(installation: Environment, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Office:
    made = Office(installation, instance)
    monkeypatch.setattr(program_runs, "backend", lambda _name: made)
    return made


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def makes_room(launch: Launch) -> None:
    """As a training, which saves its state and says so; the second time it ends."""
    if not hasattr(makes_room, "stopped"):
        until(launch.make_room)
        makes_room.stopped = True  # type: ignore[attr-defined]
        raise Preempted("training was stopped by SIGINT; the state after step 3 of 9 was saved", "Run it again")


@pytest.fixture(autouse=True)
def not_stopped_yet() -> None:
    vars(makes_room).pop("stopped", None)


def test_a_training_makes_room_and_its_step_waits_and_goes_on(office: Office, lake: Lake) -> None:
    office.does = {"patient": makes_room, "urgent": lambda _launch: None}
    patient = office.step("patient", "low")
    until(lambda: "patient begins" in office.said)
    urgent = office.step("urgent", "high")
    assert urgent().artifact.artifact_id == patient().artifact.artifact_id == "a-1"
    assert office.said == ["patient begins", "urgent begins", "urgent ends", "patient begins", "patient ends"]
    rows = [(row["use_case"], row["state"], row["error"]) for row in Ledger(lake).rows()]
    assert sorted(rows, key=str) == [
        ("patient", "finished", None),
        ("patient", "stopped", "MadeRoom"),
        ("urgent", "finished", None),
    ]
    assert not QueueFolder(lake).entries()
    assert not office.instance.event_log_storage.get_concurrency_info(POOL).claimed_slots
    said = [event.user_message for run in office.instance.get_runs() for event in office.instance.all_logs(run.run_id)]
    assert any("asked the training of patient (low priority) to make room" in one for one in said)
    assert any("the state after step 3 of 9 was saved. It waits for the next place" in one for one in said)


@pytest.mark.parametrize(
    ("program", "priority", "urgent", "why"),
    [
        ("evaluate", "low", "high", "an evaluation would lose its work"),
        ("train", "normal", "normal", "the class is not lower"),
    ],
)
def test_others_are_waited_for(office: Office, lake: Lake, program: str, priority: str, urgent: str, why: str) -> None:
    asked: list[bool] = []

    def goes_on(launch: Launch) -> None:
        until(lambda: len(QueueFolder(lake).entries()) == 2)
        time.sleep(0.3)
        asked.append(launch.make_room())

    office.does = {"first": goes_on, "second": lambda _launch: None}
    first = office.step("first", priority, program)
    until(lambda: "first begins" in office.said)
    second = office.step("second", urgent)
    first()
    second()
    assert asked == [False], why
    assert office.said == ["first begins", "first ends", "second begins", "second ends"]


def test_a_failure_of_its_own_is_not_taken_for_room(office: Office) -> None:
    def fails(launch: Launch) -> None:
        until(launch.make_room)
        raise NanLoss("the loss became NaN", "Lower it")

    office.does = {"patient": fails, "urgent": lambda _launch: None}
    patient = office.step("patient", "low")
    until(lambda: "patient begins" in office.said)
    urgent = office.step("urgent", "high")
    assert isinstance(patient(), NanLoss) and urgent().artifact


def test_classes_follow_program_and_reason(office: Office, lake: Lake) -> None:
    found: dict[str, int] = {}

    def look(launch: Launch) -> None:
        (entry,) = QueueFolder(lake).entries()
        found[launch.use_case.name] = entry.priority

    for name, program, tags in (
        ("plain", "train", {}),
        ("tries", "search", {}),
        ("again", "train", {RETRAINING: "start-1"}),
    ):
        office.does[name] = look
        office.step(name, "normal", program, tags)()
    assert found == {"plain": 1, "tries": 0, "again": 2}


def test_a_team_that_used_its_quota_does_not_even_wait(office: Office, lake: Lake) -> None:
    office.environment = with_quotas(office.environment, teams={"legal": {"gpu_hours": 0.0}})
    assert isinstance(office.step("late", "high")(), QuotaExceeded)
    assert office.said == [] and not QueueFolder(lake).entries() and not Ledger(lake).rows()


class Played:
    """A program that ends when it is stopped."""

    def __init__(self) -> None:
        self.stops: list[float] = []

    def wait(self, timeout: float) -> int:
        if self.stops:
            return 3
        raise subprocess.TimeoutExpired("program", timeout)

    def stop(self, grace_seconds: float) -> None:
        self.stops.append(grace_seconds)


def launch_of(make_room: Callable[[], bool], seconds: float) -> Any:
    limits = SimpleNamespace(timeout_seconds=seconds, grace_seconds=7.0)
    return SimpleNamespace(resources=limits, make_room=make_room, use_case=named())


def test_a_program_on_this_machine_is_stopped_as_soon_as_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "ROOM_SECONDS", 0.01)
    program, looks = Played(), iter([False, False, True])
    assert running._wait(program, launch_of(lambda: next(looks), 60.0)) == 3
    assert program.stops == [7.0]


def test_its_time_limit_holds_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "ROOM_SECONDS", 0.01)
    with pytest.raises(subprocess.TimeoutExpired):
        running._wait(Played(), launch_of(lambda: False, 0.05))
