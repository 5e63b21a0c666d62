"""Why a training ends before its last step: a signal, the time limit, a budget, a lost lease, a setting. Each says what
was saved and what to do next."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ft_platform.errors import (
    BudgetExceeded,
    OutOfMemory,
    Preempted,
    SettingTooHigh,
    TimeLimitReached,
    TrainerRunning,
    TrainingFailed,
)
from ft_platform.training.run import TrainingRun

SIGNALS = (signal.SIGTERM, signal.SIGINT)
BUDGET_SECONDS = 60.0
"""Between two looks at the ledger of costs, where running programs are noted every 20 seconds."""


def command(use_case: str, stage: str = "adapter_checkpoint") -> str:
    """Starts the training of a use case, or goes on with it."""
    return f"ft run {use_case} --select {stage}"


@contextmanager
def telling_what_was_saved(use_case: str, saved_steps: Callable[[], list[int]], may_halve: bool) -> Iterator[None]:
    """Adds to `NanLoss` and `OutOfMemory` of the block which state is saved and the next command.

    Args:
        saved_steps: steps after which a state was saved, newest first.
        may_halve: whether `compute.on_out_of_memory: halve`, which keeps the saved states, could help.
    """
    try:
        yield
    except SettingTooHigh as error:
        steps = saved_steps()
        message = (
            f"{error.message}; {f'the state after step {steps[0]} was saved' if steps else 'no state was saved yet'}"
        )
        again = f"{error.next_step}: {command(use_case)} --set {error.lower}"
        if steps:
            again += ". That is a new training; from the saved state this one "
            if not isinstance(error, OutOfMemory):
                again += "comes to the same step again"
            elif may_halve:
                again += f"goes on with: {command(use_case)} --set compute.on_out_of_memory=halve"
            else:
                again += f"goes on where more memory is free: {command(use_case)}"
        raise type(error)(message, again, error.lower) from None


class Stopping:
    """Asked by the loop after every step.

    Args:
        use_case: named in the next command.
        seconds: after which the training ends with a saved state; None: never.
        held: whether this process still holds the lease of the checkpoint.
        used_up: which budget has nothing left, in words, or None.
        stage: named in the next command.
    """

    def __init__(
        self,
        use_case: str,
        seconds: float | None = None,
        held: Callable[[], bool] = lambda: True,
        used_up: Callable[[], str | None] = lambda: None,
        stage: str = "adapter_checkpoint",
    ) -> None:
        self.use_case, self.held, self.used_up, self.stage = use_case, held, used_up, stage
        self._asked_at = time.monotonic()
        self._until = None if seconds is None else time.monotonic() + seconds
        self._seconds = seconds
        self.signal: int | None = None

    def __call__(self, run: TrainingRun) -> TrainingFailed | None:
        again = f"Run it again, it goes on from there: {command(self.use_case, self.stage)}"
        saved = f"the state after step {run.step} of {run.steps} was saved"
        if not self.held():
            return TrainerRunning(
                "another process took over the training of this checkpoint, because this one did not renew its lease in"
                " time",
                "Let it finish",
            )
        if self.signal is not None:
            return Preempted(f"training was stopped by {signal.Signals(self.signal).name}; {saved}", again)
        if self._until is not None and time.monotonic() > self._until:
            return TimeLimitReached(
                f"training ran for compute.timeout_minutes ({self._seconds:.0f} s); {saved}",
                f"{again}, or raise compute.timeout_minutes",
            )
        if time.monotonic() - self._asked_at >= BUDGET_SECONDS:
            self._asked_at = time.monotonic()
            if gone := self.used_up():
                return BudgetExceeded(
                    f"training was stopped: {gone}; {saved}",
                    f"See where it went with: ft costs, ft quota. Raise the budget or wait. {again}",
                )
        return None

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Inside the block SIGTERM and SIGINT ask for a stop at the end of the step; a second one ends the process as
        usual."""
        if threading.current_thread() is not threading.main_thread():  # only there Python allows handlers
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}

        def note(number: int, _: object) -> None:
            self.signal = number
            for known, handler in before.items():
                signal.signal(known, handler)

        for number in SIGNALS:
            signal.signal(number, note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
