"""Messages of a program on another machine: written into the lake, in numbered files that nobody writes twice
(`lake.launches`)."""

import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from dagster_pipes import PipesMessage, PipesMessageWriter, PipesMessageWriterChannel
from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import ConfigError, OtherCode, TransientError
from ft_platform.lake.file_systems import out_of_reach
from ft_platform.lake.files import create
from ft_platform.lake.launches import LaunchFolder
from ft_platform.lake.opening import open_lake
from ft_platform.process.code_hash import code
from ft_platform.use_case.environment import load_environment

WRITE_SECONDS = 0.5
"""Between two files: an object store charges for each."""
PATIENCE_SECONDS = 120.0
"""How long the last messages are tried again while the store does not take them."""


class LakeChannel(PipesMessageWriterChannel):
    """Gathers messages, and writes them twice a second from a thread of its own: training does not wait for the store.

    What the store did not take is written again under the same number and with the same content, so that a file that
    came through although it was reported as failed is no second message."""

    def __init__(self, folder: LaunchFolder, start: int) -> None:
        self._folder, self._start = folder, start
        self._waiting: list[str] = []
        self._batch: list[str] = []
        self._next, self._lock, self._ended = 0, threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._write_on, daemon=True)
        self._thread.start()

    def write_message(self, message: PipesMessage) -> None:
        with self._lock:
            self._waiting.append(json.dumps(message))

    def close(self) -> None:
        """Writes what is left.

        Raises:
            TransientError: the store does not take it.
        """
        self._ended.set()
        self._thread.join()
        until, wait = time.monotonic() + PATIENCE_SECONDS, WRITE_SECONDS
        while not self._written():
            if time.monotonic() > until:
                raise TransientError("the lake does not take the last messages of this program", "Run the step again")
            time.sleep(wait)
            wait = min(2 * wait, 10.0)

    def _write_on(self) -> None:
        while not self._ended.wait(WRITE_SECONDS):
            self._written()

    def _written(self) -> bool:
        """Whether nothing is left to write."""
        if not self._batch:
            with self._lock:
                self._batch, self._waiting = self._waiting, []
        if not self._batch:
            return True
        try:
            self._folder.write(self._start, self._next, "\n".join(self._batch).encode())
        except Exception:  # a store has many ways to be out of reach for a moment; `close` is the one that gives up
            return False
        self._next, self._batch = self._next + len(self._batch), []
        return not self._waiting


class LakeMessageWriter(PipesMessageWriter[LakeChannel]):
    """For `open_dagster_pipes`, where the orders name a launch."""

    @contextmanager
    def open(self, params: Mapping[str, Any]) -> Iterator[LakeChannel]:
        folder = folder_of(params)
        channel = LakeChannel(folder, _begun(folder, params["attempt"]))
        try:
            yield channel
        finally:
            channel.close()


def _begun(folder: LaunchFolder, attempt: int) -> int:
    """Number of this start, as soon as the store takes it.

    Raises:
        LakeUnreachable: it does not.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return folder.begin(attempt)
        except Exception as error:
            if not out_of_reach(error) or time.monotonic() > until:
                raise
            time.sleep(WRITE_SECONDS)


def folder_of(params: Mapping[str, Any]) -> LaunchFolder:
    """The folder that the orders name."""
    return LaunchFolder(open_lake(load_environment()), params["use_case"], params["launch"])


def report_beside(params: dict[str, Any], message: dict[str, Any]) -> None:
    """What one of several processes knows that does not report otherwise."""
    folder_of(params).write_beside(params["attempt"], message)


def require_same_code(params: dict[str, Any]) -> None:
    """Raises:
    OtherCode: this machine has other files of the platform than the orchestrator.
    """
    if params["code"] != code():
        raise OtherCode(
            f"this worker has ft-platform {code()}, the orchestrator {params['code']}; nothing was run",
            "Install the same version on both, or build the image of the worker anew",
        )


def require_one_home(params: dict[str, Any]) -> None:
    """Asked by each task of a job array: they work in one folder of `home`.

    Raises:
        Superseded: a later attempt took over.
        ConfigError: another task has another folder in its place.
    """
    folder, home = folder_of(params), load_environment().home
    folder.require_newest(params["attempt"])
    mark, own = home / "experiments" / "folder.id", uuid.uuid4().hex
    with suppress(FileExistsError):
        create(LocalFileSystem(), str(mark), own.encode())
    own = mark.read_text()
    if folder.agreed("home", own) != own:
        raise ConfigError(
            [f"{home} is not the same folder on all nodes, and the trials of a search are kept there"],
            "Set FT_HOME to a folder that all nodes share, or search.parallel to 1",
        )
