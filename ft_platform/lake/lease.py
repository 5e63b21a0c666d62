"""Exactly one trainer per checkpoint: a file lock on a local lake, a numbered lease with an expiry on an object store.

The kernel frees a file lock when its process ends, however it ends. An object store knows no processes: the holder
renews its lease, and one that was not renewed in time may be followed by the next number. `lease-<n>` is created only
if it does not exist, so of two that want to follow one gets it; whoever sees a higher number than its own has lost the
lease and stops."""

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ft_platform.errors import TrainerRunning
from ft_platform.lake import files
from ft_platform.lake.file_systems import if_reached, passes
from ft_platform.lake.store import Lake

LEASE_SECONDS = 120.0
RENEW_SECONDS = 30.0
Held = Callable[[], bool]


@contextmanager
def lease(lake: Lake, use_case: str, checkpoint_id: str, folder: str = ".training") -> Iterator[Held]:
    """Holds the right to train a checkpoint inside the block; yields a function that says whether it is still held.

    Args:
        folder: of the lease, for other work than a training.

    Raises:
        TrainerRunning: another process trains this checkpoint.
    """
    place = lake.path_of("shared", use_case, folder, f"{checkpoint_id}.lease")
    with (
        _file_lock(lake, Path(place), checkpoint_id) if lake.is_local else _object_lease(lake, place, checkpoint_id)
    ) as held:
        yield held


@contextmanager
def _file_lock(lake: Lake, place: Path, checkpoint_id: str) -> Iterator[Held]:
    with lake.room_for(f"the lease of {checkpoint_id}"):
        place.parent.mkdir(parents=True, exist_ok=True)
        file = open(place, "a+")  # noqa: SIM115
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise _running(checkpoint_id, file.read().strip() or "another process") from None
        with lake.room_for(f"the lease of {checkpoint_id}"):
            file.truncate(0)
            file.write(_owner())
            file.flush()
        yield lambda: True


@contextmanager
def _object_lease(lake: Lake, place: str, checkpoint_id: str) -> Iterator[Held]:
    with lake.room_for(f"the lease of {checkpoint_id}"):
        number = _follow(lake, place, checkpoint_id)
    lost, ended = threading.Event(), threading.Event()

    def renew() -> None:
        valid_until = time.monotonic() + LEASE_SECONDS
        while not ended.wait(RENEW_SECONDS):
            try:
                if max(_numbers(lake, place)) > number:
                    lost.set()
                    return
                lake.fs.pipe_file(f"{place}/lease-{number:06d}", _content())
                valid_until = time.monotonic() + LEASE_SECONDS
            except Exception as error:  # the store does not answer: the lease holds as long as it was renewed for
                if not passes(error):
                    raise
                if time.monotonic() > valid_until:
                    lost.set()
                    return

    def renew_or_lose() -> None:
        try:
            renew()
        except BaseException:  # what is not renewed any more is not held
            lost.set()
            raise

    thread = threading.Thread(target=renew_or_lose, daemon=True)
    thread.start()
    try:
        yield lambda: not lost.is_set()
    finally:
        ended.set()
        thread.join()
        if not lost.is_set():
            _give_back(lake, f"{place}/lease-{number:06d}")


def _give_back(lake: Lake, path: str) -> None:
    """Where the store does not answer, the lease ends by itself: what was done under it is done."""
    with if_reached():
        lake.fs.pipe_file(path, json.dumps({"owner": _owner(), "until": 0.0}).encode())


def _follow(lake: Lake, place: str, checkpoint_id: str) -> int:
    """Number of the lease that this process now holds."""
    newest = max(_numbers(lake, place))
    if newest:
        holder = json.loads(lake.fs.cat_file(f"{place}/lease-{newest:06d}"))
        # One that would hold longer than any is given out is of a clock that was wrong: it would block the training for
        # years.
        if 0 < holder["until"] - time.time() <= 2 * LEASE_SECONDS:
            raise _running(checkpoint_id, holder["owner"])
    try:
        files.create(lake.fs, f"{place}/lease-{newest + 1:06d}", _content())
    except FileExistsError:
        raise _running(checkpoint_id, "another process, which came first") from None
    return newest + 1


def _numbers(lake: Lake, place: str) -> list[int]:
    lake.fs.invalidate_cache()
    names = lake.fs.ls(place, detail=False) if lake.fs.exists(place) else []
    return [0, *(int(name.rsplit("-", 1)[-1]) for name in names)]


def _content() -> bytes:
    return json.dumps({"owner": _owner(), "until": time.time() + LEASE_SECONDS, "nonce": uuid.uuid4().hex}).encode()


def _owner() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _running(checkpoint_id: str, owner: str) -> TrainerRunning:
    return TrainerRunning(
        f"{checkpoint_id} is being trained by {owner}", "Wait for it to end, or stop it, and run the step again"
    )
