"""One question to a released model over HTTP: to a server that runs, or to one that runs for that question."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2

from ft_platform.errors import ConfigError, EndpointFailed
from ft_platform.serving.protocol import ACTED, UNGUARDED, WITHHELD
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
    url: str, model: str, messages: list[dict[str, str]], has_labels: bool, guardrails: bool = True
) -> dict[str, Any]:
    """What a model answers: `{"answer", "probability", "abstained", "withheld", "guardrails", "release",
    "prompt_tokens", "seconds"}`; without labels `probability` and `abstained` are None.

    Args:
        guardrails: False asks for an answer without them, which needs a key that may (`protocol.UNGUARDED`).

    Raises:
        EndpointFailed: the server refuses, or cannot be reached.
    """
    started = time.monotonic()
    if has_labels:
        found, acted = _post(url, "/v1/classify", {"model": model, "input": messages}, guardrails)
        one = found["data"][0]
        told = {"answer": one["label"], "probability": one["probability"], "abstained": one["abstained"]}
        told["withheld"] = False
    else:
        asked = {"model": model, "messages": messages, "temperature": 0}
        found, acted = _post(url, "/v1/chat/completions", asked, guardrails)
        choice = found["choices"][0]
        told = {"answer": choice["message"]["content"], "probability": None, "abstained": None}
        told["withheld"] = choice["finish_reason"] == WITHHELD
    tokens, seconds = found["usage"]["prompt_tokens"], round(time.monotonic() - started, 3)
    told["guardrails"] = acted
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
        answer = httpx2.get(f"{url}/v1/models", headers=_headers(), timeout=5, trust_env=False)
        listed = {one["id"] for one in answer.json()["data"]} if answer.status_code == 200 else set()
    except (httpx2.HTTPError, ValueError, KeyError):
        return False
    return listed.issuperset(use_cases) and bool(listed)


def _post(url: str, path: str, body: dict[str, Any], guardrails: bool) -> tuple[Any, list[str]]:
    """The answer, and the guardrails that did something."""
    headers = _headers() | ({} if guardrails else {UNGUARDED: "off"})
    try:
        answer = httpx2.post(url.rstrip("/") + path, json=body, headers=headers, timeout=300, trust_env=False)
    except httpx2.HTTPError as error:
        raise EndpointFailed(f"{url} does not answer ({type(error).__name__})", "Start it: ft serve") from None
    except httpx2.InvalidURL:
        raise ConfigError([f"--url {url} is no address of a server"]) from None
    if answer.status_code != 200:
        try:
            why = answer.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            why = f"status {answer.status_code}"
        raise EndpointFailed(f"{url} refuses: {why}")
    acted = answer.headers.get(ACTED, "")
    return answer.json(), acted.split(", ") if acted else []


def _headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {os.environ[KEY]}"} if os.environ.get(KEY) else {}
