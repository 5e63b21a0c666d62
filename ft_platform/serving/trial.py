"""Questions to a released model over HTTP: to a server that runs, or to one that runs for them."""

import os
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ft_platform.errors import EndpointFailed, VersionRefused
from ft_platform.serving.client import call, exchanged, stream
from ft_platform.serving.protocol import WITHHELD, acted
from ft_platform.tracking.registry import remedy
from ft_platform.use_case.settings.environment import Environment

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
        VersionRefused: the registry names other releases than the lake.
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
            if refused := [one for one in use_cases if catalog.withheld().get(one) == "registry_disagrees"]:
                raise VersionRefused(f"the registry disagrees with the lake about {refused[0]}", remedy(refused[0]))
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
    """What a model answers: `{"answer", "probability", "abstained", "withheld", "guardrails", "release",
    "prompt_tokens", "seconds"}`; without labels `probability` and `abstained` are None.

    Args:
        has_labels: it has labels, and the server our route for them.
        key: for the server; default that of the variable `FT_API_KEY`.

    Raises:
        EndpointFailed: the server refuses, or cannot be reached.
    """
    started, key = time.monotonic(), key or os.environ.get(KEY)
    if has_labels:
        found, headers = exchanged(url, "/v1/classify", {"model": model, "input": messages}, key)
        one = found["data"][0]
        told = {"answer": one["label"], "probability": one["probability"], "abstained": one["abstained"]}
        told["withheld"] = False
    else:
        asked = {"model": model, "messages": messages, "temperature": 0}
        found, headers = exchanged(url, "/v1/chat/completions", asked, key)
        choice = found["choices"][0]
        told = {"answer": choice["message"]["content"], "probability": None, "abstained": None}
        told["withheld"] = choice["finish_reason"] == WITHHELD
    tokens, seconds = found["usage"]["prompt_tokens"], round(time.monotonic() - started, 3)
    told["guardrails"] = list(acted(headers))
    return {**told, "release": found.get("release"), "prompt_tokens": tokens, "seconds": seconds}


def streamed(url: str, model: str, messages: list[dict[str, str]]) -> Generator[str, None, None]:
    """The parts of an answer as they come. Closing it cancels the rest.

    Raises:
        EndpointFailed: the server refuses, cannot be reached, withholds the answer, or stops before it is whole.
    """
    body = {"model": model, "messages": messages, "temperature": 0, "stream": True}
    ended = False
    with stream(url, "/v1/chat/completions", body, os.environ.get(KEY)) as events:
        for event in events:
            for choice in event["choices"]:
                yield choice["delta"].get("content") or ""
                if choice["finish_reason"] == WITHHELD:
                    by = ", ".join(event.get("x_ft_guardrail", ())) or "a guardrail"
                    raise EndpointFailed(f"the answer was withheld by {by}")
                ended = ended or choice["finish_reason"] is not None
    if not ended:
        raise EndpointFailed(f"{url} stopped before the answer was whole")


def in_words(found: dict[str, Any]) -> str:
    """An answer of `ask` in a line."""
    sure = "" if found["probability"] is None else f"  ({found['probability']:.0%})"
    return f"{found['answer']}{sure}{'  abstained: a person should decide' if found['abstained'] else ''}"


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
