"""One attempt at the training, in a forked process, with a fault planted in it."""

import errno
import faulthandler
import json
import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from ft_platform.errors import FtError
from ft_platform_tests.kill_test import case

FILE_EVENTS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree")
"""Of `sys.addaudithook`: told before the operation is done."""
GROWS = ("os.rename", "os.mkdir", "os.truncate")
"""A disk that is full lets files be removed and read; opening one to write is among what grows, see `FullDisk`."""
NAMED_POINTS = {
    "optimizer step": ("torch.optim.AdamW", "step"),
    "validation": ("ft_platform.training.loop", "validation_figures"),
    "saving a state": ("ft_platform.training.state.States", "save"),
    "a file of a state": ("ft_platform.training.state", "write_tensors"),
    "making a folder readable": ("ft_platform.lake.files", "publish_folder"),
    "flushing to the disk": ("ft_platform.lake.files", "fsync_path"),
    "restoring a state": ("ft_platform.training.state.States", "restore"),
    "writing the checkpoint": ("ft_platform.training.checkpoint", "write_checkpoint"),
    "publishing the checkpoint": ("ft_platform.lake.store.Lake", "publish"),
    "removing the states": ("ft_platform.training.state.States", "remove"),
}
"""Name -> owner and attribute of the function before or after whose k-th call the process is killed."""


class Fault:
    """What ends an attempt. This one never does.

    Attributes:
        name: for the report.
        operations: file operations in the lake so far.
    """

    def __init__(self, name: str = "none") -> None:
        self.name, self.operations = name, 0

    def arm(self, folder: Path) -> None:
        """Called in the forked process before anything else."""
        lake = str(folder / "lake")

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            if event in FILE_EVENTS and any(
                isinstance(a, str | os.PathLike) and str(a).startswith(lake) for a in arguments
            ):
                self.operations += 1
                self.at_operation(event, arguments)

        sys.addaudithook(hook)

    def at_operation(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called before each file operation; `arguments` of the audit event: of `open` path, mode and flags."""


class KillAtFile(Fault):
    """SIGKILL before the `point`-th file operation, counted from 1."""

    def __init__(self, point: int) -> None:
        super().__init__(f"file operation: {point}")
        self.point = point

    def at_operation(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.operations >= self.point:
            kill()


class FullDisk(Fault):
    """From the `point`-th file operation on, whatever grows the disk fails: `GROWS`, and opening a file to write.

    Not covered: a write into a file that is open already, and files that Rust or C++ open (safetensors, parquet).
    Python tells an audit hook about neither; a full disk in the middle of those is planted in the tests of
    `training.state` and of the lake."""

    def __init__(self, point: int) -> None:
        super().__init__(f"full disk: {point}")
        self.point = point

    def at_operation(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.operations >= self.point and (event in GROWS or (event == "open" and _to_write(arguments))):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _to_write(arguments: tuple[Any, ...]) -> bool:
    """Whether a file is opened to write; its flags come last, also where `os.open` gives no mode."""
    return bool(arguments[-1] & (os.O_WRONLY | os.O_RDWR))


class KillAtCall(Fault):
    """SIGKILL before or after the `call`-th call of a named point, counted from 1."""

    def __init__(self, point: str, call: int, *, after: bool) -> None:
        super().__init__(f"named point: {'after' if after else 'before'} {point} {call}")
        self.point, self.call, self.after = point, call, after

    def arm(self, folder: Path) -> None:
        super().arm(folder)
        owner_name, attribute = NAMED_POINTS[self.point]
        owner, calls = _resolved(owner_name), 0
        original = getattr(owner, attribute)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == self.call and not self.after:
                kill()
            result = original(*args, **kwargs)
            if calls == self.call:
                kill()
            return result

        setattr(owner, attribute, wrapped)


def attempt(folder: Path, report: Path, fault: Fault) -> NoReturn:
    """Trains below `folder` and writes how it ended to `report`; ends the process."""
    faulthandler.register(signal.SIGUSR1)  # where it is, should it be stuck
    try:
        fault.arm(folder)
        found = _train(folder)
    except FtError as error:
        found = {"ended": "failed", "type": type(error).__name__}
    except BaseException as error:  # the parent counts it as stuck
        found = {"ended": "unexpected", "type": type(error).__name__, "place": _place(error)}
    report.write_text(json.dumps({**found, "operations": fault.operations}))
    os._exit(0)


def _train(folder: Path) -> dict[str, Any]:
    from ft_platform.models.adapter import weights_file
    from ft_platform.reporting.publishing.training import checkpoint_for

    lake = case.lake_of(folder)
    log = logging.getLogger("ft_platform_tests.kill_test")
    trained = checkpoint_for(lake, case.environment_of(folder), case.use_case_of(folder), case.splits_of(folder), log)
    manifest = lake.manifest(trained.checkpoint)
    counts = {"damaged_states": manifest.info["damaged_states"], "attempts": len(manifest.info["attempts"])}
    return {"ended": "finished", "weights": manifest.files[weights_file(manifest.files)], **counts}


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _place(error: BaseException) -> str:
    """The innermost places in the platform's own code that the error came through."""
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if "ft_platform" in f.filename and "kill_test" not in f.filename
    ]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[:-4:-1])


def _resolved(name: str) -> Any:
    """A module, or a class in one."""
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)
