"""Questions to a released model over HTTP: to a server that runs, or to one that runs for them."""

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2

from ft_platform.errors import ConfigError, EndpointFailed
from ft_platform.settings.environment import Environment

KEY = "FT_API_KEY"
READY_SECONDS = 120.0
WITHHELD = "content_filter"
"""`finish_reason` of OpenAI's API for an answer that a guardrail does not let through."""
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


def ask_conversation(url: str, model: str, messages: list[dict[str, str]], has_labels: bool) -> dict[str, Any]:
    """What a model answers: `{"answer", "probability", "abstained", "release", "prompt_tokens", "seconds"}`; without
    labels `probability` and `abstained` are None.

    Raises:
        EndpointFailed: the server refuses, or cannot be reached.
    """
    started = time.monotonic()
    if has_labels:
        answer = _post(url, "/v1/classify", {"model": model, "input": messages})
        found = answer.json()
        one = found["data"][0]
        told = {"answer": one["label"], "probability": one["probability"], "abstained": one["abstained"]}
    else:
        answer = _post(url, "/v1/chat/completions", {"model": model, "messages": messages, "temperature": 0})
        found = answer.json()
        told = {"answer": found["choices"][0]["message"]["content"], "probability": None, "abstained": None}
    tokens, seconds = found["usage"]["prompt_tokens"], round(time.monotonic() - started, 3)
    return {**told, "release": answer.headers.get("X-FT-Release"), "prompt_tokens": tokens, "seconds": seconds}


@contextmanager
def streamed(url: str, model: str, messages: list[dict[str, str]]) -> Iterator[Iterator[str]]:
    """The parts of an answer as they come. Leaving the block early cancels the rest.

    Raises:
        EndpointFailed: the server refuses, cannot be reached, withholds the answer, or stops before it is whole.
    """
    body = {"model": model, "messages": messages, "temperature": 0, "stream": True}
    address = f"{url.rstrip('/')}/v1/chat/completions"
    with (
        _reaching(url),
        httpx2.Client(headers=_headers(), timeout=300, trust_env=False) as client,
        client.stream("POST", address, json=body) as answer,
    ):
        if answer.status_code != 200:
            answer.read()
        yield _parts(url, _accepted(url, answer))


def _parts(url: str, answer: httpx2.Response) -> Iterator[str]:
    ended = False
    for line in answer.iter_lines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        event = json.loads(line.removeprefix("data: "))
        if "error" in event:
            raise EndpointFailed(f"{url} stopped: {event['error']['message']}")
        for choice in event["choices"]:
            yield choice["delta"].get("content") or ""
            if choice["finish_reason"] == WITHHELD:
                by = ", ".join(event.get("x_ft_guardrail", ())) or "a guardrail"
                raise EndpointFailed(f"the answer was withheld by {by}")
            ended = ended or choice["finish_reason"] is not None
    if not ended:
        raise EndpointFailed(f"{url} stopped before the answer was whole")


def behind(url: str, model: str) -> dict[str, Any]:
    """What the server says about a model: `release`, `checkpoint`, `kind`, `labels` and more.

    Raises:
        EndpointFailed: the server refuses, or cannot be reached.
    """
    with _reaching(url):
        asked = httpx2.get(f"{url.rstrip('/')}/v1/models/{model}", headers=_headers(), timeout=30, trust_env=False)
    return _accepted(url, asked).json()


def in_words(found: dict[str, Any]) -> str:
    """An answer of `ask` in a line."""
    sure = "" if found["probability"] is None else f"  ({found['probability']:.0%})"
    return f"{found['answer']}{sure}{'  abstained: not sure enough' if found['abstained'] else ''}"


def curl(url: str, use_case: str, text: str, has_labels: bool) -> str:
    """The same question as a line for a shell."""
    quoted = text.replace('"', "'").replace("'", "’")
    path, body = ("/v1/classify", f'"input": "{quoted}"')
    if not has_labels:
        path, body = "/v1/chat/completions", f'"messages": [{{"role": "user", "content": "{quoted}"}}]'
    return f"curl {url}{path} -H 'Content-Type: application/json' -d '{{\"model\": \"{use_case}\", {body}}}'"


def _lists(url: str, use_cases: Sequence[str]) -> bool:
    try:
        answer = httpx2.get(f"{url}/v1/models", headers=_headers(), timeout=5, trust_env=False)
        listed = {one["id"] for one in answer.json()["data"]} if answer.status_code == 200 else set()
    except (httpx2.HTTPError, ValueError, KeyError):
        return False
    return listed.issuperset(use_cases) and bool(listed)


def _post(url: str, path: str, body: dict[str, Any]) -> httpx2.Response:
    with _reaching(url):
        answer = httpx2.post(url.rstrip("/") + path, json=body, headers=_headers(), timeout=300, trust_env=False)
    return _accepted(url, answer)


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    try:
        yield
    except httpx2.HTTPError as error:
        raise EndpointFailed(f"{url} does not answer ({type(error).__name__})", "Start it: ft serve") from None
    except httpx2.InvalidURL:
        raise ConfigError([f"--url {url} is no address of a server"]) from None


def _accepted(url: str, answer: httpx2.Response) -> httpx2.Response:
    """Raises:
    EndpointFailed: the server refused.
    """
    if answer.status_code == 200:
        return answer
    try:
        why = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        why = f"status {answer.status_code}"
    raise EndpointFailed(f"{url} refuses: {why}")


def _headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {os.environ[KEY]}"} if os.environ.get(KEY) else {}
