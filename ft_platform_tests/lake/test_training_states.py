"""Saved states are removed by a sweep while their training saves new ones and removes old ones: planted at every file operation in between."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.errors import StatesInUse, TransientError
from ft_platform.lake import Lake, files
from ft_platform.lake.training_states import ATTEMPTS, TrainingStates, remove_states


@pytest.fixture
def states(lake: Lake) -> TrainingStates:
    schema = pa.schema([("record_id", pa.string())])
    splits = lake.write_table("complaints", "splits", [], schema, zone="shared", parents=[], settings_hash="s", input_hash="i")
    found = TrainingStates(lake, splits, "ckpt-running")
    for step in (1, 2):
        save(found, step)
    return found


def save(states: TrainingStates, step: int) -> None:
    with states.writing(step) as folder:
        (folder / "weights.safetensors").write_bytes(b"weights")


def meanwhile(monkeypatch: pytest.MonkeyPatch, lake: Lake, operation: str, what: Callable[[], None], times: int = 1) -> list[str]:
    """Lets something happen right before an operation of the lake's file system, so many times."""
    real, seen = getattr(lake.fs, operation), []

    def planted(*arguments, **options):
        if len(seen) < times:
            seen.append(operation)
            what()
        return real(*arguments, **options)

    monkeypatch.setattr(lake.fs, operation, planted)
    return seen


@pytest.mark.parametrize("operation", ["exists", "find", "rm_file", "rm"])
def test_states_that_their_training_removes_at_the_same_moment_are_no_error(lake, states, monkeypatch, operation):
    seen = meanwhile(monkeypatch, lake, operation, lambda: shutil.rmtree(states.folder, ignore_errors=True))
    remove_states(lake, "complaints", "ckpt-running")
    assert seen and not Path(states.folder).exists()


@pytest.mark.parametrize("operation", ["exists", "find", "rm_file", "rm"])
def test_an_old_state_that_goes_and_a_new_one_that_comes_at_the_same_moment_are_removed_as_well(lake, states, monkeypatch, operation):
    numbers = iter(range(3, 100))
    seen = meanwhile(monkeypatch, lake, operation, lambda: save(states, next(numbers)), times=1)
    remove_states(lake, "complaints", "ckpt-running")
    assert seen and not Path(states.folder).exists()


def test_a_state_that_comes_while_the_folder_is_being_emptied_is_removed_too(lake, states, monkeypatch):
    """`rmtree` finds the folder filled again when it wants to remove it."""
    real, came = os.rmdir, []

    def rmdir(path, *arguments, **options):
        if not came and str(path).rstrip("/").endswith("ckpt-running"):
            came.append(path)
            save(states, 3)
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "rmdir", rmdir)
    remove_states(lake, "complaints", "ckpt-running")
    assert came and not Path(states.folder).exists()


def test_a_training_that_saves_all_the_time_is_a_typed_error_that_may_be_tried_again(lake, states, monkeypatch):
    real, numbers = lake.fs.rm, iter(range(3, 1000))

    def rm(*arguments, **options):
        real(*arguments, **options)
        save(states, next(numbers))

    with monkeypatch.context() as patched:
        patched.setattr(lake.fs, "rm", rm)
        patched.setattr(states, "keep", 100)
        with pytest.raises(StatesInUse, match="saved states of ckpt-running were not all removed") as raised:
            remove_states(lake, "complaints", "ckpt-running")
    assert isinstance(raised.value, TransientError) and states.steps() == [2 + ATTEMPTS]
    remove_states(lake, "complaints", "ckpt-running")
    assert states.steps() == []


def test_what_really_cannot_be_removed_stays_an_error(lake, states, monkeypatch):
    def rm(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lake.fs, "rm", rm)
    with pytest.raises(PermissionError):
        remove_states(lake, "complaints", "ckpt-running")


@pytest.mark.parametrize("moment", ["before the folder is filled", "after the folder is filled"])
def test_a_training_whose_states_are_swept_while_it_saves_goes_on(lake, states, monkeypatch, moment):
    real, swept = os.rename, []

    def rename(source, target, *arguments, **options):
        if not swept and ".tmp" in str(target) and moment.startswith("before"):
            swept.append(target)
            remove_states(lake, "complaints", "ckpt-running")
        if not swept and ".tmp" in str(source) and moment.startswith("after"):
            swept.append(source)
            remove_states(lake, "complaints", "ckpt-running")
        return real(source, target, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", rename)
        save(states, 3)
    assert swept and states.steps() == ([3] if moment.startswith("before") else [])
    save(states, 4)
    assert states.steps()[0] == 4


def test_a_state_that_cannot_be_written_for_another_reason_stays_an_error(states, monkeypatch):
    def publish(fs, folder, place):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(files, "publish_folder", publish)
    with pytest.raises(FileNotFoundError):
        save(states, 3)


def test_a_state_that_is_swept_while_it_is_looked_at_is_not_damaged(lake, states, monkeypatch):
    real, damaged = states._place, []

    def place(step: int) -> str:
        shutil.rmtree(real(2), ignore_errors=True)
        return real(step)

    monkeypatch.setattr(states, "_place", place)
    with states.newest(lambda step, reason: damaged.append(step)) as found:
        assert found is not None and found[0] == 1
    assert damaged == []
