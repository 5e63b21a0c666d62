"""Requests to a server with OpenAI's API: ours, or one that others run."""

from typing import Any

import httpx2

from ft_platform.errors import ConfigError, EndpointFailed, EndpointUnavailable

BUSY = (429, 502, 503, 504)


def call(
    url: str, path: str, body: dict[str, Any] | None = None, key: str | None = None, timeout: float = 300.0
) -> Any:
    """What a server answers: POST with a body, GET without.

    Raises:
        ConfigError: the address is none.
        EndpointUnavailable: it cannot be reached, or is busy.
        EndpointFailed: it refuses, or answers with something else than JSON.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    method = "GET" if body is None else "POST"
    try:
        answer = httpx2.request(
            method, url.rstrip("/") + path, json=body, headers=headers, timeout=timeout, trust_env=False
        )
    except httpx2.HTTPError as error:
        raise EndpointUnavailable(f"{url} does not answer ({type(error).__name__})", "Start it: ft serve") from None
    except httpx2.InvalidURL:
        raise ConfigError([f"{url} is no address of a server"]) from None
    if answer.status_code != 200:
        failure = EndpointUnavailable if answer.status_code in BUSY else EndpointFailed
        raise failure(f"{url} refuses: {_why(answer)}")
    try:
        return answer.json()
    except ValueError:
        raise EndpointFailed(f"{url} answers {path} with something else than JSON") from None


def _why(answer: httpx2.Response) -> str:
    """The message of an error in OpenAI's form; else the status."""
    try:
        return str(answer.json()["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"
