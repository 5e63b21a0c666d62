"""What back ends for other machines share: a program is submitted once, watched through the lake, adopted by the next
orchestrator if this one is killed, and submitted again if its machine was lost.

A scheduler is only asked for jobs by name, looked at, and told to stop (`backend.Scheduler`). All that the program says
comes through the lake, so a job that nobody watches loses nothing.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ft_platform.compute.backend import Cause, CredentialsRefused, Job, Launch, Look, NoRoom, Scheduler, Unreachable
from ft_platform.compute.pool import stage_of
from ft_platform.errors import (
    FtError,
    MachineLost,
    OutOfMemory,
    Preempted,
    SubmissionRefused,
    TrainerRunning,
    TrainingFailed,
    TransientError,
)
from ft_platform.errors.vouched import vouch
from ft_platform.lake.file_systems import if_reached, passes
from ft_platform.lake.launches import FOLDER, LaunchFolder, launch_id
from ft_platform.lake.opening import open_lake
from ft_platform.process import progress
from ft_platform.process.code_hash import code

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake

T = TypeVar("T")
ATTEMPTS = 4
"""How often a program is submitted whose machine is lost each time."""
AGAIN_SECONDS = 5.0
"""Before the second attempt; twice as long before each further one."""
READ_SECONDS, LOOK_SECONDS, BILL_SECONDS = 0.5, 2.0, 20.0
"""Between two looks into the lake, at the scheduler, and notes of the time that is paid for."""
ROOM_SECONDS = 30.0
"""Between two tries to submit to a scheduler that has no room and no queue."""
PATIENCE_SECONDS = 300.0
"""How long lake or scheduler may be out of reach before this process gives up watching. The job goes on."""
LATE_SECONDS = 30.0
"""How long messages of a job that has ended are waited for where some are missing."""


def run_elsewhere(launch: Launch, scheduler: Scheduler) -> dict[str, Any]:
    """`Backend.run` by a scheduler.

    Raises:
        MachineLost: each of several machines was lost.
        SubmissionRefused, DoesNotFit: the scheduler will not take it.
        TransientError: lake or scheduler cannot be reached; the job goes on, and the next run adopts it.
        FtError: as `Backend.run`.
    """
    lake, name = open_lake(launch.environment), name_of(launch)
    folder = LaunchFolder(lake, launch.use_case.name, name)
    with _watching(lake, launch, name):
        watch = _Watch(launch, scheduler, folder)
        try:
            values = watch.until_end()
        except _OutOfReach as error:
            kind = SubmissionRefused if error.permanent else TransientError
            raise kind(
                f"{error}. Nobody watches program {launch.program} ({name}) any more; if it was submitted, it goes on",
                "Run the step again once that is mended: it is adopted, not started anew",
            ) from None
        except BaseException:
            with if_reached():
                folder.remove()
            raise
        with if_reached():
            folder.remove()
        return values


def name_of(launch: Launch) -> str:
    """Equal for the same program with the same orders, code, profile and lake."""
    return launch_id(
        {
            "lake": launch.environment.lake_uri,
            "program": launch.program,
            "orders": launch.orders,
            "code": code(),
            "profile": launch.profile.model_dump(mode="json", exclude={"environment"}),
        }
    )


class _OutOfReach(Exception):
    """Lake or scheduler did not answer for so long that nobody watches any more.

    Args:
        permanent: somebody must give other credentials first.
    """

    def __init__(self, words: str, permanent: bool = False) -> None:
        super().__init__(words)
        self.permanent = permanent


@contextmanager
def _watching(lake: "Lake", launch: Launch, name: str) -> Iterator[None]:
    """Holds the right to submit and watch this launch: of two orchestrators one has it, and the other says so. An
    object store frees that of one that was killed after two minutes, which are waited for."""
    from ft_platform.lake.lease import LEASE_SECONDS, lease

    until = time.monotonic() + (0.0 if lake.is_local else LEASE_SECONDS + 2 * LOOK_SECONDS)
    while True:
        held = lease(lake, launch.use_case.name, name, FOLDER)
        try:
            held.__enter__()
            break
        except TrainerRunning as error:
            if time.monotonic() > until:
                raise TrainerRunning(
                    f"program {launch.program} runs already with these orders: {error.message}",
                    "Wait for that run, or stop it",
                ) from None
            time.sleep(LOOK_SECONDS)
    try:
        yield
    finally:
        held.__exit__(None, None, None)
        place = lake.path_of("shared", launch.use_case.name, FOLDER, f"{name}.lease")
        with if_reached():
            if lake.fs.exists(place):
                lake.fs.rm(place, recursive=True)


class _Watch:
    """One launch from its submission, or adoption, to its end."""

    def __init__(self, launch: Launch, scheduler: Scheduler, folder: LaunchFolder) -> None:
        from ft_platform.compute.lake_messages import LakeMessages

        self.launch, self.scheduler, self.folder = launch, scheduler, folder
        self.messages: LakeMessages = LakeMessages(launch.context, folder)
        self.job = ""
        self.name = ""  # of a job that the scheduler may have
        self.before = folder.seconds  # what an earlier orchestrator has paid for
        self.ran, self.billed_at, self.said = self.before, time.monotonic(), ""

    def until_end(self) -> dict[str, Any]:
        """What the program reported. However this is left otherwise, no job is left behind, unless lake or scheduler
        are out of reach."""
        try:
            return self.result_of_last()
        except _OutOfReach:
            raise
        except BaseException:
            self.withdraw()
            raise

    def withdraw(self) -> None:
        """Ends the job, also one whose submission was not answered before this run was told to end."""
        if self.name and not self.job:
            self.job = self.patiently(lambda: self.scheduler.find(self.name) or "")
        if job := self.job:
            self.patiently(lambda: self.scheduler.stop(job, self.launch.resources.grace_seconds))

    def result_of_last(self) -> dict[str, Any]:
        """Of several attempts."""
        from dagster import PipesEnvContextInjector, open_pipes_session

        with open_pipes_session(
            context=self.launch.context,
            extras=self.launch.orders,
            context_injector=PipesEnvContextInjector(),
            message_reader=self.messages,
        ) as session:
            variables = {**self.launch.variables_elsewhere(), **session.get_bootstrap_env_vars()}
            attempt = self.patiently(lambda: self.folder.newest("attempt"))
            if attempt:
                self.name = self.folder.job_name(attempt)
                self.job = self.patiently(lambda: self.scheduler.find(self.name) or "")
            if self.job:
                self.say(f"adopted {self.folder.name}, which the scheduler knows as {self.job}")
            elif attempt:  # it ended so long ago that the scheduler has forgotten it, or was never submitted
                self.patiently(self.messages.finish)
                if any("artifact" in one for one in self.messages.final if isinstance(one, dict)):
                    return self.result(Look("ended"))
            earlier = 0.0
            while True:
                if not self.job:
                    earlier, attempt = self.ran, self.submitted(variables)
                end = self.watched(self.job, earlier)
                self.job, self.name = "", ""
                failure = self.lost(end)
                if failure is None:
                    return self.result(end)
                if attempt >= ATTEMPTS:
                    raise failure
                self.say(f"{failure.message}; tried again ({attempt + 1} of {ATTEMPTS})")
                time.sleep(AGAIN_SECONDS * 2 ** (attempt - 1) * random.uniform(0.8, 1.2))

    def submitted(self, variables: dict[str, str]) -> int:
        """Number of the attempt. It is noted first: a process that is killed in between leaves a name to look for."""
        from dagster_pipes import DAGSTER_PIPES_MESSAGES_ENV_VAR, encode_param

        attempt = self.patiently(self.folder.note_attempt)
        params = {
            "launch": self.folder.name,
            "use_case": self.launch.use_case.name,
            "attempt": attempt,
            "code": code(),
        }
        name = self.patiently(lambda: self.folder.job_name(attempt))
        job = Job(name, self.launch, {**variables, DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param(params)})
        self.job = self.placed(job)
        self.say(f"submitted {name}, which the scheduler knows as {self.job}")
        return attempt

    def placed(self, job: Job) -> str:
        """Id of the job, as soon as there is room for it. What did not answer may have taken it all the same."""
        self.name = job.name
        while True:
            try:
                return self.patiently(lambda: self.scheduler.find(job.name) or self.scheduler.submit(job))
            except NoRoom as error:
                self.tell(Look("waits", reason=str(error)))
            except FtError:  # it was not taken
                self.name = ""
                raise
            time.sleep(ROOM_SECONDS)

    def watched(self, job: str, earlier: float = 0.0) -> Look:
        """Passes messages on until the job has ended.

        Args:
            earlier: seconds that jobs before this one ran.
        """
        limits = self.launch.resources
        first, look, looked_at = 0.0, Look("waits"), float("-inf")
        while True:
            self.patiently(self.messages.read)
            if (now := time.monotonic()) - looked_at >= LOOK_SECONDS:
                passed = min(now - looked_at, 2 * LOOK_SECONDS + PATIENCE_SECONDS)
                first += passed * (look.phase == "runs")
                if at_once := (look.phase == "runs") + look.beside:
                    self.bill(self.ran + passed * at_once)
                before, look, looked_at = look.phase, self.patiently(lambda: self.scheduler.look(job)), now
                if (before, look.phase) == ("runs", "waits"):
                    earlier, first = earlier + first, 0.0  # it was taken off its machine, and may run as long again
                self.tell(look)
            if look.phase in ("ended", "unknown"):
                self.bill(max(self.ran, earlier + look.seconds + look.beside_seconds), at_once=True)
                self.read_rest()
                return look
            if first > limits.timeout_seconds:
                raise self.too_long()
            time.sleep(READ_SECONDS)

    def read_rest(self) -> None:
        """Waits for messages that are late, and for no others: the store shows what was written before the end."""
        until = time.monotonic() + LATE_SECONDS
        while missing := self.patiently(self.messages.finish):
            if time.monotonic() > until:
                raise TrainingFailed(
                    f"messages of program {self.launch.program} are lost: {len(missing)} files came, and not the one"
                    " before them",
                    "Run the step again: what was published is used again",
                )
            time.sleep(READ_SECONDS)

    def lost(self, end: Look) -> FtError | None:
        """The failure, if trying again may help: the machine is gone, or the program was asked to make room."""
        from ft_platform.compute.pipes import failure_in

        if any(isinstance(one, dict) and "artifact" in one for one in self.messages.final):
            return None
        said = failure_in(self.messages.final)
        # Of several nodes one is lost, and a process on another says that its connection broke.
        if said is not None and not (end.cause == "machine_lost" and type(said) is TrainingFailed):
            return said if type(said) is Preempted and self.why(end) in ("program", "machine_lost") else None
        if end.phase == "unknown" or end.cause == "machine_lost":
            reason = end.reason or "the scheduler does not know the job any more"
            return MachineLost(
                f"the machine of program {self.launch.program} was lost ({reason})",
                "Run the step again: a training goes on from its last saved state",
            )
        return None

    def why(self, end: Look) -> Cause:
        """A scheduler that asks a program to end at its limit may only see that the program ends by itself then, as it
        does where it is preempted: what ran for so long has reached its limit."""
        limit = self.launch.use_case.settings.compute.timeout_minutes * 60
        return "time_limit" if end.cause == "program" and end.exit_code and end.seconds >= limit else end.cause

    def result(self, end: Look) -> dict[str, Any]:
        from ft_platform.compute.pipes import failure_in, final_values

        program, final, cause = self.launch.program, self.messages.final, self.why(end)
        said = failure_in(final)
        # That it was asked to end is known better by whoever asked.
        told = said is not None and type(said) is not Preempted
        if not told and not any("artifact" in one for one in final if isinstance(one, dict)):
            if cause == "out_of_memory":
                raise OutOfMemory(
                    f"program {program} used more memory than its job may ({end.reason}); nothing was published",
                    "Lower training.micro_batch_tokens, or raise the memory of the compute profile",
                )
            if cause == "time_limit":
                raise self.too_long()
            if cause in ("cancelled", "refused"):
                what = "was cancelled at the scheduler" if cause == "cancelled" else "will never get a machine"
                raise SubmissionRefused(
                    f"program {program} {what} ({end.reason}); nothing was published",
                    "Look at queue, account and limits of the compute profile, then run the step again",
                )
        exit_code = end.exit_code if end.cause == "program" else 0  # a result was reported before the machine went
        return final_values(final, program, exit_code, "in the log of its job, where the compute profile keeps one")

    def too_long(self) -> TrainingFailed:
        minutes = self.launch.use_case.settings.compute.timeout_minutes
        return TrainingFailed(
            f"program {self.launch.program} ran longer than {minutes} minutes", "Raise compute.timeout_minutes"
        )

    def bill(self, seconds: float, at_once: bool = False) -> None:
        """Only what ran is paid for, and what an earlier orchestrator has watched stands in its own row."""
        self.ran = seconds
        self.launch.ran(self.ran - self.before)
        if at_once or time.monotonic() - self.billed_at > BILL_SECONDS:
            self.billed_at = time.monotonic()
            self.patiently(lambda: setattr(self.folder, "seconds", self.ran))

    def tell(self, look: Look) -> None:
        """Says once what a job waits for."""
        if look.phase == "waits":
            words = f"waits for a machine ({look.reason or 'queued'})"
            progress.report(stage_of(self.launch.context), 0, None, "", waits_for="a machine")
            if words != self.said:
                self.say(words)
        self.said = words if look.phase == "waits" else ""

    def say(self, words: str) -> None:
        self.launch.context.log.info(vouch(words))

    def patiently(self, ask: Callable[[], T]) -> T:
        """Asks again while lake or scheduler are out of reach."""
        until, wait = time.monotonic() + PATIENCE_SECONDS, READ_SECONDS
        while True:
            try:
                return ask()
            except CredentialsRefused as error:
                raise _OutOfReach(f"the scheduler refuses the credentials ({error})", permanent=True) from None
            except Exception as error:
                if not isinstance(error, Unreachable) and not passes(error):
                    raise
                if time.monotonic() > until:
                    away = isinstance(error, Unreachable)
                    what = f"scheduler does not answer ({error})" if away else f"lake fails ({type(error).__name__})"
                    raise _OutOfReach(f"the {what}") from None
                time.sleep(wait)
                wait = min(2 * wait, 15.0)
