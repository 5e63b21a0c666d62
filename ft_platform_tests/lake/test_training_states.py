"""Saved states are removed by a sweep while their training saves new ones and removes old ones: planted at every file
operation in between."""

import base64
import errno
import hashlib
import io
import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from ft_platform.errors import StatesInUse, TransientError
from ft_platform.lake import files
from ft_platform.lake.signing.keys import SigningKeys
from ft_platform.lake.store import Lake
from ft_platform.lake.training_states import (
    ATTEMPTS,
    TrainingStates,
    UnfinishedTraining,
    damage,
    read_manifest,
    remove_states,
    unfinished_trainings,
)


@pytest.fixture
def states(lake: Lake) -> TrainingStates:
    schema = pa.schema([("record_id", pa.string())])
    splits = lake.write_table(
        "complaints", "splits", [], schema, zone="shared", parents=[], settings_hash="s", input_hash="i"
    )
    found = TrainingStates(lake, splits, "ckpt-running")
    for step in (1, 2):
        save(found, step)
    return found


def save(states: TrainingStates, step: int) -> None:
    with states.writing(step) as folder:
        (folder / "weights.safetensors").write_bytes(b"weights")


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, operation: str, what: Callable[[], None], times: int = 1
) -> list[str]:
    """Lets something happen right before an operation of the lake's file system, so many times."""
    real, seen = getattr(lake.fs, operation), []

    def planted(*arguments, **options):
        if len(seen) < times:
            seen.append(operation)
            what()
        return real(*arguments, **options)

    monkeypatch.setattr(lake.fs, operation, planted)
    return seen


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
@pytest.mark.parametrize("what", ["manifest.json", "weights.safetensors"])
def test_a_state_that_cannot_be_read_just_now_is_not_set_aside(
    lake: Lake, states: TrainingStates, monkeypatch: pytest.MonkeyPatch, number: int, what: str
) -> None:
    """As where a shared folder does not answer for a moment: the state is whole."""
    real = io.open

    def fails(file, *arguments, **options):
        if str(file).endswith(what):
            raise OSError(number, os.strerror(number))
        return real(file, *arguments, **options)

    damaged: list[str] = []
    with monkeypatch.context() as planted:
        planted.setattr("io.open", fails)
        planted.setattr("builtins.open", fails)
        reading = states.newest(lambda _, problem: damaged.append(problem))
        with pytest.raises(TransientError, match=rf"step 2 of ckpt-running .* \({errno.errorcode[number]}\)"):
            reading.__enter__()
    assert damaged == [] and states.steps() == [2, 1]
    with states.newest(lambda _, problem: damaged.append(problem)) as found:
        assert found and found[0] == 2 and damaged == []


def test_a_training_whose_states_cannot_be_read_just_now_is_not_unknown(
    lake: Lake, states: TrainingStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep of records that may not be used any more goes by the splits that a state names."""
    real = lake.fs.cat_file

    def fails(path: str, *arguments, **options):
        raise OSError(errno.EIO, "no answer")

    monkeypatch.setattr(lake.fs, "cat_file", fails)
    with pytest.raises(OSError, match="no answer"):
        unfinished_trainings(lake, "complaints")
    monkeypatch.setattr(lake.fs, "cat_file", real)
    [one] = unfinished_trainings(lake, "complaints")
    assert one.splits == states.splits.id


@pytest.mark.parametrize("operation", ["exists", "find", "rm_file", "rm"])
def test_states_that_their_training_removes_at_the_same_moment_are_no_error(lake, states, monkeypatch, operation):
    seen = meanwhile(monkeypatch, lake, operation, lambda: shutil.rmtree(states.folder, ignore_errors=True))
    remove_states(lake, "complaints", "ckpt-running")
    assert seen and not Path(states.folder).exists()


@pytest.mark.parametrize("operation", ["exists", "find", "rm_file", "rm"])
def test_an_old_state_that_goes_and_a_new_one_that_comes_at_the_same_moment_are_removed_as_well(
    lake, states, monkeypatch, operation
):
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


def test_every_bit_of_a_manifest_is_watched(states):
    """Also those that say what a training is made from: by them the sweep finds trainings on withdrawn records."""
    manifest = Path(states.folder) / "step-00000002" / "manifest.json"
    written = manifest.read_bytes()
    for place, bit in itertools.product(range(len(written)), range(8)):
        flipped = bytearray(written)
        flipped[place] ^= 1 << bit
        manifest.write_bytes(flipped)
        assert damage(manifest.parent), f"bit {bit} of byte {place}"
    manifest.write_bytes(written)
    assert damage(manifest.parent) is None


@pytest.mark.parametrize("content", [b"[]", b"3", b"null", b"{}"])
def test_a_manifest_that_is_no_manifest_is_damage_and_the_training_unknown(lake, states, content):
    for manifest in Path(states.folder).rglob("manifest.json"):
        manifest.write_bytes(content)
        assert damage(manifest.parent) == "manifest.json cannot be read"
    assert unfinished_trainings(lake, "complaints") == [UnfinishedTraining("ckpt-running", None, None)]


def test_a_training_whose_manifests_name_other_splits_than_were_written_is_unknown(lake, states):
    for manifest in Path(states.folder).rglob("manifest.json"):
        manifest.write_text(
            manifest.read_text().replace(states.splits.content_hash, "0" * len(states.splits.content_hash))
        )
    assert unfinished_trainings(lake, "complaints") == [UnfinishedTraining("ckpt-running", None, None)]


def test_states_of_versions_that_signed_nothing_are_known_and_not_gone_on_from(lake, states):
    for manifest in Path(states.folder).rglob("manifest.json"):
        content = json.loads(manifest.read_bytes())
        del content["sha256"], content["signed"]
        manifest.write_text(json.dumps(content))
        assert damage(manifest.parent) is None
    assert unfinished_trainings(lake, "complaints") == [
        UnfinishedTraining("ckpt-running", states.splits.id, states.splits.content_hash)
    ]
    with states.newest(lambda step, problem: None) as found:
        assert found is None


def forged(folder: Path) -> None:
    """Other weights, and a manifest whose hashes are right, as whoever may write the lake can make them."""
    (folder / "weights.safetensors").write_bytes(b"a back door")
    manifest = read_manifest((folder / "manifest.json").read_bytes())
    manifest["files"] = {"weights.safetensors": hashlib.sha256(b"a back door").hexdigest()}
    digest = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({**manifest, "sha256": digest}))
    assert damage(folder) is None


def signed_for(states: TrainingStates, checkpoint: str, step: int) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        other = TrainingStates(states.lake, states.splits, checkpoint, keep=9)
        with other.writing(step) as made:
            (made / "weights.safetensors").write_bytes(b"a back door")
        shutil.rmtree(folder)
        shutil.move(Path(other.folder) / f"step-{step:08d}", folder)

    return put


def signed_otherwise(states: TrainingStates) -> Callable[[Path], None]:
    """By this installation, for another purpose: the same words without what says that they are of a state."""

    def sign(folder: Path) -> None:
        forged(folder)
        signing = states.lake.signing
        assert signing is not None
        manifest = read_manifest((folder / "manifest.json").read_bytes())
        said = {**manifest, "use_case": "complaints", "checkpoint": "ckpt-running"}
        signature = signing.keys.sign(json.dumps(said, sort_keys=True).encode())
        manifest["signed"] = [signing.keys.newest, base64.b64encode(signature).decode()]
        digest = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
        (folder / "manifest.json").write_text(json.dumps({**manifest, "sha256": digest}))

    return sign


@pytest.mark.parametrize("how", ["forged", "of another training", "of another step", "for another purpose", "stolen"])
def test_a_training_goes_on_only_from_states_that_this_installation_saved_for_it(
    states: TrainingStates, how: str
) -> None:
    change = {
        "forged": forged,
        "of another training": signed_for(states, "ckpt-other", 2),
        "of another step": signed_for(states, "ckpt-running", 3),
        "for another purpose": signed_otherwise(states),
    }
    signing, damaged = states.lake.signing, []
    assert signing is not None
    if how == "stolen":
        keys = signing.keys
        assert isinstance(keys, SigningKeys)
        keys.report_stolen(keys.newest, "2026-01-01T00:00:00+00:00", {})
        keys.rotate()
        shutil.rmtree(Path(states.folder) / "step-00000001")
        save(states, 1)
    else:
        change[how](Path(states.folder) / "step-00000002")
    with states.newest(lambda step, problem: damaged.append((step, problem))) as found:
        assert found is not None
        assert (how, (found[1] / "weights.safetensors").read_bytes()) == (how, b"weights")
    assert damaged[-1] == (2, "it is not signed by this installation for this training")
