"""Messages of a program on another machine, read out of the lake in their order."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.pipes.context import PipesMessageHandler

from ft_platform.compute.pipes import LiveMessages
from ft_platform.lake.launches import LaunchFolder


class LakeMessages(dg.PipesMessageReader):
    """Takes messages file by file (`lake.launches`), whenever it is asked to: `read`.

    A start that follows another begins anew: what the earlier one reported as its end does not count.

    Attributes:
        final: what the newest start reported beside progress and lines of the log.
    """

    def __init__(self, context: dg.AssetExecutionContext, folder: LaunchFolder) -> None:
        self._context, self._folder = context, folder
        self._live: LiveMessages | None = None
        self._start = self._next = 0
        self._opened = False
        self._closed: dict[str, Any] | None = None
        self.final: list[Any] = []

    @contextmanager
    def read_messages(self, handler: PipesMessageHandler) -> Iterator[dict[str, Any]]:
        self._live = LiveMessages(handler, self._context)
        yield {}
        if self._closed:
            self._live.handle_message(self._closed)

    def read(self) -> None:
        """Passes on what has come since."""
        self._read_start()
        newest = self._folder.newest("start")
        if newest > self._start:
            self._start, self._next, self.final, self._closed = newest, 0, [], None
            self._read_start()

    def finish(self) -> list[int]:
        """After the end of the job: reads the rest. Returns the numbers of files that are there although one before
        them is not."""
        self.read()
        if not self.final:
            for message in self._folder.beside(self._folder.newest("attempt")):
                self._take(message)
        return [number for number in self._folder.written(self._start) if number >= self._next] if self._start else []

    def no_messages_debug_text(self) -> str:
        return "Attempted to read messages from the lake."

    def _read_start(self) -> None:
        while self._start and (messages := self._folder.read(self._start, self._next)) is not None:
            self._next += len(messages)
            for message in messages:
                self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        method, payload = message.get("method"), (message.get("params") or {}).get("payload")
        if method == "closed":
            self._closed = message
        elif method == "report_custom_message" and not (isinstance(payload, dict) and "progress" in payload):
            self.final.append(payload)
        elif self._live and (method != "opened" or not self._opened):
            self._opened = self._opened or method == "opened"
            self._live.handle_message(message)
