"""What a back end is told and what it offers. Each is one file in `backends/`, found by folder."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from ft_platform.use_case.program_variables import program_variables, variables_elsewhere

if TYPE_CHECKING:  # programs load compute profiles too, and with them back ends; they need no Dagster
    import dagster as dg

    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.compute_profile import ComputeProfile
    from ft_platform.use_case.settings.environment import Environment


TOGETHER = ("train",)
"""Programs whose processes share the work."""


@dataclass(frozen=True)
class Resources:
    """What a program may use.

    Attributes:
        threads: of the CPU, all processes together; 0: all that the machine has.
        processes: that work on one model.
        gpus: that the profile pays for.
        memory_gib: most memory in GiB; None: what the machine has.
        timeout_seconds: after which it is ended.
        grace_seconds: between asking it to end and ending it by force.
    """

    threads: int
    processes: int
    gpus: int
    memory_gib: float | None
    timeout_seconds: float
    grace_seconds: float


@dataclass(frozen=True)
class Launch:
    """One program to run. Printed, it shows no setting and no variable: both may hold secrets.

    Attributes:
        context: of the step that waits: its log, its events, and its instance.
        environment: the installation.
        profile: of compute, with the `options` of the back end.
        use_case: name and settings.
        program: a module of `ft_platform.programs`.
        handles: what the program gets beside the use case, as JSON values, e.g. versions of tables.
        ran: told how many seconds the program has run so far, by a back end whose jobs wait in a queue first: only
            those are paid for.
        make_room: whether the program is to end with a saved state, for another that waits for its place. Asked by back
            ends whose programs run on this machine.
    """

    context: "dg.AssetExecutionContext" = field(repr=False)
    environment: "Environment" = field(repr=False)
    profile: "ComputeProfile" = field(repr=False)
    use_case: "NamedUseCase" = field(repr=False)
    program: str
    handles: Mapping[str, Any] = field(repr=False)
    ran: Callable[[float], None] = field(default=lambda _seconds: None, repr=False)
    make_room: Callable[[], bool] = field(default=lambda: False, repr=False)

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return f"ft_platform.programs.{self.program}"

    @property
    def orders(self) -> dict[str, Any]:
        """What the program reads first, as the extras of Dagster Pipes: name, settings and handles."""
        settings = self.use_case.settings.model_dump(mode="json")
        return {"use_case": self.use_case.name, "settings": settings, **self.handles}

    @property
    def resources(self) -> Resources:
        compute, profile = self.use_case.settings.compute, self.profile
        # Training ends by itself at the limit, with a saved state.
        timeout = compute.timeout_minutes * 60 + compute.grace_seconds
        return Resources(
            compute.threads, profile.processes, profile.gpus, profile.memory_limit_gib, timeout, compute.grace_seconds
        )

    def variables(self) -> dict[str, str]:
        """Environment variables for a program on this machine, all of them."""
        return program_variables(self.environment, self.profile, self.use_case)

    @property
    def tasks(self) -> int:
        """Of a job array; 1: it is none."""
        return self.profile.tasks_of(self.program, self.use_case.settings.search)

    @property
    def works_together(self) -> bool:
        """Whether several processes share the work."""
        return self.program in TOGETHER and self.profile.processes > 1

    def variables_elsewhere(self) -> dict[str, str]:
        """Those for a program on another machine: nothing of this process but credentials of the object store. They
        belong into no command line. Processes that work together share the threads, as on one machine: their number
        changes results in the last bits."""
        processes = self.profile.processes if self.works_together else 1
        return variables_elsewhere(self.environment, self.profile, self.use_case, processes)


class Running(Protocol):
    """A program that was started: what `running.run_until_end` needs of it."""

    def wait(self, timeout: float) -> int:
        """Its exit code, once it has ended; minus the number of the signal that ended it, if one did.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """
        ...

    def stop(self, grace_seconds: float) -> None:
        """Ends it with all that it has started: asked by SIGINT first, by force after `grace_seconds`.

        Returns once nothing runs; does nothing if it has ended.
        """
        ...


@dataclass(frozen=True)
class Job:
    """One submission of a program to a scheduler.

    Attributes:
        name: of the launch and the attempt, by which `Scheduler.find` knows it again.
        variables: of the program, orders among them. They may hold secrets: into no command line, no script and no log.
    """

    name: str
    launch: Launch
    variables: dict[str, str] = field(repr=False)


Phase = Literal["waits", "runs", "ended", "unknown"]
Cause = Literal["program", "out_of_memory", "time_limit", "machine_lost", "cancelled", "refused"]
"""Why a job ended, as far as its scheduler knows. `program`: by itself, or by a signal. Only `machine_lost`, which
includes machines that were taken away, is tried again."""


@dataclass(frozen=True)
class Look:
    """What a scheduler says of a job at one moment.

    Attributes:
        phase: `waits`: for a machine, also after it was taken off one; `unknown`: the scheduler knows no such job any
            more.
        exit_code: minus the number of the signal that ended it; of one that has ended.
        reason: in words of the scheduler, which hold nothing of the program.
        seconds: between its last start and its end, by the clock of the scheduler.
        beside: of an array, how many tasks run beside the first, of which the rest is told.
        beside_seconds: for how long those ran that have ended.
    """

    phase: Phase
    cause: Cause = "program"
    exit_code: int = 0
    reason: str = ""
    seconds: float = 0.0
    beside: int = 0
    beside_seconds: float = 0.0


class Unreachable(Exception):
    """A scheduler does not answer just now."""


class CredentialsRefused(Unreachable):
    """It answers that it does not know who asks: credentials are wrong, or have expired."""


class NoRoom(Exception):
    """It has no room for a job now, and keeps no queue in which the job could wait: asked again later."""


class Scheduler(Protocol):
    """What a back end for other machines offers; `elsewhere.run_elsewhere` makes its `run` of it.

    Each function raises `Unreachable` where the scheduler does not answer, `CredentialsRefused` where it does not know
    who asks, and `SubmissionRefused` where it answers that it will not."""

    def submit(self, job: Job) -> str:
        """Id of the job.

        Raises:
            DoesNotFit: no machine has that much memory.
            NoRoom: it may fit later. Nothing was submitted.
        """
        ...

    def find(self, name: str) -> str | None:
        """Id of the job of that name, if the scheduler knows one."""
        ...

    def look(self, job_id: str) -> Look: ...

    def stop(self, job_id: str, grace_seconds: float) -> None:
        """Ends it with all that it has started: asked by SIGINT first, by force after `grace_seconds`. Returns once
        nothing runs; does nothing if it has ended."""
        ...


class Backend(Protocol):
    """A module of `backends/`.

    Attributes:
        MEMORY: who refuses a training that needs more memory than there is. `here`: the platform, before it starts it,
            by `memory_limit_gib` or else by
            what this machine has. `there`: programs run on other machines. The platform compares with
            `memory_limit_gib` only, and `run` raises `DoesNotFit` where the scheduler refuses.
        ARRAYS: True where one submission starts `Launch.tasks` programs, which know their number by the variable
            `FT_TASK`; without it a search makes its trials in processes of one program.
    """

    MEMORY: Literal["here", "there"]

    @staticmethod
    def check(profile: "ComputeProfile") -> None:
        """Says whether the profile fits. Asked when the environment is loaded, in programs too: nothing large may be
        imported for it.

        Raises:
            ValueError: a setting is wrong or of no use to this back end.
        """
        ...

    @staticmethod
    def run(launch: Launch) -> dict[str, Any]:
        """Runs the program to its end, passes on what it says meanwhile, and returns what it reported last:
        `{"artifact": ..., ...}`.

        Where messages come from is the back end's own choice: a file that both sides see (`pipes.LiveMessageReader`) or
        lines of a log (`pipes.LogMessages`). However this function is left, by an interrupt of the run too, the program
        and what it has started have ended by then.

        Raises:
            FtError: the failure that the program reported, with its type (`pipes.final_values`).
            ProgramKilled: a signal ended it; the message names it.
            TrainingFailed: it ran too long, or ended without saying why.
            DoesNotFit: with `MEMORY = "there"`, the scheduler has not that much memory.
        """
        ...


def backend(name: str) -> Backend:
    """The back end of that name, which a compute profile has checked."""
    return cast(Backend, importlib.import_module(f"ft_platform.compute.backends.{name}"))


def take_no_options(profile: "ComputeProfile") -> None:
    """Raises:
    ValueError: the profile has `options`.
    """
    if profile.options:
        raise ValueError(f"`backend: {profile.backend}` takes no `options`, got {', '.join(sorted(profile.options))}")
