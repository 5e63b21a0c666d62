"""The place in the pool `gpu`: waited for only by programs that load a model, said while it is waited for, freed at the
end."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from ft_platform.compute import pool, program_runs
from ft_platform.compute.pool import POOL, place_in_pool, pool_of
from ft_platform.costs.fair_queue import Entry
from ft_platform.costs.queue_folder import Queued
from ft_platform.lake.store import Lake
from ft_platform.process import progress
from ft_platform.use_case.settings.quotas import Queue, Quotas

OTHER = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    settings = {"concurrency": {"pools": {"default_limit": 1, "granularity": "op"}}}
    with dg.instance_for_test(settings) as made:
        yield made


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "LOOK_SECONDS", 0.02)


def queued(context: dg.AssetExecutionContext, **values: Any) -> Queued:
    """A program of a run in a lake of its own."""
    entry = Entry(
        context.run.run_id, pool_of(context.instance), context.run.run_id, "letters", "mail", "train", "local", 1, 0.0
    )
    return Queued(LAKE[0], replace(entry, **values), Quotas(), Queue())


LAKE: list[Lake] = []


@pytest.fixture(autouse=True)
def in_this_lake(lake: Lake) -> Iterator[None]:
    LAKE.append(lake)
    yield
    LAKE.clear()


def materialized(instance: dg.DagsterInstance, does: Any) -> dg.ExecuteInProcessResult:
    @dg.asset
    def step(context: dg.AssetExecutionContext) -> None:
        with queued(context).there() as one, place_in_pool(context, one):
            does(context)

    return dg.materialize([step], instance=instance, raise_on_error=False)


def holders(instance: dg.DagsterInstance) -> list[str]:
    return [slot.run_id for slot in instance.event_log_storage.get_concurrency_info(POOL).claimed_slots]


def test_a_program_has_the_place_while_it_runs_and_not_after(instance: dg.DagsterInstance) -> None:
    seen: list[Any] = []
    result = materialized(instance, lambda context: seen.append((context.run.run_id, holders(instance))))
    assert seen == [(result.run_id, [result.run_id])]
    assert not holders(instance)


@pytest.mark.parametrize("limit", [0, 3])
def test_a_limit_that_a_person_has_set_stays(instance: dg.DagsterInstance, limit: int) -> None:
    instance.event_log_storage.set_concurrency_slots(POOL, limit)
    assert pool._is_limited(instance)
    assert instance.event_log_storage.get_concurrency_info(POOL).limit == limit


@pytest.mark.parametrize("default", [None, 2])
def test_another_default_of_the_instance_counts(instance: dg.DagsterInstance, default: int | None, monkeypatch) -> None:
    assert pool._is_limited(instance)
    monkeypatch.setattr(type(instance), "global_op_concurrency_default_limit", default)
    assert pool._is_limited(instance) is (default is not None)
    assert (instance.event_log_storage.get_concurrency_info(POOL).limit or None) == default


def test_a_failure_frees_it_too(instance: dg.DagsterInstance) -> None:
    def fail(_context: Any) -> None:
        raise RuntimeError("the program failed")

    assert not materialized(instance, fail).success
    assert not holders(instance)
    assert not instance.event_log_storage.get_concurrency_info(POOL).pending_steps


def test_who_waits_says_for_whom_and_goes_on_when_the_place_is_free(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default(POOL)
    assert storage.claim_concurrency_slot(POOL, OTHER, "training").is_claimed
    waiting, ran = threading.Event(), []

    def freed() -> None:
        assert waiting.wait(60)
        time.sleep(0.1)
        ran.append("the other ended")
        storage.free_concurrency_slot_for_step(OTHER, "training")

    other = threading.Thread(target=freed)
    other.start()
    with progress.listening(lambda update: waiting.set() if "waits_for" in update.fields else None):
        result = materialized(instance, lambda _context: ran.append("this one runs"))
    other.join()
    assert result.success and ran == ["the other ended", "this one runs"]
    said = [event.user_message for event in instance.all_logs(result.run_id) if "waits for" in event.user_message]
    assert said == [f"waits for a place in the pool `gpu`: run {OTHER[:8]} has it"]


def test_an_audit_waits_for_nobody() -> None:
    assert "audit" not in program_runs.MODEL_PROGRAMS
    assert {"train", "evaluate", "regression", "attack"} <= program_runs.MODEL_PROGRAMS


def test_a_step_is_told_by_its_stage_also_where_it_is_a_check_alone() -> None:
    """As `passes_training_audit`, whose program may wait for a machine."""
    found: list[str] = []

    @dg.asset(key=["complaints", "splits"])
    def made(context: dg.AssetExecutionContext) -> None:
        found.append(pool.stage_of(context))

    @dg.asset_check(asset=dg.AssetKey(["complaints", "splits"]))
    def holds(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        step: Any = context.op_execution_context
        found.append(pool.stage_of(step))
        return dg.AssetCheckResult(passed=True)

    job = dg.Definitions([made], asset_checks=[holds], jobs=[dg.define_asset_job("all")]).resolve_job_def("all")
    assert job.execute_in_process().success and found == ["splits", "splits"]
