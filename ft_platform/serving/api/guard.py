"""The guard before the routes: who may ask, how much of a request is taken, and what becomes of what fails.

Covered: keys and their rates; requests by another name where there are no keys (DNS rebinding); requests of pages of
other origins, and bodies in another form than JSON, which such pages can send unasked; heads and bodies that are too
large or too slow; too many requests at once; clients that go away, whose answers are cancelled. An exception leaves no
text of a request in an answer or a log: its kind and its place are told. Not covered: connections that do not get as
far as a request, which are the business of `server.PatientProtocol`.
"""

import asyncio
import logging
import re
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from functools import partial

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ft_platform.process.hooks import place_of_error
from ft_platform.serving.api.errors import ApiError, engine_full
from ft_platform.serving.api.exchange import EXCHANGE, Exchange
from ft_platform.serving.api.limits import Limits
from ft_platform.serving.api.metrics import Metrics
from ft_platform.serving.api.noting import (
    CONSENT,
    LONGEST_RIGHT,
    NOTED_SECONDS,
    PURPOSE,
    SUBJECT,
    Notes,
    Rights,
)
from ft_platform.serving.api.rollouts import Rollouts
from ft_platform.serving.api.shadows import Shadows
from ft_platform.serving.api_keys import EVERY_USE_CASE, ApiKey, ApiKeys, KeyRefused, RateExceeded
from ft_platform.serving.engine.requests import Full
from ft_platform.serving.protocol import ACTED, IGNORED, TRIAL, UNGUARDED
from ft_platform.use_case.settings.hosts import Hosts, authority

LOG = logging.getLogger(__name__)

OPEN = ("/", "/health", "/ready", "/openapi.json", "/docs")
"""Paths that need no key, and that pages of other origins may link to: they tell nothing about requests, models or
keys."""
METRICS = "/metrics"
ONCE = (
    "host",
    "origin",
    "sec-fetch-site",
    "authorization",
    "content-type",
    "content-length",
    "content-encoding",
    "x-ft-guardrails",
    *(name.lower() for name in (SUBJECT, CONSENT, PURPOSE)),
)
IDS = {"/v1/chat/completions": "chatcmpl", "/v1/completions": "cmpl", "/v1/classify": "classify"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
TOO_OFTEN = 429
GONE = 499
"""What is told in place of a status where the client did not wait for one, as nginx does."""
DRAINED = 10
"""A body this many times as large as allowed is still read, so that the client gets to its answer; none is kept."""


class Guard:
    """ASGI application around the routes.

    Args:
        routes: paths, with names in braces, that are told in logs and metrics.
        hosts: names by which the server is addressed besides those of this machine, where there are no keys.
        refusal: of the engine, if it would refuse one more request.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Iterable[str],
        keys: ApiKeys,
        metrics: Metrics,
        limits: Limits,
        hosts: Hosts,
        notes: Notes,
        refusal: Callable[[], Full | None],
        rollouts: Rollouts,
        shadows: Shadows,
    ) -> None:
        self._app, self._keys, self._metrics, self._notes = app, keys, metrics, notes
        self._refusal = refusal
        self._routes = {route: re.compile(re.sub(r"\{\w+\}", "[^/]+", route)) for route in routes}
        self._limits, self._hosts, self._rollouts, self._shadows = limits, hosts, rollouts, shadows
        self._under_way, self._of_key = 0, Counter[str]()
        self._pace = Pace(limits.refusals, limits.refusal_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        exchange = Exchange(f"{IDS.get(path, 'req')}-{uuid.uuid4().hex}", method)
        exchange.route = next((name for name, found in self._routes.items() if found.fullmatch(path)), "")
        answer = _Answer(send, exchange, partial(self._note, exchange))
        self._under_way += 1
        place, body = ExitStack(), b""
        place.callback(self._leave, exchange)
        try:
            self._admit(scope, path, exchange)
            body = await self._body(Headers(scope=scope), receive) if scope["method"] == "POST" else b""
            answer.closes = False
            if path in IDS and (full := self._refusal()):  # before its texts cost anything
                raise engine_full(full.retry_after)
            await self._run({**scope, EXCHANGE: exchange}, body, receive, answer)
            self._shadows.offer(exchange, scope, body, time.monotonic() - exchange.started)
        except ApiError as error:
            exchange.code, body = error.code, b""
            if not answer.begun:
                if error.status == TOO_OFTEN:
                    place.close()
                    await asyncio.sleep(self._pace.wait())
                await error.response()(scope, receive, answer)
        except _Gone:
            exchange.code, exchange.status = "went_away", GONE
            self._metrics.gone.labels("went_away").inc()
        except Exception as error:  # the last resort: its text may quote a request, so it is neither told nor logged
            LOG.error(f"request {exchange.id} failed: {place_of_error(error)}")
            if not answer.begun:
                failed = ApiError(500, f"the server failed; its log says where, under {exchange.id}", "internal_error")
                await failed.response()(scope, receive, answer)
        finally:
            place.close()
            self._tell(exchange)
            self._rollouts.ended(exchange, time.monotonic() - exchange.started)
            if not exchange.is_noted:  # nobody waits for it
                self._append(exchange)

    def _leave(self, exchange: Exchange) -> None:
        self._under_way -= 1
        if exchange.key:
            self._of_key[exchange.key.id] -= 1

    def _append(self, exchange: Exchange) -> "Future[bool] | None":
        """Notes a request that asked a model of ours for an answer."""
        exchange.is_noted = True
        if not exchange.model or exchange.route not in IDS:
            return None
        return self._notes.append(exchange.model.partition("@")[0], exchange.records())

    async def _note(self, exchange: Exchange) -> None:
        noted = self._append(exchange)
        if noted is None:
            return
        try:
            async with asyncio.timeout(NOTED_SECONDS):
                kept = await asyncio.shield(asyncio.wrap_future(noted))
        except TimeoutError:
            self._metrics.noted.labels("late").inc()
        else:
            self._metrics.noted.labels("kept" if kept else "lost").inc()

    def _admit(self, scope: Scope, path: str, exchange: Exchange) -> None:
        """Raises:
        ApiError: the request is not looked at any further.
        """
        headers = Headers(scope=scope)
        size = len(scope["raw_path"]) + len(scope["query_string"])
        if size + sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > self._limits.head_bytes:
            raise ApiError(431, f"the headers have more than {self._limits.head_bytes} bytes", "headers_too_large")
        if twice := [name for name in ONCE if len(headers.getlist(name)) > 1]:
            raise ApiError(400, f"the header {twice[0]} is given more than once", "invalid_header")
        if path not in OPEN and not self._is_own_page(headers):
            raise ApiError(403, "pages of other origins may not use this server", "wrong_origin")
        self._keys.look()
        if not self._keys.required:
            if not self._hosts.includes(headers.get("host"), scope.get("server")):
                raise ApiError(421, "without keys, this server answers to this machine's own names only", "wrong_host")
        elif path not in OPEN:
            exchange.key = self._key(headers.get("authorization", ""), charged=path != METRICS)
            self._of_key[exchange.key.id] += 1
            if path == METRICS and not exchange.may_ask(EVERY_USE_CASE):
                raise ApiError(403, "metrics need a key for all use cases", "wrong_key")
        exchange.note.rights = self._rights(headers)
        may = partial(self._may_compare, headers, scope, exchange)
        exchange.note.is_trial = _asks(headers, TRIAL, "on", may)
        exchange.unguarded = _asks(headers, UNGUARDED, "off", may)
        # Only now: who has no key learns nothing about how busy the server is.
        of_key = self._of_key[exchange.key.id] if exchange.key else 0
        full = self._under_way > self._limits.requests or of_key > self._limits.requests_of_key
        if full and path not in OPEN:
            raise ApiError(TOO_OFTEN, "too many requests are under way", "busy", retry_after=1)
        if scope["method"] == "POST":
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json" or "content-encoding" in headers:
                raise ApiError(415, "the body must be application/json, not compressed", "unsupported_media_type")

    def _is_own_page(self, headers: Headers) -> bool:
        """Whether a request comes from the playground or from no page at all. Browsers say so themselves where the
        connection is encrypted or does not leave the machine; elsewhere the origin is compared with the name that the
        request is addressed to (W3C Fetch Metadata, 2.3)."""
        if site := headers.get("sec-fetch-site"):
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        if origin is None:
            return True
        found = authority(origin.partition("://")[2])
        return found is not None and (found == authority(headers.get("host")) or self._hosts.names(found))

    def _key(self, authorization: str, charged: bool) -> ApiKey:
        scheme, _, given = authorization.partition(" ")
        try:
            key = self._keys.check(given.strip() if scheme.lower() == "bearer" else None)
            if charged:
                self._keys.charge(key)
        except KeyRefused as error:
            raise ApiError(401, str(error), "invalid_api_key") from None
        except RateExceeded as error:
            raise ApiError(
                TOO_OFTEN, "this key has used up its requests", "rate_limit", retry_after=error.retry_after
            ) from None
        return key

    def _may_compare(self, headers: Headers, scope: Scope, exchange: Exchange) -> bool:
        """Whether it may ask without guardrails, and so that it counts as no traffic: without keys, this machine; with
        keys, those that were made for it."""
        if exchange.key:
            return exchange.key.unguarded
        return not self._keys.required and Hosts().includes(headers.get("host"), scope.get("server"))

    def _rights(self, headers: Headers) -> Rights:
        """Raises:
        ApiError: a header is too long, or has letters beyond ASCII: cut short or misread it would mean somebody else.
        """
        said = {name: headers.get(name, "").strip() for name in (SUBJECT, CONSENT, PURPOSE)}
        for name, value in said.items():
            if len(value) > LONGEST_RIGHT or not value.isascii():
                what = f"the header {name} must have at most {LONGEST_RIGHT} ASCII characters; put others in `metadata`"
                raise ApiError(400, what, "invalid_header")
        return Rights(*said.values())

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """Raises:
        ApiError: it is too large or too slow.
        """
        limit = self._limits.body_bytes
        too_large = ApiError(413, f"the body has more than {limit} bytes", "body_too_large")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 18 or int(length) > limit * DRAINED:
            raise too_large
        parts: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    part, more = message.get("body", b""), message.get("more_body", False)
                    size += len(part)
                    if size > limit * DRAINED:
                        raise too_large
                    parts = [*parts, part] if size <= limit else []
        except TimeoutError:
            raise ApiError(
                408, f"the body did not come within {self._limits.body_seconds:g} seconds", "body_too_slow"
            ) from None
        if size > limit:
            raise too_large
        return b"".join(parts)

    async def _run(self, scope: Scope, body: bytes, receive: Receive, answer: "_Answer") -> None:
        """Lets the routes answer, unless the client goes away before they have."""
        waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Message:
            return waiting.pop() if waiting else await asyncio.Future()

        async def went_away() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        answering = asyncio.ensure_future(self._app(scope, replayed, answer))
        leaving = asyncio.ensure_future(went_away())
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done() and not answer.complete:
                raise _Gone
            await answering
        finally:
            for task in (answering, leaving):
                task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await answering

    def _tell(self, exchange: Exchange) -> None:
        seconds = time.monotonic() - exchange.started
        route = exchange.route or "other"
        self._metrics.requests.labels(route, exchange.model, str(exchange.status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        for name, did in exchange.acted.items():
            self._metrics.guardrails.labels(exchange.model, name, did).inc()
        for kind, count in exchange.tokens.items():
            self._metrics.tokens.labels(exchange.model, kind).inc(count)
        if exchange.status >= 400 and exchange.code:
            self._metrics.refused.labels(exchange.code).inc()
        by = f" key {exchange.key.id}" if exchange.key else ""
        tokens = "".join(f" {kind} {count}" for kind, count in exchange.tokens.items())
        LOG.info(
            f"{exchange.method} {route} {exchange.status} {exchange.code or 'ok'} {seconds:.3f} s"
            f" {exchange.model or '-'}{by}{tokens} {exchange.id}"
        )


class Pace:
    """When refusals are sent: so many in a second, the others up to `seconds` later.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, rate: float, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._seconds, self._clock = rate, seconds, clock
        self._next = clock()

    def wait(self) -> float:
        """Seconds until the next one is sent."""
        now = self._clock()
        wait = min(max(self._next - now, 0.0), self._seconds)
        self._next = now + wait + 1 / self._rate
        return wait


class _Gone(Exception):
    """The client went away."""


class _Answer:
    """`send`, which notes how far the answer is and adds the headers of every answer.

    Attributes:
        closes: the connection ends with it: the rest of a body would be taken for the next request.
    """

    def __init__(self, send: Send, exchange: Exchange, before_last: Callable[[], Awaitable[None]]) -> None:
        self._send, self._exchange, self._before_last = send, exchange, before_last
        self.begun, self.complete, self.closes = False, False, True

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self._exchange.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in {**HEADERS, "X-Request-Id": self._exchange.id}.items():
                headers[name] = value
            if self._exchange.release:
                headers["X-FT-Release"], headers["X-FT-Checkpoint"] = self._exchange.release, self._exchange.checkpoint
            if self._exchange.acted:
                headers[ACTED] = ", ".join(self._exchange.acted)
            if self._exchange.ignored:
                headers[IGNORED] = ", ".join(self._exchange.ignored)
            if self.closes and message["status"] >= 400:
                headers["Connection"] = "close"
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last and not self._exchange.is_noted:
            await self._before_last()
        await self._send(message)
        if is_last:
            self.complete = True


def _asks(headers: Headers, name: str, value: str, may: Callable[[], bool]) -> bool:
    """Whether a header that only comparisons may send is there.

    Raises:
        ApiError: it may not be sent, or says something else.
    """
    said = headers.get(name)
    if said not in (None, value):
        raise ApiError(400, f"the header {name} can only be `{value}`", "invalid_header")
    if said and not may():
        why = f"the header {name} needs a key for comparisons: ft serve keys add ... --unguarded"
        raise ApiError(403, why, "comparisons_only")
    return said is not None
