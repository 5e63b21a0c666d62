"""Asks a model behind an OpenAI-compatible endpoint (`POST <url>/chat/completions`).

Which hosts may be asked belongs to the installation: variable FT_ENDPOINTS_ALLOWED, entries `scheme://host[:port]` with
`*` as in shells, separated by blanks or commas. Default: this machine only.

Covered: scheme, host and port as written; bounded tries, each as `process/bounded_http.py` bounds it; counts of tokens
that are none are not counted. The server renders by itself, so what looks like a control token of a known chat format
is sent with a blank in it (`<|im_end|>` as `< |im_end|>`). The key comes from the environment and stands in no message.
Not covered: control tokens of other formats, and what else the server makes of a text; that a host changes its model.
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ft_platform.errors import ConfigError, EndpointFailed, EndpointUnavailable

VARIABLE = "FT_ENDPOINTS_ALLOWED"
DEFAULT = ("http://127.0.0.1:*", "http://localhost:*", "https://127.0.0.1:*", "https://localhost:*")
ENTRY = re.compile(r"^https?://[^/\s]+$")
PORTS = {"http": 80, "https": 443}

TRIES = 4
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
"""What a server asks for in `Retry-After` is not waited for beyond this."""
MOST_BYTES = 4_000_000
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Status codes that may be another on the next try (RFC 9110, RFC 6585)."""
MOST_TOKENS = 100_000_000
"""A count above that is none: the longest context of 2026 has 10,000,000."""

CONTROL = re.compile(
    r"<(?=[|\uff5c][^<>\s]{1,64}[|\uff5c]>)|<(?=/?s>|/?(?:bos|eos|pad|unk|think|tool_call|tool_response)>|(?:start|end)_of_turn>|</?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\])"
)
"""First signs of control tokens: of ChatML, Llama, DeepSeek, Gemma, Mistral, Qwen, Phi and those that copied them."""

LONE = re.compile("[\ud800-\udfff]")


class Reply(NamedTuple):
    """An answer.

    Attributes:
        answer: text of the first choice.
        usage: `{"prompt_tokens", "completion_tokens"}` as the endpoint counts them; empty where it does not.
        seconds: from the request that was answered to its answer.
    """

    answer: str
    usage: dict[str, int]
    seconds: float


class Endpoint:
    """A model behind an endpoint. Answers are greedy (temperature 0) as far as the endpoint obeys.

    Args:
        url: base URL, e.g. `https://models.example.org/v1`.
        model: name of the model there.
        api_key_env: environment variable that holds the key.
        timeout_seconds: of a whole try, from connecting to the last byte of the answer.
        wait: pauses for so many seconds between tries.

    Raises:
        ConfigError: the host is not allowed, or the variable of the key is not set.
    """

    def __init__(
        self,
        url: str,
        model: str,
        api_key_env: str | None = None,
        timeout_seconds: float = 60.0,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        scheme, self.host, port = require_allowed_endpoint(url)
        self.url = f"{scheme}://{_written(self.host)}:{port}{urlsplit(url).path.rstrip('/')}/chat/completions"
        self.model, self.timeout_seconds, self._wait = model, timeout_seconds, wait
        key = os.environ.get(api_key_env, "") if api_key_env else ""
        if api_key_env and not key:
            raise ConfigError([f"the environment variable {api_key_env}, which api_key_env names, is not set"])
        if not re.fullmatch(r"[\x21-\x7e]*", key):
            raise ConfigError(
                [f"the environment variable {api_key_env} holds blanks, line breaks or signs that no key has"]
            )
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def chat(self, messages: Sequence[Mapping[str, str]], max_tokens: int) -> Reply:
        """The answer to a conversation, after at most `TRIES` tries.

        Raises:
            EndpointFailed: it refuses the request, or what it sends is no chat completion. No text of it is quoted.
            EndpointUnavailable: it could not be reached, was too slow or too busy in every try.
        """
        from ft_platform.process.bounded_http import NoAnswer, ask

        said = [{**message, "content": without_control_tokens(message["content"])} for message in messages]
        body = json.dumps({"model": self.model, "messages": said, "max_tokens": max_tokens, "temperature": 0}).encode()
        reason = ""
        for attempt in range(TRIES):
            started, asked = time.monotonic(), ""
            try:
                status, headers, content = ask("POST", self.url, self._headers, body, self.timeout_seconds, MOST_BYTES)
                if status == 200:
                    return _reply(content, self.host, time.monotonic() - started)
                if status not in AGAIN:
                    raise EndpointFailed(
                        f"{self.host} answers with status {status}", "Check url, model and key of the endpoint"
                    )
                reason, asked = f"status {status}", headers.get("Retry-After", "")
            except NoAnswer as error:
                reason = f"{error} after {time.monotonic() - started:.0f} s"
            if attempt < TRIES - 1:
                self._wait(_pause(attempt, asked))
        raise EndpointUnavailable(
            f"{self.host} gave no answer in {TRIES} tries; the last one ended with {reason}", "Try again later"
        )


def without_control_tokens(text: str) -> str:
    """The text with a blank behind the first sign of everything that looks like a control token, and U+FFFD for halves
    of surrogate pairs."""
    return LONE.sub("\ufffd", CONTROL.sub(lambda found: f"{found[0]} ", text))


def _reply(content: bytes, host: str, seconds: float) -> Reply:
    if len(content) > MOST_BYTES:
        raise EndpointFailed(f"{host} sends more than {MOST_BYTES:,} bytes for one answer", "Check the endpoint")
    try:
        found: Any = json.loads(content)
        answer = found["choices"][0]["message"]["content"]
        usage = found.get("usage")
        given = usage if isinstance(usage, dict) else {}
        counts: dict[str, int] = {
            name: given[name] for name in ("prompt_tokens", "completion_tokens") if _is_count(given.get(name))
        }
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        answer, counts = None, {}
    if not isinstance(answer, str):
        raise EndpointFailed(
            f"{host} sends no chat completion (choices[0].message.content is no text)",
            "Check that the endpoint is OpenAI-compatible",
        )
    return Reply(LONE.sub("\ufffd", answer), counts, seconds)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS


def _pause(attempt: int, retry_after: str) -> float:
    """Seconds before the next try: what the server asks for, otherwise twice as long each time."""
    asked = float(retry_after) if re.fullmatch(r"\d{1,6}", retry_after.strip()) else 0.0
    return min(max(asked, FIRST_WAIT_SECONDS * 2**attempt), LONGEST_WAIT_SECONDS)


def require_allowed_endpoint(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL that the installation allows to be asked.

    Raises:
        ConfigError: it does not, or the URL holds a user, a query or signs that parsers understand differently. The URL
            is not shown.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        if (
            parts.scheme not in PORTS
            or not parts.hostname
            or parts.username is not None
            or parts.query
            or parts.fragment
            or re.search(r"[\s\\%@\x00-\x1f]", url)
        ):
            raise ValueError
    except ValueError:
        raise ConfigError(
            ["the url of an endpoint must be http(s)://host[:port]/path, without user, password or query"]
        ) from None
    host, port = parts.hostname.rstrip(".").lower(), port or PORTS[parts.scheme]
    target = f"{parts.scheme}://{_written(host)}:{port}"
    if not any(fnmatchcase(target, _with_port(entry)) for entry in allowed_endpoints()):
        wanted = target.removesuffix(f":{PORTS[parts.scheme]}")
        raise ConfigError(
            [f"{wanted} is not on the list of allowed endpoints"],
            f"Whoever runs this installation can add {wanted!r} to {VARIABLE}",
        )
    return parts.scheme, host, port


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def allowed_endpoints() -> tuple[str, ...]:
    """Entries of the list, as they are written.

    Raises:
        ConfigError: an entry is no `scheme://host[:port]`.
    """
    written = os.environ.get(VARIABLE, "").strip()
    entries = tuple(re.split(r"[\s,]+", written)) if written else DEFAULT
    if wrong := [entry for entry in entries if not ENTRY.match(entry)]:
        raise ConfigError([f"{VARIABLE}: {wrong[0]!r} is not of the form https://host or https://host:port"])
    return entries


def _with_port(entry: str) -> str:
    """An entry in lower case, with the port that its scheme means. `[` of IPv6 addresses is no pattern."""
    scheme, host = entry.lower().split("://")
    whole = f"{scheme}://{host}" if re.search(r":(\d+|\*)$", host) else f"{scheme}://{host}:{PORTS[scheme]}"
    return whole.replace("[", "[[]")
