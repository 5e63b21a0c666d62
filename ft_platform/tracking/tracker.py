"""What the programs need of a tracker, and how one that fails is kept from costing a checkpoint."""

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CALL_SECONDS = 120.0
ARTIFACT_SECONDS = 1800.0
"""Of one call, and of the upload of a checkpoint: timeouts of HTTP clients start again with every byte, so a server
that drips would hold up a training."""

State = dict[str, Any] | str
"""Of a run: `{"tracker", "run_id", ...}`, with `url` where a browser finds it; of several trackers `{name: state}`.
Otherwise why there is none."""


@dataclass(frozen=True)
class RunDescription:
    """What a run is called and belongs to.

    Attributes:
        use_case: experiment of MLflow, project of Weights & Biases.
        stage: asset that is made.
        name: id of the checkpoint or report.
        tags: what it was made from, e.g. version and content hash of `splits`.
        parents: tracker -> id of the training run that this one belongs to.
    """

    use_case: str
    stage: str
    name: str
    tags: Mapping[str, str]
    parents: Mapping[str, str] = field(default_factory=dict)


class Tracker:
    """A run that is not tracked. The classes in `trackers/` track it."""

    def __init__(self, why: str) -> None:
        self._state: State = f"off: {why}"

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Settings of the run."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Figures at an optimizer step (0 for an evaluation)."""

    def finish(
        self,
        values: Mapping[str, float],
        folder: Path | None = None,
        tags: Mapping[str, str] | None = None,
        files: Iterable[str] | None = None,
    ) -> None:
        """Final figures, and the folder of the published artifact, which is copied into the run: all of it, or only
        `files`."""

    def abandon(self, reason: str) -> None:
        """Marks the run as failed; `reason` is the type of an error."""

    def state(self) -> State:
        """Where the run is, or why there is no run: `off: ...`, `failed: ...`."""
        return self._state


class GuardedTracker(Tracker):
    """A tracker whose first failing call ends tracking for the run, with a warning.

    Args:
        name: of the tracker, for the warning.
        clients: packages whose errors mean that the tracker or its artifact store does not work.
        remedy: what to do about it.
    """

    def __init__(self, name: str, clients: tuple[str, ...], remedy: str, log: Any) -> None:
        self._name, self._clients, self._remedy, self._log = name, clients, remedy, log
        self._run: Any = None
        self._state = "failed: not started"

    @contextmanager
    def reported(self, what: str) -> Iterator[None]:
        """Lets errors of the tracker pass with a warning, and ends a call that takes too long; other errors are errors
        of ours."""
        try:
            with _at_most(ARTIFACT_SECONDS if what == "artifacts" else CALL_SECONDS):
                yield
        except Exception as error:
            packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
            # ImportError: the client of the artifact store is not installed.
            if not isinstance(error, (OSError, ImportError)) and packages.isdisjoint(self._clients):
                raise
            self._run, self._state = None, f"failed: {what}: {self._why(error)}"
            self._log.warning(
                f"tracking failed ({what}: {self._why(error)}); the run goes on without {self._name}. {self._remedy}"
            )

    def _why(self, error: Exception) -> str:
        """Without the message, which may hold a text."""
        return type(error).__name__


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises TimeoutError inside the block after some seconds. In other threads than the main one there is no limit: no
    signal reaches them."""

    def late(*_: Any) -> None:
        raise TimeoutError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before or signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, left)  # 0: there is no block around this one


class SeveralTrackers(Tracker):
    """The same events to several trackers. One that fails does not stop the others.

    Args:
        trackers: by name, in the order of the environment.
    """

    def __init__(self, trackers: Mapping[str, Tracker]) -> None:
        self._trackers = dict(trackers)

    def parameters(self, values: Mapping[str, Any]) -> None:
        for tracker in self._trackers.values():
            tracker.parameters(values)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        for tracker in self._trackers.values():
            tracker.metrics(step, values)

    def finish(
        self,
        values: Mapping[str, float],
        folder: Path | None = None,
        tags: Mapping[str, str] | None = None,
        files: Iterable[str] | None = None,
    ) -> None:
        names = None if files is None else list(files)
        for tracker in self._trackers.values():
            tracker.finish(values, folder, tags, names)

    def abandon(self, reason: str) -> None:
        for tracker in self._trackers.values():
            tracker.abandon(reason)

    def state(self) -> State:
        return {name: tracker.state() for name, tracker in self._trackers.items()}
