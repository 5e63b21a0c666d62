"""The guard before Dagster's web server: its pages may drive it, no other web page may.

Covered: requests by another name (DNS rebinding); requests and websockets that pages of other origins start; GraphQL by
GET and in any form but JSON; queries that are too deep, too wide or batched; bodies that are too large or come too
slowly; framing by other pages. Not covered: who asks (`web.sign_in`), what they may do, and encryption."""

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ft_platform.use_case.settings.environment import PORTAL
from ft_platform.use_case.settings.hosts import Hosts, authority
from ft_platform.web.graphql_limits import payload_problem, request_problem

MAX_BODY_BYTES = 2_000_000
MAX_MESSAGE_CHARACTERS = 200_000
"""Of one message over a websocket."""
BODY_SECONDS = 15
"""Time for a whole body; those of Dagster's pages have a few kilobytes."""

REPORTS = ("report_asset_materialization", "report_asset_check", "report_asset_observation")
DATA = ("graphql", "logs", "notebook", "dagit", "download_debug", "server_info", "dagit_info", *REPORTS)
"""First part of the paths that answer with data, or change something. All others are the page itself and its static
files."""

ONCE = ("host", "origin", "referer", "content-type", "content-length", "content-encoding", "sec-fetch-site")
FORMS = ("auth", PORTAL.strip("/"))
"""First part of the paths where people send forms: to sign in, and in the portal."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Refusal(NamedTuple):
    """Why a request is not answered."""

    status: HTTPStatus
    words: str


class Request(NamedTuple):
    """What the guard looks at.

    Attributes:
        room: first part of the path.
        server: address and port at which the request arrived.
    """

    kind: str
    method: str
    room: str
    headers: Headers
    server: tuple[str, int | None] | None


def refused_headers(request: Request, _hosts: Hosts) -> Refusal | None:
    """Headers that would have to be read in one of two ways."""
    twice = [name for name in ONCE if len(request.headers.getlist(name)) > 1]
    return Refusal(HTTPStatus.BAD_REQUEST, f"{twice[0]} is given more than once") if twice else None


def refused_host(request: Request, hosts: Hosts) -> Refusal | None:
    """A name that is not this server's."""
    if hosts.includes(request.headers.get("host"), request.server):
        return None
    return Refusal(
        HTTPStatus.MISDIRECTED_REQUEST,
        "this server is addressed by another name; `web_hosts` of the installation lists further ones",
    )


def refused_origin(request: Request, hosts: Hosts) -> Refusal | None:
    """What a page of another origin started; only a link to a page of the UI may come from elsewhere."""
    headers = request.headers
    refusal = Refusal(HTTPStatus.FORBIDDEN, "pages of other origins may not use this server")
    if "origin" in headers and not _is_own(headers["origin"], headers.get("host"), hosts):
        return refusal
    if request.kind == "http" and request.method in ("GET", "HEAD") and request.room not in DATA:
        link = (
            headers.get("sec-fetch-mode", "navigate") == "navigate"
            and headers.get("sec-fetch-dest", "document") == "document"
        )
        if link:
            return None
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return refusal
    if "origin" not in headers and "referer" in headers and not _is_own(headers["referer"], headers.get("host"), hosts):
        return refusal
    return None


def _is_own(address: str, host: str | None, hosts: Hosts) -> bool:
    """Whether an origin or address is the one that the request is addressed to, or one that the installation names."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    found = authority(parts.netloc)
    return parts.scheme in ("http", "https") and found is not None and (found == authority(host) or hosts.names(found))


def refused_method(request: Request, _hosts: Hosts) -> Refusal | None:
    """Methods that are not needed; above all GraphQL by GET, which links and pictures can send."""
    if request.kind == "websocket":
        return None if request.room == "graphql" else Refusal(HTTPStatus.FORBIDDEN, "there is no websocket here")
    if request.method == "POST":
        if request.room in ("graphql", *FORMS, *REPORTS):
            return None
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only read here")
    if request.method in ("GET", "HEAD") and request.room not in ("graphql", *REPORTS):
        return None
    return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "GraphQL and reports of assets go by POST")


def refused_content(request: Request, _hosts: Hosts) -> Refusal | None:
    """Bodies in another form than JSON: forms and plain text are what pages of other origins can send unasked. Those
    below `/auth/` and `/portal/` have a token in each form."""
    if request.method != "POST" or request.kind != "http":
        return None
    form = request.room in FORMS
    kind, _, parameter = request.headers.get("content-type", "").lower().partition(";")
    if (
        kind.strip() != ("application/x-www-form-urlencoded" if form else "application/json")
        or parameter.strip() not in ("", "charset=utf-8")
        or "content-encoding" in request.headers
    ):
        wanted = "a form" if form else "application/json"
        return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {wanted}")
    return None


CHECKS: tuple[Callable[[Request, Hosts], Refusal | None], ...] = (
    refused_headers,
    refused_host,
    refused_origin,
    refused_method,
    refused_content,
)


class Guard:
    """ASGI middleware: answers what is refused, and hands on the rest.

    Args:
        app: Dagster's web application.
        hosts: names that the installation is addressed by.
        prefix: path under which Dagster's pages lie.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts, prefix: str = "") -> None:
        self.app, self.hosts, self.prefix = app, hosts, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request = self._request(scope)
        refusal = next((found for check in CHECKS if (found := check(request, self.hosts))), None)
        if refusal:
            await _refuse(refusal, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self.app(scope, _looked_at(receive), send)
            return
        if request.method == "POST":
            body = await read_body(receive, request)
            if isinstance(body, bytes) and request.room == "graphql" and (problem := request_problem(body)):
                body = Refusal(HTTPStatus.BAD_REQUEST, problem)
            if isinstance(body, Refusal):
                await _refuse(body, scope, receive, send)
                return
            receive = _replayed(body, receive)
        await self.app(scope, receive, _with_headers(send, request.room))

    def _request(self, scope: Scope) -> Request:
        path = scope["path"].removeprefix(self.prefix).lstrip("/")
        room = path.partition("/")[0].lower()
        return Request(scope["type"], scope.get("method", "GET"), room, Headers(scope=scope), scope.get("server"))


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        # Before it is accepted: the server answers the handshake with 403.
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    headers = {"Connection": "close", "Cache-Control": "no-store"}
    response = PlainTextResponse(f"{refusal.words}\n", status_code=refusal.status, headers=headers)
    await response(scope, receive, _with_headers(send, ""))


async def read_body(receive: Receive, request: Request) -> bytes | Refusal:
    """The body of a request, or why it is not read to its end."""
    too_large = Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {MAX_BODY_BYTES} bytes")
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:
        return too_large
    parts, size, more = [], 0, True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return Refusal(HTTPStatus.BAD_REQUEST, "the client went away")
                parts.append(message.get("body", b""))
                size, more = size + len(parts[-1]), message.get("more_body", False)
                if size > MAX_BODY_BYTES:
                    return too_large
    except TimeoutError:
        return Refusal(HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {BODY_SECONDS} seconds")
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, then goes on."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _looked_at(receive: Receive) -> Receive:
    """Messages of a websocket; one that is refused ends it."""

    async def looked_at() -> Message:
        message = await receive()
        if message["type"] == "websocket.receive" and message_problem(
            message.get("text") or message.get("bytes") or ""
        ):
            return {"type": "websocket.disconnect", "code": 1008}
        return message

    return looked_at


def message_problem(text: str | bytes) -> str | None:
    """Why a message over a websocket ends it, or None."""
    if len(text) > MAX_MESSAGE_CHARACTERS:
        return f"the message has more than {MAX_MESSAGE_CHARACTERS} characters"
    try:
        message: Any = json.loads(text)
    except (ValueError, RecursionError):
        return "the message is not valid JSON"
    if not isinstance(message, dict):
        return "the message must be a JSON object"
    if not isinstance(message.get("id", ""), str | int | None):
        return "the id of the message must be a text or a number"
    return payload_problem(message.get("payload"), subscription=True) if message.get("type") == "start" else None


def _with_headers(send: Send, room: str) -> Send:
    """Adds headers that say to the browser what other pages may not do with the answer."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                if headers.get(name) != "DENY":  # the sign-in's own, which is stricter
                    headers[name] = value
            # Notebooks may bring scripts of their own; they run in no page of this origin.
            own = headers.get("content-security-policy", "").rstrip("; ")
            framing = [] if "frame-ancestors" in own else ["frame-ancestors 'self'"]
            policies = [*framing, *(["sandbox"] if room in ("notebook", "dagit") else [])]
            headers["Content-Security-Policy"] = "; ".join([*filter(None, [own]), *policies])
        await send(message)

    return sent
