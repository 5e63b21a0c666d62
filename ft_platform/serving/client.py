"""Requests to a server with OpenAI's API: ours, or one that others run."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from ft_platform.errors import ConfigError, EndpointFailed, EndpointUnavailable
from ft_platform.serving.targets.patience import without

BUSY = (429, 502, 503, 504)


def call(
    url: str, path: str, body: dict[str, Any] | None = None, key: str | None = None, timeout: float = 300.0
) -> Any:
    """What a server answers (`exchanged`)."""
    return exchanged(url, path, body, key, timeout)[0]


def exchanged(
    url: str,
    path: str,
    body: dict[str, Any] | None = None,
    key: str | None = None,
    timeout: float = 300.0,
    headers: Mapping[str, str] | None = None,
) -> tuple[Any, Mapping[str, str]]:
    """What a server answers, with the headers of its answer: POST with a body, GET without.

    Raises:
        ConfigError: the address is none.
        EndpointUnavailable: it cannot be reached, or is busy.
        EndpointFailed: it refuses, or answers with something else than JSON.
    """
    method, sent = "GET" if body is None else "POST", {**_headers(key), **(headers or {})}
    with _reaching(url):
        answer = httpx2.request(
            method, url.rstrip("/") + path, json=body, headers=sent, timeout=timeout, trust_env=False
        )
    _require_accepted(url, answer, key)
    try:
        return answer.json(), answer.headers
    except ValueError:
        raise EndpointFailed(f"{url} answers {path} with something else than JSON") from None


@contextmanager
def stream(url: str, path: str, body: dict[str, Any], key: str | None = None) -> Iterator[Iterator[Any]]:
    """The server-sent events of an answer as they come. Leaving the block early closes the connection.

    Raises:
        ConfigError, EndpointUnavailable, EndpointFailed: as `call`, also in the midst of it.
    """
    with (
        _reaching(url),
        httpx2.Client(headers=_headers(key), timeout=300.0, trust_env=False) as client,
        client.stream("POST", url.rstrip("/") + path, json=body) as answer,
    ):
        if answer.status_code != 200:
            answer.read()
        _require_accepted(url, answer, key)
        yield _events(url, path, answer)


def _events(url: str, path: str, answer: httpx2.Response) -> Iterator[Any]:
    for line in answer.iter_lines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        try:
            event = json.loads(line.removeprefix("data: "))
        except ValueError:
            raise EndpointFailed(f"{url} answers {path} with something else than JSON") from None
        if "error" in event:
            raise EndpointFailed(f"{url} stopped: {str(event['error'].get('message'))[:300]}")
        yield event


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    try:
        yield
    except httpx2.HTTPError as error:
        raise EndpointUnavailable(f"{url} does not answer ({type(error).__name__})", "Start it: ft serve") from None
    except httpx2.InvalidURL:
        raise ConfigError([f"{url} is no address of a server"]) from None


def _headers(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _require_accepted(url: str, answer: httpx2.Response, key: str | None) -> None:
    """Raises:
    EndpointUnavailable, EndpointFailed: it is a refusal.
    """
    if answer.status_code != 200:
        failure = EndpointUnavailable if answer.status_code in BUSY else EndpointFailed
        raise failure(f"{url} refuses: {_why(answer, key)}")


def _why(answer: httpx2.Response, key: str | None) -> str:
    """The message of an error in OpenAI's form, without the key; else the status."""
    try:
        return without(str(answer.json()["error"]["message"]), [key])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
