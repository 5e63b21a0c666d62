"""The typed exceptions of the platform. Each message says what, where and what to do next, and never holds a record's
text."""

from typing import Any

from ft_platform.errors.printable import printable
from ft_platform.errors.vouched import vouch


class FtError(Exception):
    """Base of every error the platform raises on purpose.

    Args:
        message: what is wrong and where, with expected and got; never a value that may be personal data.
        next_step: the command or setting that helps.
    """

    permanent = True

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(
            vouch(
                f"{message}. {next_step}"
                if next_step and not message.endswith(".")
                else f"{message} {next_step}".strip()
            )
        )
        self.message = message
        self.next_step = next_step

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors of worker processes keep their type and parts, whatever the arguments of their class."""
        return rebuilt, (type(self), self.args, self.__dict__)


def rebuilt(kind: type[FtError], args: tuple[Any, ...], attributes: dict[str, Any]) -> FtError:
    """An error of another process, as it was."""
    error = kind.__new__(kind)
    error.args = args
    vouch(str(error))
    error.__dict__.update(attributes)
    return error


class ConfigError(FtError):
    """One or more settings are wrong. All problems of a file are collected and raised once."""

    def __init__(self, problems: list[str], next_step: str = "") -> None:
        self.problems = [printable(problem) for problem in problems]
        super().__init__("\n".join(self.problems), next_step)


class MayNot(ConfigError):
    """A person may not do what they asked for. The words say who may."""


class AnswersRefused(ConfigError):
    """Sheets that experts filled in cannot be taken. All problems are collected, each with file and row."""


class SourceError(FtError):
    """A source cannot be read: missing, cut, undecodable, wrong columns, duplicate ids."""


class DataError(FtError):
    """Records cannot go on: none left, one class only, a class too small, a failed expectation."""


class DiskFull(FtError):
    """The disk or bucket of the lake has no room. What was there before stays readable."""


class NotWritable(FtError):
    """A file or folder of the installation may not be read or written, or something else is in its place. What was
    there before stays as it is."""


class StateDamaged(FtError):
    """Dagster's own settings or databases cannot be read. The lake does not depend on them."""


class KeyMissing(FtError):
    """The pseudonym key is missing or is not the one this use case was started with."""


class VersionRefused(FtError):
    """A table or checkpoint version may not be used: its manifest is missing, stale or failed."""


class NewerLake(FtError):
    """The lake was written by a version of the platform that stores in another form. Nothing was written to it."""


class NotCurrent(VersionRefused):
    """What a person was shown, and acts on, is no longer what there is."""


class CorruptVersion(VersionRefused):
    """Stored bytes do not match the hash in the manifest."""


class BaseModelError(FtError):
    """A base model does not exist, has another hash than pinned, or is not safe to load."""


class ExportRefused(FtError):
    """An exported model would not answer as its checkpoint does, or cannot have this form. Nothing of it is kept."""


class TrainingFailed(FtError):
    """A training program ended without a checkpoint (NaN loss, out of memory, killed)."""


class SettingTooHigh(TrainingFailed):
    """A training ended by one of its settings.

    Args:
        lower: setting and a lower value, as `ft run --set` takes them.
    """

    def __init__(self, message: str, next_step: str = "", lower: str = "") -> None:
        super().__init__(message, next_step)
        self.lower = lower


class NanLoss(SettingTooHigh):
    """The loss became NaN or infinite."""


class OutOfMemory(SettingTooHigh):
    """The device or the machine ran out of memory."""


class Preempted(TrainingFailed):
    """The program was asked to stop (SIGTERM or SIGINT) and saved where it was."""

    permanent = False


class TimeLimitReached(TrainingFailed):
    """The program ran as long as it may and saved where it was."""


class TrainerRunning(TrainingFailed):
    """Another process trains the same checkpoint, or took over from this one."""

    permanent = False


class DoesNotFit(TrainingFailed):
    """A training would need more memory than there is; refused before it starts."""


class BudgetExceeded(TrainingFailed):
    """A program would cost more than is left of a budget, or has used it up."""


class QuotaExceeded(TrainingFailed):
    """A program would use more than is left of what its team may use in a month."""


class MadeRoom(Preempted):
    """A training saved where it was and ended, so that a program of a higher class has its place. It waits for another
    one."""


class ProgramKilled(TrainingFailed):
    """The program was ended by a signal."""

    permanent = False


class MachineLost(TrainingFailed):
    """The machine that ran a program is gone, or was taken away, as often as may be tried. Its last saved state is in
    the lake."""

    permanent = False


class SubmissionRefused(TrainingFailed):
    """A scheduler does not take a program, and will not take it later: a wrong queue, a quota, credentials."""


class OtherCode(TrainingFailed):
    """A worker has other code than the orchestrator. It has done nothing."""


class Superseded(TrainingFailed):
    """Another job took over the work of this one."""


class EndpointFailed(FtError):
    """A model behind an endpoint refuses a request or sends something else than an answer."""


class EndpointUnavailable(EndpointFailed):
    """A model behind an endpoint cannot be reached, or is too slow or too busy."""

    permanent = False


class MissingExtra(FtError):
    """An optional dependency is not installed.

    Args:
        package: what is missing, and what for.
        extra: extra of ft-platform that brings it.
        install: what pip installs, where no extra brings it.
    """

    def __init__(self, package: str, extra: str = "", install: str = "") -> None:
        super().__init__(
            f"{package} is not installed",
            "Add it with: pip install " + (f'"ft-platform[{extra}]"' if extra else install),
        )


class TransientError(FtError):
    """Something outside failed and may work on the next try: a lock, a network, a conflict of writers."""

    permanent = False


class LakeUnreachable(TransientError):
    """The object store of the lake does not answer, or asks for patience, and has been asked long enough."""


class StatesInUse(TransientError):
    """Saved states of a training could not be removed, because the training was faster."""
