"""Folders of saved training states: each becomes readable all at once, is compared with its signed manifest before use,
and old ones go.

They lie in the lake beside the checkpoints (`shared/<use_case>/.training/<checkpoint_id>/step-<n>/`), so that another
machine can go on where one was lost. They hold weights that records gave, so `governance.taint` removes those of
trainings on records that may not be used any more, and `ft trace` lists trainings that have states and no checkpoint
yet.

Covered: a state that somebody else wrote, changed, or took from another training is not gone on from: it is set aside,
as one that is damaged. Not covered: an older state of the same training that is put back (the training goes on from
there).
"""

import base64
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform.errors import StatesInUse, TransientError
from ft_platform.lake import files
from ft_platform.lake.artifacts import Artifacts
from ft_platform.lake.places import Places
from ft_platform.lake.versions import Version

MANIFEST = "manifest.json"
KEYS = {"step", "files", "splits", "splits_content_hash"}
OWN_HASH = "sha256"
"""Key of the hash of the others: a bit that flips in them would change what a training is said to be made from."""
SIGNED, DOMAIN = "signed", b"ft-platform training state\n"
"""Key of the id of a signing key and its signature, and what stands before the bytes that it signs: nothing that was
signed for another purpose counts here."""
ATTEMPTS = 10
"""How often a folder is removed in which a training writes; it saves a state in minutes, or after every step."""


class TrainingStates:
    """Saved states of one checkpoint that is being trained.

    Args:
        splits: what it is trained on.
        keep: newest states that stay; at least 2, so that a damaged one has a predecessor.
    """

    def __init__(self, lake: Artifacts, splits: Version, checkpoint_id: str, keep: int = 2) -> None:
        self.lake, self.splits, self.checkpoint_id, self.keep = lake, splits, checkpoint_id, max(keep, 2)
        self.folder = _folder(lake, splits.use_case, checkpoint_id)

    def steps(self) -> list[int]:
        """Optimizer steps after which a state was saved, newest first; one that a killed process left half made is
        among them."""
        names = _names(self.lake, self.folder)
        found = [int(name[5:]) for name in names if name.startswith("step-") and name[5:].isdigit()]
        return sorted(found, reverse=True)

    def _place(self, step: int) -> str:
        return f"{self.folder}/step-{step:08d}"

    @contextmanager
    def writing(self, step: int) -> Iterator[Path]:
        """A folder to fill; after the block it is the newest state, and older ones than `keep` are gone.

        Raises:
            DiskFull: the states before stay as they are.
        """
        with self.lake.scratch(self.splits.use_case, f"state-{self.checkpoint_id}") as folder:
            folder.mkdir()
            yield folder
            trained_on = {"splits": self.splits.id, "splits_content_hash": self.splits.content_hash}
            manifest = {"step": step, "files": files.folder_hashes(folder), **trained_on}
            manifest |= self._signed(manifest)
            (folder / MANIFEST).write_text(json.dumps({**manifest, OWN_HASH: _hash_of(manifest)}))
            self._publish(folder, step)
        for old in self.steps()[self.keep :]:
            _remove(self.lake, self._place(old))

    def _signed(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if self.lake.signing is None:
            return {}
        keys = self.lake.signing.keys
        return {SIGNED: [keys.newest, base64.b64encode(keys.sign(self._content(manifest))).decode()]}

    def _content(self, manifest: dict[str, Any]) -> bytes:
        """What is signed: a state of this training, and of no other."""
        said = {**manifest, "use_case": self.splits.use_case, "checkpoint": self.checkpoint_id}
        return DOMAIN + json.dumps(said, sort_keys=True).encode()

    def _forgery(self, step: int, place: Path) -> str | None:
        """Why a whole state does not count; None: this installation saved it for this training."""
        if self.lake.signing is None:
            return None
        content = (place / MANIFEST).read_bytes()
        manifest = read_manifest(content)
        try:
            key_id, signature = json.loads(content)[SIGNED]
            key = self.lake.signing.keys.public[key_id]
            is_good = key.signed(self._content(manifest), base64.b64decode(signature)) and not key.stolen_since
        except (KeyError, TypeError, ValueError):
            is_good = False
        is_own = is_good and manifest["step"] == step
        return None if is_own else "it is not signed by this installation for this training"

    def _publish(self, folder: Path, step: int) -> None:
        """A sweep may remove the states of this training at this moment: before the new one is among them, or with it.
        The training goes on."""
        for last in (False, True):
            try:
                files.publish_folder(self.lake.fs, folder, self._place(step))
                return
            except FileNotFoundError:
                if last and folder.exists():
                    raise
                if not folder.exists():
                    return

    @contextmanager
    def newest(self, on_damaged: Callable[[int, str], None]) -> Iterator[tuple[int, Path] | None]:
        """Step and folder of the newest state whose bytes are those of its manifest, or None if there is none.

        Args:
            on_damaged: called with step and reason of every newer state that is not whole; it is set aside.

        Raises:
            TransientError: a state cannot be read just now. It stays where it is.
        """
        with tempfile.TemporaryDirectory(prefix="ft-state-") as temporary:
            for step in self.steps():
                place = (
                    Path(self._place(step)) if self.lake.is_local else self._download(step, Path(temporary) / str(step))
                )
                problem = self._damage(step, place)
                if problem is None:
                    yield step, place
                    return
                if not self.lake.fs.exists(self._place(step)):  # removed by a sweep since it was listed
                    continue
                on_damaged(step, problem)
                with self.lake.room_for(f"setting aside a damaged state of {self.checkpoint_id}"):
                    files.move_folder(
                        self.lake.fs, self._place(step), f"{self.folder}/damaged-{step:08d}-{os.urandom(4).hex()}"
                    )
            yield None

    def _damage(self, step: int, place: Path) -> str | None:
        try:
            return damage(place) or self._forgery(step, place)
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, type(error).__name__)
            raise TransientError(
                f"the state after step {step} of {self.checkpoint_id} cannot be read just now ({name}); it is left as"
                " it is",
                "Run it again once the disk answers",
            ) from None

    def _download(self, step: int, target: Path) -> Path:
        self.lake.fs.get(self._place(step), str(target), recursive=True)
        return target

    def remove(self) -> None:
        """Removes all states: the checkpoint is published."""
        _remove(self.lake, self.folder)


@dataclass(frozen=True)
class UnfinishedTraining:
    """A training that saved states and published no checkpoint yet.

    Attributes:
        splits: id of the version of `splits` it was trained on; None where no state says so any more, for instance
            because a process was killed while it removed them.
        splits_content_hash: of this version, or None.
    """

    checkpoint_id: str
    splits: str | None
    splits_content_hash: str | None


def unfinished_trainings(lake: Places, use_case: str) -> list[UnfinishedTraining]:
    """All trainings of a use case whose states are in the lake, by checkpoint id."""
    names = _names(lake, _folder(lake, use_case))
    return [_unfinished(lake, use_case, name) for name in sorted(names) if not name.endswith(".lease")]


def _unfinished(lake: Places, use_case: str, checkpoint_id: str) -> UnfinishedTraining:
    for path in sorted(lake.fs.find(_folder(lake, use_case, checkpoint_id)), reverse=True):
        if path.endswith(f"/{MANIFEST}"):
            try:
                manifest = read_manifest(lake.fs.cat_file(path))
                return UnfinishedTraining(checkpoint_id, str(manifest["splits"]), str(manifest["splits_content_hash"]))
            except (FileNotFoundError, ValueError, KeyError, TypeError):  # just being removed, or damaged
                continue
    return UnfinishedTraining(checkpoint_id, None, None)


def _names(lake: Places, folder: str) -> list[str]:
    """What lies in a folder; nothing, if it is not there or removed just now. Some object stores list a folder whose
    last object has gone: there, what counts is the objects."""
    lake.fs.invalidate_cache()
    if not lake.is_local:
        return sorted({path[len(folder) + 1 :].partition("/")[0] for path in _objects(lake, folder)})
    try:
        return [path.rstrip("/").rsplit("/", 1)[-1] for path in lake.fs.ls(folder, detail=False)]
    except FileNotFoundError:
        return []


def remove_states(lake: Places, use_case: str, checkpoint_id: str) -> None:
    """Removes all states of a training. One that is running goes on, and saves new ones."""
    _remove(lake, _folder(lake, use_case, checkpoint_id))


def _folder(lake: Places, use_case: str, *checkpoint_id: str) -> str:
    return lake.path_of("shared", use_case, ".training", *checkpoint_id)


def _remove(lake: Places, path: str) -> None:
    """Removes a folder, also while its training saves states and removes old ones, or another sweep does the same.

    Raises:
        StatesInUse: new states came as fast as they went.
    """
    if not any(_try_to_remove(lake, path) for _ in range(ATTEMPTS)):
        raise StatesInUse(
            f"saved states of {path.rsplit('/.training/', 1)[-1]} were not all removed: their training keeps saving"
            " new ones",
            "Run it again; what was removed stays removed. If it happens again, stop the training first",
        )


def _try_to_remove(lake: Places, path: str) -> bool:
    """Whether the folder is gone now."""
    if not _is_there(lake, path):
        return True
    try:
        # The manifest first: a folder that is half removed is no state.
        for manifest in [p for p in lake.fs.find(path) if p.endswith(f"/{MANIFEST}")]:
            with suppress(FileNotFoundError):
                lake.fs.rm_file(manifest)
        lake.fs.rm(path, recursive=True)
    except OSError as error:
        if not isinstance(error, FileNotFoundError) and error.errno != errno.ENOTEMPTY:
            raise
    return not _is_there(lake, path)


def _is_there(lake: Places, path: str) -> bool:
    lake.fs.invalidate_cache()
    return bool(lake.fs.exists(path) if lake.is_local else _objects(lake, path))


def _objects(lake: Places, folder: str) -> list[str]:
    """s3fs 2026.9 finds the folder itself where a store lists it without any object."""
    return [path for path in lake.fs.find(folder) if path.startswith(f"{folder}/")]


def _hash_of(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest).encode()).hexdigest()


def read_manifest(content: str | bytes) -> dict[str, Any]:
    """A manifest that holds what was written, its own hash and signature left out. Those of earlier versions have
    none.

    Raises:
        ValueError: it holds something else.
    """
    manifest = json.loads(content)
    if not isinstance(manifest, dict):
        raise ValueError("no object")
    if set(manifest) == KEYS:
        return manifest
    expected = manifest.pop(OWN_HASH, None)
    if set(manifest) - {SIGNED} != KEYS or expected != _hash_of(manifest):
        raise ValueError("not what was written")
    return {key: manifest[key] for key in KEYS}


def damage(folder: Path) -> str | None:
    """What makes a state unusable: a file that is missing or holds other bytes than its manifest says. None if it is
    whole.

    Raises:
        OSError: it cannot be read, which says nothing about what is in it.
    """
    try:
        expected = read_manifest((folder / MANIFEST).read_bytes())["files"]
        for name, digest in expected.items():
            if not (folder / name).is_file():
                return f"{name} is missing"
            if files.sha256_file(folder / name) != digest:
                return f"{name} has different bytes from those that were saved"
    except FileNotFoundError:
        return f"{MANIFEST} is missing"
    except (IsADirectoryError, NotADirectoryError, ValueError, KeyError, AttributeError, TypeError):
        return f"{MANIFEST} cannot be read"
    return None if expected else f"{MANIFEST} names no file"
