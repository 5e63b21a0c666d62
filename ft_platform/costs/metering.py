"""Meters one program run: what it took is appended to the ledger however it ends."""

import resource
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from ft_platform.costs.ledger import BEAT_SECONDS, Ledger, month_of
from ft_platform.costs.prices import cost_of
from ft_platform.costs.teams import team_of
from ft_platform.errors import FtError
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile

INTERRUPTS = ("KeyboardInterrupt", "DagsterExecutionInterruptedError", "GeneratorExit", "MadeRoom")


@dataclass
class ProgramRun:
    """One run of a program, as it goes into the ledger.

    Attributes:
        tokens, gpu_watts, artifact: filled in by whoever knows them.
        ran_seconds: that are paid for, if not all of the block are.
    """

    use_case: str
    program: str
    profile_name: str
    profile: ComputeProfile
    team: str
    dagster_run: str | None = None
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    state: str = "running"
    error: str | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    tokens: int | None = None
    gpu_watts: float | None = None
    artifact: str | None = None
    ran_seconds: float | None = None

    def ran(self, seconds: float) -> None:
        """Takes over how long the program itself has run, where its job waits in a queue first."""
        self.ran_seconds = seconds

    def note(self, values: dict[str, Any]) -> None:
        """Takes over what the program reported about its own work at its end."""
        metrics = values.get("metrics") or {}
        self.artifact = (values.get("artifact") or {}).get("artifact_id")  # one that only compares publishes none
        if values.get("trained", True):  # the figures of a checkpoint that was used again are those of another run
            self.tokens, self.gpu_watts = metrics.get("tokens"), metrics.get("gpu_power_watts")

    def row(self) -> dict[str, Any]:
        """The row of the ledger."""
        cost = cost_of(self.seconds, self.profile, self.gpu_watts)
        kept = {
            name: value
            for name, value in asdict(self).items()
            if name not in ("profile", "profile_name", "gpu_watts", "ran_seconds")
        }
        return kept | {
            "profile": self.profile_name,
            "started_at": self.started_at.isoformat(),
            "month": month_of(self.started_at),
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "gpu_seconds": round(self.seconds * self.profile.gpus, 3),
            "price_per_hour": self.profile.price_per_hour,
            "money": cost.money,
            "currency": cost.currency,
            "kwh": cost.kwh,
            "host": socket.gethostname(),
        }


@contextmanager
def metered(
    lake: Lake,
    use_case: NamedUseCase,
    profile: ComputeProfile,
    program: str,
    dagster_run: str | None = None,
    *,
    own: bool = False,
    cpu_elsewhere: Callable[[], float] = lambda: 0.0,
    run_id: str | None = None,
) -> Iterator[ProgramRun]:
    """Appends the program run of the block to the ledger: finished, failed, stopped, or lost if this process is killed.

    Args:
        own: the program is this process, not a child of it.
        cpu_elsewhere: CPU seconds of programs that are no children of this process (`compute.warm`).
        run_id: under which a quota was reserved. Default: a new one.
    """
    ledger = Ledger(lake)
    ledger.settle()
    run = ProgramRun(
        use_case.name,
        program,
        use_case.settings.compute.profile,
        profile,
        team_of(use_case),
        dagster_run,
        run_id or uuid.uuid4().hex,
    )
    started, cpu_before = time.monotonic(), _cpu_seconds(own) + cpu_elsewhere()

    def measure() -> dict[str, Any]:
        run.seconds = time.monotonic() - started if run.ran_seconds is None else run.ran_seconds
        run.cpu_seconds = _cpu_seconds(own) + cpu_elsewhere() - cpu_before
        return run.row()

    ledger.open(measure())
    ended = threading.Event()
    beats = threading.Thread(target=_beat, args=(ledger, measure, ended), daemon=True)
    beats.start()
    try:
        yield run
        run.state = "finished"
    except BaseException as error:
        kind = type(error).__name__
        run.state, run.error = "stopped" if kind in INTERRUPTS else "failed", kind
        raise
    finally:
        ended.set()
        beats.join()
        ledger.close(measure())


def _beat(ledger: Ledger, measure: Any, ended: threading.Event) -> None:
    """Signs of life. A failed one is not the end of a training: the next may succeed, and the end writes its row
    anyway."""
    while not ended.wait(BEAT_SECONDS):
        try:
            ledger.open(measure())
        except (OSError, FtError):
            continue


def _cpu_seconds(own: bool) -> float:
    """CPU seconds of this process or of its children that have ended."""
    used = resource.getrusage(resource.RUSAGE_SELF if own else resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
