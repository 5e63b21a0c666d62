"""What back ends share: live progress out of Pipes messages, and failures with their reason."""

import json
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.pipes.context import PipesMessageHandler
from dagster_pipes import PIPES_PROTOCOL_VERSION_FIELD

from ft_platform import errors
from ft_platform.errors.vouched import vouch
from ft_platform.process import progress

POLL_SECONDS = 0.05
LINE_SECONDS = 10.0
"""Time between two lines of progress in the log of a run. Each is a row in the event log."""


class LiveMessages:
    """Stands between a message reader and Dagster's handler: progress goes to listeners at once and into the log of the
    run now and then, the rest on to Dagster.

    The programs are ours, and what they log are figures: those lines are vouched for. Messages of a program that
    somebody else starts do not come by here."""

    def __init__(self, handler: PipesMessageHandler, context: dg.AssetExecutionContext) -> None:
        self._handler = handler
        self._context = context
        self._said_at = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)

    def handle_message(self, message: Mapping[str, Any]) -> None:
        if message.get("method") == "log":
            vouch(str((message.get("params") or {}).get("message", "")))
        # What Dagster adds for a program that ended with an exception has its text.
        if message.get("method") == "closed":
            message = {**message, "params": {}}
        payload = (
            (message.get("params") or {}).get("payload") if message.get("method") == "report_custom_message" else None
        )
        if isinstance(payload, dict) and "progress" in payload:
            self._live(progress.Update(**payload["progress"]))
        else:
            self._handler.handle_message(message)  # type: ignore[arg-type]

    def _live(self, update: progress.Update) -> None:
        progress.publish(update)
        figures = [f"{name} {value:.5g}" for name, value in update.fields.items() if isinstance(value, (int, float))]
        finished = update.total is not None and update.done >= update.total
        if figures and (finished or time.monotonic() - self._said_at > LINE_SECONDS):
            self._said_at = time.monotonic()
            of = f"{update.done} of {update.total}" if update.total is not None else str(update.done)
            self._context.log.info(vouch(f"{of} {update.unit}: {', '.join(figures)}"))


class LiveMessageReader(dg.PipesMessageReader):
    """Reads messages from a temporary file while the program runs, whole lines only.

    Dagster's own file reader takes a line that is only half written for a whole one, and its thread then dies: all
    later messages, the result among them, were lost so (seen once).

    Args:
        folder: that the program sees as well, at the same path. Default: the temporary folder of this machine.
    """

    def __init__(self, context: dg.AssetExecutionContext, folder: Path | None = None) -> None:
        self._context, self._folder = context, folder

    @contextmanager
    def read_messages(self, handler: PipesMessageHandler) -> Iterator[dict[str, Any]]:
        live = LiveMessages(handler, self._context)
        ended = threading.Event()
        with tempfile.TemporaryDirectory(prefix="ft-pipes-", dir=self._folder) as folder:
            path = Path(folder) / "messages"
            path.touch()
            reader = threading.Thread(target=_follow, args=(path, live.handle_message, ended), daemon=True)
            reader.start()
            try:
                yield {"path": str(path)}
            finally:
                ended.set()
                reader.join()

    def no_messages_debug_text(self) -> str:
        return "Attempted to read messages from a local temporary file."


class LogMessages(dg.PipesMessageReader):
    """Messages among the lines that a program writes, for a back end that sees its log and no file: it calls `line`
    with each, in order.

    The program writes them to its standard output. The last line must have been passed on before `Running.wait`
    returns."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context
        self._live: LiveMessages | None = None

    @contextmanager
    def read_messages(self, handler: PipesMessageHandler) -> Iterator[dict[str, Any]]:
        self._live = LiveMessages(handler, self._context)
        yield {"stdio": "stdout"}

    def line(self, text: str) -> None:
        """Takes one line of the log: a message goes its way, any other into the compute log of the step."""
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if self._live and isinstance(message, dict) and PIPES_PROTOCOL_VERSION_FIELD in message:
            self._live.handle_message(message)
        else:
            print(text, flush=True)

    def no_messages_debug_text(self) -> str:
        return "Attempted to read messages from the log of the program."


def _follow(path: Path, handle: Callable[[Mapping[str, Any]], None], ended: threading.Event) -> None:
    rest = b""
    with open(path, "rb") as file:
        while True:
            last = ended.is_set()
            *lines, rest = (rest + file.read()).split(b"\n")
            for line in lines:
                handle(json.loads(line))
            if last:
                return
            ended.wait(POLL_SECONDS)


def failure_in(messages: list[Any]) -> errors.FtError | None:
    """What the program said it failed with: of several processes the first knew the reason."""
    for message in messages:
        if isinstance(message, dict) and "failed" in message:
            failed = message["failed"]
            kind = getattr(errors, failed["type"], errors.TrainingFailed)
            # These two build their own message.
            plain = issubclass(kind, errors.FtError) and kind not in (errors.ConfigError, errors.MissingExtra)
            made: errors.FtError = (kind if plain else errors.TrainingFailed)(
                failed["message"], failed.get("next_step", "")
            )
            return made
    return None


def final_values(
    messages: list[Any], program: str, exit_code: int, output: str = "in the compute log of the step"
) -> dict[str, Any]:
    """The program's own result, or the failure it ended with.

    Args:
        output: where the lines lie that it wrote.

    Raises:
        TrainingFailed: typed where the program said why, by signal or exit code otherwise.
    """
    if failure := failure_in(messages):
        raise failure
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = (
            "Out of memory is the usual reason for SIGKILL: lower training.micro_batch_tokens. "
            if name == "SIGKILL"
            else ""
        )
        raise errors.ProgramKilled(
            f"program {program} was ended by {name}; nothing was published", f"{hint}Run the step again"
        )
    if exit_code != 0:
        problem = f"program {program} ended with exit code {exit_code} without saying why"
        raise errors.TrainingFailed(problem, f"Its output is {output}")
    for message in reversed(messages):
        if isinstance(message, dict) and "artifact" in message:
            return message
    raise errors.TrainingFailed(f"program {program} ended without a result", f"Its output is {output}")
