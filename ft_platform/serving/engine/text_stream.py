"""The text of an answer while its tokens arrive."""

from collections.abc import Sequence
from typing import Any

WINDOW = 32
"""Most tokens that are decoded anew for each new one; a decoder looks at a few before (spaces, bytes of a letter)."""


class TextStream:
    """What may be shown of an answer: whole characters, and nothing that may be the start of a stop text.

    Args:
        text: `TextTokens`.
        stops: texts that end the answer; empty ones are left out.

    Attributes:
        stopped: a stop text was found; nothing is shown any more.
    """

    def __init__(self, text: Any, stops: Sequence[str]) -> None:
        self.stopped = False
        self._text = text
        self._stops = [stop for stop in stops if stop]
        self._tokens: list[int] = []
        self._decoded = 0
        self._held = ""

    def push(self, token: int) -> str:
        """What may be shown after one more token."""
        self._tokens.append(token)
        # Without what is left of a character that is not whole yet.
        decoded = self._text.decoded(self._tokens)
        self._held += decoded[self._decoded :]
        self._decoded = max(self._decoded, len(decoded))
        if len(self._tokens) >= WINDOW:
            self._tokens = self._tokens[-WINDOW // 2 :]
            self._decoded = len(self._text.decoded(self._tokens))
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            return self._show(min(found))
        return self._show(len(self._held) - max((_starting(self._held, stop) for stop in self._stops), default=0))

    def rest(self) -> str:
        """What is held back, at the end of the answer. A character that is not whole is left out."""
        return "" if self.stopped else self._show(len(self._held))

    def _show(self, length: int) -> str:
        shown, self._held = self._held[:length], self._held[length:]
        return shown


def _starting(text: str, stop: str) -> int:
    """Length of the longest end of `text` with which `stop` begins."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
