"""Requests to the servers of targets: bounded, repeated while that may help, and errors without secrets."""

import json
import os
from collections.abc import Mapping
from typing import Any

from ft_platform.errors import ConfigError, EndpointFailed, EndpointUnavailable
from ft_platform.process.bounded_http import Answer, NoAnswer, ask
from ft_platform.serving.targets.patience import tried, without

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes that may be another on the next try (RFC 9110, RFC 6585)."""
SECONDS = 60.0
MOST_BYTES = 4_000_000


def answer(
    method: str, url: str, key: str | None, body: Mapping[str, Any] | None = None, seconds: float = SECONDS
) -> Answer:
    """What a server answers, whatever its status.

    Raises:
        EndpointUnavailable: it cannot be reached, or is too busy or broken in every try.
    """
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    content = b"" if body is None else json.dumps(body).encode()

    def once() -> Answer:
        try:
            found = ask(method, url, headers, content, seconds, MOST_BYTES)
        except NoAnswer as error:
            raise EndpointUnavailable(f"{url} gives no answer: {error}", "Check that it runs") from None
        if found.status in AGAIN:
            raise EndpointUnavailable(f"{url} answers with {words(found, key)}", "Try again later")
        return found

    return tried(once, lambda error: isinstance(error, EndpointUnavailable))


def words(found: Answer, key: str | None) -> str:
    """Status and message of an answer that is an error."""
    try:
        said = json.loads(found.content)
        said = said.get("error", said.get("message", ""))
        text = said["message"] if isinstance(said, dict) else str(said)
    except (ValueError, KeyError, AttributeError, TypeError):
        text = ""
    return f"status {found.status}" + (f" ({without(text, [key])})" if text else "")


def served_models(url: str, key: str | None) -> list[dict[str, Any]]:
    """What a server with OpenAI's API lists.

    Raises:
        EndpointFailed: it lists nothing that can be read.
    """
    found = answer("GET", f"{url}/v1/models", key)
    try:
        if found.status == 200:
            return [dict(one) for one in json.loads(found.content)["data"]]
    except (ValueError, KeyError, TypeError):
        pass
    raise EndpointFailed(f"{url}/v1/models answers with {words(found, key)}", "Check url and key of the target")


def key_of(variable: str | None) -> str | None:
    """The key in an environment variable.

    Raises:
        ConfigError: it is not set.
    """
    if variable is None:
        return None
    if not (key := os.environ.get(variable)):
        raise ConfigError([f"the environment variable {variable}, which names the key of a target, is not set"])
    return key
