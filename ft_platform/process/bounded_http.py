"""One HTTP request, bounded in time and size.

Covered: a deadline of the whole request, however slowly its parts come; no redirect is followed, and no proxy, cookie
or `.netrc` used; an answer is taken as it is sent and never unpacked; nothing that is sent or comes is logged.
Certificates are checked against those that OpenSSL trusts here (also SSL_CERT_FILE and SSL_CERT_DIR).
Not covered: what a host name resolves to, and how long that takes.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import httpx2

WORDS: dict[type[Exception], str] = {
    TimeoutError: "no answer in time",
    ConnectionRefusedError: "a refused connection",
    socket.gaierror: "a name that cannot be resolved",
    ssl.SSLError: "a connection that cannot be encrypted",
    httpx2.ConnectError: "a connection that could not be made",
    httpx2.RemoteProtocolError: "an answer that was cut or is no HTTP",
    Exception: "a broken connection",
}
"""How a request ended, the first that fits."""

logging.getLogger("httpcore2").setLevel(logging.INFO)  # at DEBUG it tells what a server sends


class NoAnswer(Exception):
    """Says how the request ended, in words of `WORDS`."""


class Answer(NamedTuple):
    """What came.

    Attributes:
        headers: by name, whatever its case.
        content: whole, or a little more than `most_bytes`.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes


def ask(method: str, url: str, headers: Mapping[str, str], body: bytes, seconds: float, most_bytes: int) -> Answer:
    """The answer to one request, which is not repeated.

    Raises:
        NoAnswer: none came within that time, or something that is none.
    """
    try:
        request = httpx2.Request(method, url, headers={"Accept-Encoding": "identity", **headers}, content=body)
        return _run(_answer(request, seconds, most_bytes))
    except (TimeoutError, httpx2.HTTPError, httpx2.InvalidURL) as error:
        reason = next(words for kind, words in WORDS.items() if any(isinstance(one, kind) for one in _causes(error)))
    raise NoAnswer(reason)


def _run(answering: Coroutine[Any, Any, Answer]) -> Answer:
    """In this thread, or in one of its own where an event loop runs in this one, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(answering)
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(asyncio.run, answering).result()


async def _answer(request: httpx2.Request, seconds: float, most_bytes: int) -> Answer:
    """A transport without a client around it: a client would log, read variables and keep cookies."""
    content = bytearray()
    async with asyncio.timeout(seconds), httpx2.AsyncHTTPTransport(verify=_trusted()) as transport:
        response = await transport.handle_async_request(request)
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > most_bytes:
                break
    return Answer(response.status_code, response.headers, bytes(content))


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def _causes(error: BaseException | None) -> list[BaseException]:
    return [error, *_causes(error.__cause__ or error.__context__)] if error else []
