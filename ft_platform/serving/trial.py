"""One question to a released model over HTTP: to a server that runs, or to one that runs for that question."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ft_platform.errors import EndpointFailed
from ft_platform.serving.client import call
from ft_platform.settings.environment import Environment

KEY = "FT_API_KEY"
READY_SECONDS = 120.0
QUESTION = "The parcel came two weeks late and the lid was broken."
"""What `ft demo` asks."""


@contextmanager
def served(environment: Environment, use_cases: Sequence[str]) -> Iterator[str]:
    """The address of a server for this machine only, on a free port, while the block is open.

    Raises:
        ConfigError: nothing was released.
        EndpointFailed: the models are not served in time.
    """
    from ft_platform.serving.api.app import build_app
    from ft_platform.serving.api.server import ApiServer
    from ft_platform.serving.api_keys import ApiKeys
    from ft_platform.serving.installation import engine_and_catalog

    engine, catalog = engine_and_catalog(environment, use_cases)
    server = ApiServer(build_app(engine, catalog, ApiKeys(None)), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve, name="serving-api", daemon=True)
    thread.start()
    try:
        end = time.monotonic() + READY_SECONDS
        while not _lists(server.url, use_cases):
            if time.monotonic() > end or not thread.is_alive():
                raise EndpointFailed(f"{', '.join(use_cases)} was not served within {READY_SECONDS:.0f} seconds")
            time.sleep(0.05)
        yield server.url
    finally:
        server.stop()
        thread.join(20)


def ask(url: str, use_case: str, text: str, has_labels: bool) -> dict[str, Any]:
    """What a model answers to a text (`ask_conversation`)."""
    return ask_conversation(url, use_case, [{"role": "user", "content": text}], has_labels)


def ask_conversation(
    url: str, model: str, messages: list[dict[str, str]], has_labels: bool, key: str | None = None
) -> dict[str, Any]:
    """What a model answers: `{"answer", "probability", "abstained", "release", "prompt_tokens", "seconds"}`; without
    labels `probability` and `abstained` are None.

    Args:
        has_labels: it has labels, and the server our route for them.
        key: for the server; default that of the variable `FT_API_KEY`.

    Raises:
        EndpointFailed: the server refuses, or cannot be reached.
    """
    started, key = time.monotonic(), key or os.environ.get(KEY)
    if has_labels:
        found = call(url, "/v1/classify", {"model": model, "input": messages}, key)
        one = found["data"][0]
        told = {"answer": one["label"], "probability": one["probability"], "abstained": one["abstained"]}
    else:
        found = call(url, "/v1/chat/completions", {"model": model, "messages": messages, "temperature": 0}, key)
        told = {"answer": found["choices"][0]["message"]["content"], "probability": None, "abstained": None}
    tokens, seconds = found["usage"]["prompt_tokens"], round(time.monotonic() - started, 3)
    return {**told, "release": found.get("release"), "prompt_tokens": tokens, "seconds": seconds}


def curl(url: str, use_case: str, text: str, has_labels: bool) -> str:
    """The same question as a line for a shell."""
    quoted = text.replace('"', "'").replace("'", "’")
    path, body = ("/v1/classify", f'"input": "{quoted}"')
    if not has_labels:
        path, body = "/v1/chat/completions", f'"messages": [{{"role": "user", "content": "{quoted}"}}]'
    return f"curl {url}{path} -H 'Content-Type: application/json' -d '{{\"model\": \"{use_case}\", {body}}}'"


def _lists(url: str, use_cases: Sequence[str]) -> bool:
    try:
        listed = {one["id"] for one in call(url, "/v1/models", key=os.environ.get(KEY), timeout=5)["data"]}
    except (EndpointFailed, KeyError):
        return False
    return listed.issuperset(use_cases) and bool(listed)
