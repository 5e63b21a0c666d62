"""Requests to a web application in this process, with exactly the headers and pieces of a body that a test gives."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import dagster as dg
import dagster_webserver.app
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster_webserver.webserver import DagsterWebserver

from ft_platform.web.dagster_webserver import GUARDED, NAME

SERVER = ("127.0.0.1", 3000)
OWN = ("host", "127.0.0.1:3000")
JSON = ("content-type", "application/json")
PATIENCE_SECONDS = 20
ORIGINAL = DagsterWebserver.build_middleware
Pairs = Iterable[tuple[str, str]]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def scope(kind: str, path: str, headers: Pairs, server: tuple[str, int] = SERVER, **more: Any) -> dict[str, Any]:
    path, _, query = path.partition("?")
    raw = [(name.encode(), value.encode("latin1")) for name, value in headers]
    fixed = {
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "client": ("127.0.0.1", 5000),
        "root_path": "",
        "server": server,
    }
    return {
        "type": kind,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": raw,
        **fixed,
        **more,
    }


def request(
    app: Any,
    method: str,
    path: str,
    headers: Pairs = (OWN,),
    body: bytes | list[bytes] = b"",
    server: tuple[str, int] = SERVER,
) -> Answer:
    """What an application answers. A body in pieces: after the last one the client is silent without ending it."""
    pieces = (
        [{"type": "http.request", "body": piece, "more_body": True} for piece in body] if isinstance(body, list) else []
    )
    waiting = pieces or [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else await asyncio.Future()

        async def send(message: Any) -> None:
            sent.append(message)

        made = scope("http", path, headers, server, method=method, scheme="http")
        await asyncio.wait_for(app(made, receive, send), PATIENCE_SECONDS)

    asyncio.run(run())
    start = next(message for message in sent if message["type"] == "http.response.start")
    found = {name.decode(): value.decode("latin1") for name, value in start["headers"]}
    return Answer(start["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))


def websocket(
    app: Any, headers: Pairs, messages: Iterable[Any] = (), path: str = "/graphql", server: tuple[str, int] = SERVER
) -> tuple[bool, list[Any]]:
    """Whether an application accepts a websocket, and what it sends after these messages."""
    texts = [message if isinstance(message, str) else json.dumps(message) for message in messages]
    waiting = [
        {"type": "websocket.connect"},
        *({"type": "websocket.receive", "text": text} for text in texts),
        {"type": "websocket.disconnect", "code": 1000},
    ]
    sent: list[dict[str, Any]] = []

    async def run() -> None:
        async def receive() -> dict[str, Any]:
            return waiting.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        made = scope("websocket", path, headers, server, scheme="ws", subprotocols=["graphql-ws"])
        await asyncio.wait_for(app(made, receive, send), PATIENCE_SECONDS)

    asyncio.run(run())
    answers = [json.loads(message["text"]) for message in sent if message["type"] == "websocket.send"]
    return any(message["type"] == "websocket.accept" for message in sent), answers


@contextmanager
def dagster_class() -> Iterator[None]:
    """The class of Dagster's web application as Dagster made it; what the block changes about it ends with the
    block."""
    before, guarded, made_with = DagsterWebserver.build_middleware, getattr(DagsterWebserver, GUARDED, False), made_by()
    try:
        _set(ORIGINAL, False, DagsterWebserver)
        yield
    finally:
        _set(before, guarded, made_with)


def made_by() -> Any:
    """What Dagster's commands make their web application with."""
    return getattr(dagster_webserver.app, NAME)


def _set(build: Any, guarded: bool, made_with: Any) -> None:
    DagsterWebserver.build_middleware = build
    setattr(DagsterWebserver, GUARDED, guarded)
    setattr(dagster_webserver.app, NAME, made_with)


@contextmanager
def dagster_app(
    instance: dg.DagsterInstance, guard: Callable[[], None] | None = None, prefix: str = ""
) -> Iterator[Any]:
    """The web application of Dagster's commands on an instance, after `guard`, or as Dagster makes it."""
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
        with dagster_class():
            if guard:
                guard()
            app = made_by()(context, prefix).create_asgi_app()
        yield app
