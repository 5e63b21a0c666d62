"""Asks a candidate what a champion has answered, after the answer was sent, one request at a time; nobody sees what it
says. A shadow can neither change nor fail an answer, and takes one place in the batch of the engine. What comes while
`MOST` wait is not asked."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from ft_platform.serving.api.exchange import EXCHANGE, Exchange, Tried
from ft_platform.serving.api.metrics import Metrics
from ft_platform.serving.api.noting import Notes
from ft_platform.serving.rollout.last_minute import acted_on_answer

MOST = 16
"""Their bodies are kept in memory until then, of at most 1 MB each."""


@dataclass(frozen=True)
class Waiting:
    """An answered request. Attributes: seconds: that its answer took."""

    exchange: Exchange
    scope: Scope
    body: bytes
    tried: Tried
    seconds: float


class Shadows:
    """The requests of one server that wait for a candidate.

    Args:
        app: answers a request whose exchange is a shadow with the candidate.
        ended: is told of each.
    """

    def __init__(self, app: ASGIApp, notes: Notes, metrics: Metrics, ended: Callable[[Exchange, float], None]) -> None:
        self._app, self._notes, self._metrics, self._ended = app, notes, metrics, ended
        self._waiting = deque[Waiting]()
        self._task: asyncio.Task[None] | None = None

    def offer(self, exchange: Exchange, scope: Scope, body: bytes, seconds: float) -> None:
        """Takes a request whose answer was sent, if it is in the share of a shadow."""
        tried = exchange.tried
        if tried is None or not tried.in_share or tried.by_candidate or exchange.status != 200 or exchange.code:
            return
        if len(self._waiting) >= MOST:
            self._metrics.shadows.labels("dropped").inc()
            return
        self._waiting.append(Waiting(exchange, scope, body, tried, seconds))
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._ask_all())

    def stop(self) -> None:
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def _ask_all(self) -> None:
        while self._waiting:
            await self._ask(self._waiting.popleft())

    async def _ask(self, first: Waiting) -> None:
        shadow = Exchange(first.exchange.id, first.exchange.method, route=first.exchange.route, is_shadow=True)
        shadow.unguarded, shadow.note.is_trial = first.exchange.unguarded, True
        body: list[Message] = [{"type": "http.request", "body": first.body, "more_body": False}]

        async def receive() -> Message:
            return body.pop() if body else await asyncio.Future()

        async def send(message: Message) -> None:
            shadow.status = message.get("status", shadow.status)

        try:
            await self._app({**first.scope, EXCHANGE: shadow}, receive, send)
        except Exception:  # the last resort, as in `guard`: the application told its kind, and noted the code
            shadow.code = "internal_error"
        if not shadow.release:  # its candidate is gone, or not loaded
            self._metrics.shadows.labels("dropped").inc()
            return
        shadow.tried = Tried(first.tried.rollout, True, True)
        self._ended(shadow, time.monotonic() - shadow.started)
        self._metrics.shadows.labels("failed" if shadow.code else "answered").inc()
        self._notes.append(first.exchange.use_case, {"shadows": _record(first, shadow)})


def _record(first: Waiting, shadow: Exchange) -> dict[str, Any]:
    """A row of `traffic.tables`."""
    said, before = shadow.note, first.exchange.note
    decisions = [[one["decision"] for one in note.answers] for note in (said, before)]
    labels = None not in decisions[1]
    equal = decisions[0] == decisions[1] if labels else said.texts == before.texts
    return {
        "request_id": shadow.id,
        "at": shadow.at,
        "release": shadow.release,
        "checkpoint": shadow.checkpoint,
        "champion": first.tried.rollout.champion,
        "code": shadow.code,
        "seconds": round(time.monotonic() - shadow.started, 6),
        "champion_seconds": round(first.seconds, 6),
        "acted": acted_on_answer(shadow.acted),
        "champion_acted": acted_on_answer(first.exchange.acted),
        "decisions": decisions[0],
        "champion_decisions": decisions[1],
        # Answers that are drawn differ from themselves.
        "agrees": None if shadow.code or first.exchange.is_drawn else equal,
    }
