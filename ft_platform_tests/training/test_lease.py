"""One trainer per checkpoint, on a local lake and on an object store (a server of the S3 protocol)."""

import json
import logging
import multiprocessing
import os
import signal
import time

import pytest
import torch

from ft_platform.errors import BudgetExceeded, Preempted, TrainerRunning
from ft_platform.lake import lease as leases
from ft_platform.lake.lease import lease
from ft_platform.lake.store import Lake
from ft_platform.lake.training_states import TrainingStates, UnfinishedTraining, unfinished_trainings
from ft_platform.lake.versions import TableVersion
from ft_platform.training.run import TrainingRun
from ft_platform.training.state import States, hardware
from ft_platform.training.stopping import Stopping
from ft_platform_tests.aws_server import s3_bucket

LOG = logging.getLogger("test")


@pytest.fixture
def bucket_lake(monkeypatch):
    with s3_bucket("lake", monkeypatch):
        from ft_platform.use_case.environment import load_environment

        yield Lake("s3://lake/department", load_environment().storage_options())


def hold(root: str, held: multiprocessing.Event) -> None:
    with lease(Lake(root), "complaints", "ckpt-1"):
        held.set()
        time.sleep(60)


@pytest.mark.integration
def test_a_second_process_is_told_who_trains_and_gets_the_lease_when_the_first_one_is_killed(lake):
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    first = context.Process(target=hold, args=(lake.root, held))
    first.start()
    assert held.wait(60)
    with (
        pytest.raises(TrainerRunning, match=rf"ckpt-1 is being trained by process {first.pid} on .*Wait for it to end"),
        lease(lake, "complaints", "ckpt-1"),
    ):
        pass
    with lease(lake, "complaints", "ckpt-2"):
        pass
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    with lease(lake, "complaints", "ckpt-1") as still_held:
        assert still_held()


def test_on_an_object_store_one_holds_the_lease_and_the_next_follows_when_it_is_given_back(bucket_lake):
    with lease(bucket_lake, "complaints", "ckpt-1") as held:
        assert held()
        with (
            pytest.raises(TrainerRunning, match=r"ckpt-1 is being trained by process \d+ on"),
            lease(bucket_lake, "complaints", "ckpt-1"),
        ):
            pass
    with lease(bucket_lake, "complaints", "ckpt-1") as held:
        assert held()


def test_on_an_object_store_of_two_that_follow_at_once_one_gets_it(bucket_lake, monkeypatch):
    """Both saw that nobody holds the lease; the second one creates the same number."""
    place = bucket_lake.path_of("shared", "complaints", ".training", "ckpt-2.lease")
    seen = leases._numbers(bucket_lake, place)
    assert leases._follow(bucket_lake, place, "ckpt-2") == 1
    monkeypatch.setattr(leases, "_numbers", lambda *_: seen)
    with pytest.raises(TrainerRunning, match="came first"):
        leases._follow(bucket_lake, place, "ckpt-2")


def test_on_an_object_store_a_lease_that_was_not_renewed_is_followed_and_its_holder_stops(bucket_lake, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.2)
    with lease(bucket_lake, "complaints", "ckpt-3") as held:
        place = bucket_lake.path_of("shared", "complaints", ".training", "ckpt-3.lease")
        bucket_lake.fs.pipe_file(
            f"{place}/lease-000002", json.dumps({"owner": "another machine", "until": time.time() + 60}).encode()
        )
        deadline = time.monotonic() + 20
        while held() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not held()
        reason = Stopping("complaints", held=held)(TrainingRun(steps=4, step=2))
        assert isinstance(reason, TrainerRunning) and "did not renew" in reason.message


def test_on_an_object_store_a_lease_of_a_clock_that_was_wrong_does_not_block_a_training_for_years(bucket_lake):
    place = bucket_lake.path_of("shared", "complaints", ".training", "ckpt-9.lease")
    bucket_lake.fs.pipe_file(
        f"{place}/lease-000001", json.dumps({"owner": "somebody", "until": time.time() + 10**9}).encode()
    )
    assert leases._follow(bucket_lake, place, "ckpt-9") == 2


def test_states_on_an_object_store_are_whole_or_set_aside(bucket_lake):
    weights = {"w": torch.nn.Parameter(torch.arange(4.0))}
    optimizer = torch.optim.AdamW(weights.values())
    folders = TrainingStates(bucket_lake, TableVersion("complaints", "splits", "shared", 1, "c0", 40, ""), "ckpt-4")
    saved = States(folders, 0.0, LOG)
    for step in (1, 2, 3):
        with torch.no_grad():
            weights["w"].fill_(step)
        saved.save(TrainingRun(steps=9, step=step, attempts=[hardware(torch.device("cpu"))]), weights, optimizer)
    assert folders.steps() == [3, 2]
    bucket_lake.fs.pipe_file(f"{folders.folder}/step-00000003/weights.safetensors", b"other bytes")
    bucket_lake.fs.pipe_file(
        f"{folders.folder}/step-00000004/weights.safetensors", b"an upload that a kill cut short: no manifest"
    )
    again = States(folders, 0.0, LOG)
    run = again.restore(weights, optimizer)
    assert run and run.step == 2 and weights["w"].tolist() == [2.0] * 4
    assert unfinished_trainings(bucket_lake, "complaints") == [UnfinishedTraining("ckpt-4", "splits@1", "c0")]
    assert again.damaged == [
        (4, "manifest.json is missing"),
        (3, "weights.safetensors has different bytes from those that were saved"),
    ]
    folders.remove()
    assert folders.steps() == [] and unfinished_trainings(bucket_lake, "complaints") == []


def test_a_stop_is_asked_for_by_sigterm_once_and_the_second_signal_ends_the_process():
    stopping = Stopping("complaints")
    before = signal.getsignal(signal.SIGTERM)
    with stopping.on_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        assert stopping.signal == signal.SIGTERM and signal.getsignal(signal.SIGTERM) == before
        assert isinstance(stopping(TrainingRun(steps=4, step=2)), Preempted)
    assert signal.getsignal(signal.SIGTERM) == before


def test_at_the_time_limit_the_state_is_saved_and_the_next_command_is_named():
    reason = Stopping("complaints", seconds=-1.0)(TrainingRun(steps=4, step=2))
    assert (
        reason
        and "the state after step 2 of 4 was saved" in reason.message
        and "raise compute.timeout_minutes" in reason.next_step
    )
    assert Stopping("complaints", seconds=60.0)(TrainingRun(steps=4, step=2)) is None


def test_a_budget_that_is_used_up_while_training_runs_ends_it_with_a_saved_state(monkeypatch):
    monkeypatch.setattr("ft_platform.training.stopping.BUDGET_SECONDS", 0.0)
    gone: list[str] = []
    stopping = Stopping("complaints", used_up=lambda: gone[0] if gone else None)
    assert stopping(TrainingRun(steps=4, step=1)) is None
    gone.append("9.00 of 9.00 EUR of this month's budget (compute.budget_per_month) are spent")
    reason = stopping(TrainingRun(steps=4, step=2))
    assert (
        isinstance(reason, BudgetExceeded)
        and "9.00 of 9.00 EUR" in reason.message
        and "the state after step 2 of 4 was saved" in reason.message
    )
    assert "ft costs" in reason.next_step and "ft run complaints --select adapter_checkpoint" in reason.next_step


def test_a_lease_whose_renewal_breaks_is_not_held_any_more(bucket_lake, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.1)
    # The thread's error is printed by Python's own hook; here it is expected.
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    with lease(bucket_lake, "complaints", "ckpt-5") as held:
        monkeypatch.setattr(leases, "_numbers", lambda *_: 1 / 0)
        deadline = time.monotonic() + 20
        while held() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not held()
