"""What logs of other servers tell of requests: a line in, the requests in it out.

Forms: spans with OpenTelemetry's attributes for generative AI (github.com/open-telemetry/semantic-conventions-genai,
docs/gen-ai/gen-ai-spans.md, November 2026) in OTLP's JSON, one message a line (opentelemetry.io, "OTLP File Exporter");
and our own, a request a line (docs/how_to/traffic.md), into which other logs are written. Whatever a line holds,
reading it raises `Damaged` or nothing, and no text of it gets into a message."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ft_platform.serving.api.noting import LONGEST_RIGHT, Rights

Messages = list[dict[str, str]]
OPERATIONS = ("chat", "text_completion", "generate_content")
"""Values of `gen_ai.operation.name` that are requests to a model; others are tools, agents, embeddings."""
NAME = re.compile(r"[\w.:@/+-]{1,200}")
MOST_TOKENS = 10**9
MOST_SECONDS = 10.0**6
OK, FAILED = 200, 500
SPAN_ERROR = 2
"""`STATUS_CODE_ERROR` (opentelemetry-proto, trace.proto)."""


class Damaged(ValueError):
    """Not what the format promises."""


DAMAGES = (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError, OSError)
"""What parts of another form, huge numbers and deep lists raise."""


@dataclass(frozen=True)
class Logged:
    """A request as a log tells it; what it does not tell is None.

    Attributes:
        id: as the server calls it, or its log.
        at: when it came.
        model: as the request calls it.
        messages: None too where some of it is no text.
        answers: text and why it ended; empty if the log has no texts.
        said: `metadata` of the request.
    """

    id: str
    at: datetime
    model: str | None = None
    status: int = OK
    code: str = ""
    seconds: float | None = None
    first_seconds: float | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    messages: Messages | None = None
    answers: tuple[tuple[str, str], ...] = ()
    rights: Rights = field(default_factory=Rights)
    said: Mapping[str, Any] = field(default_factory=dict)
    is_trial: bool = False


Found = Iterator[Logged | Damaged]


def requests_in(log_format: str, line: bytes) -> Found:
    """The requests of a line. A line can have several, some of them damaged."""
    try:
        yield from READERS[log_format](line)
    except DAMAGES:
        yield Damaged()


def _otel(line: bytes) -> Found:
    yield from _spans(_json(line))


def _jsonl(line: bytes) -> Found:
    told = _json(line)
    at, error, said = datetime.fromisoformat(told["at"]), told.get("error"), _mapping(told.get("metadata"))
    if at.tzinfo is None:
        raise Damaged
    yield Logged(
        _id(told["id"]),
        at.astimezone(UTC),
        _name(told.get("model")),
        status=OK if error is None else _status(told.get("status")),
        code="" if error is None else _name(error) or "error",
        **{name: _seconds(told.get(name)) for name in ("seconds", "first_seconds")},
        **{name: _tokens(told.get(name)) for name in ("prompt_tokens", "cached_tokens", "completion_tokens")},
        messages=_conversation(told.get("messages"), "content", "text"),
        answers=_answers([(one["text"], _name(one.get("reason")) or "") for one in _list(told.get("answers"))]),
        rights=_rights(said.get),
        said=said,
        is_trial=told.get("trial") is True,
    )


def _spans(told: Mapping[str, Any]) -> Found:
    for resource in told.get("resourceSpans") or []:
        for scope in resource.get("scopeSpans") or []:
            for span in scope.get("spans") or []:
                try:
                    if found := _span(span):
                        yield found
                except DAMAGES:
                    yield Damaged()


def _span(span: Mapping[str, Any]) -> Logged | None:
    has = _attributes(span.get("attributes"))
    start, end = (int(span[name]) / 1e9 for name in ("startTimeUnixNano", "endTimeUnixNano"))
    at = datetime.fromtimestamp(start, UTC)
    if has.get("gen_ai.operation.name") in OPERATIONS:
        return _by_conventions(span, has, at, end - start)
    return None


def _by_conventions(span: Mapping[str, Any], has: Mapping[str, Any], at: datetime, seconds: float) -> Logged:
    error = has.get("error.type")
    failed = error is not None or _mapping(span.get("status")).get("code") == SPAN_ERROR
    given = [_mapping(one) for one in _list(_structured(has.get("gen_ai.output.messages")))]
    texts = [(_text(one.get("parts"), "content"), _name(one.get("finish_reason")) or "") for one in given]
    said = _conversation(_structured(has.get("gen_ai.input.messages")), "parts", "content")
    if said is not None and (system := _structured(has.get("gen_ai.system_instructions"))) is not None:
        before = _text(system, "content")
        said = None if before is None else [{"role": "system", "content": before}, *said]
    return Logged(
        _id(has.get("gen_ai.response.id") or f"{span['traceId']}-{span['spanId']}"),
        at,
        _name(has.get("gen_ai.request.model") or has.get("gen_ai.response.model")),
        status=_status(has.get("http.response.status_code") or error) if failed else OK,
        code=(_name(error) or "error") if failed else "",
        seconds=_seconds(seconds),
        first_seconds=_seconds(has.get("gen_ai.response.time_to_first_chunk")),
        prompt_tokens=_tokens(has.get("gen_ai.usage.input_tokens")),
        cached_tokens=_tokens(has.get("gen_ai.usage.cache_read.input_tokens")),
        completion_tokens=_tokens(has.get("gen_ai.usage.output_tokens")),
        messages=said,
        answers=_answers(texts),
        rights=_rights(lambda name: _header(has, name) or has.get(f"ft.{name}")),
        said={name.removeprefix("ft."): value for name, value in has.items() if name.startswith("ft.")},
        is_trial=_header(has, "trial") == "on",
    )


def _header(has: Mapping[str, Any], name: str) -> Any:
    """Of the request, where an instrumentation keeps it (opentelemetry.io, "Semantic conventions for HTTP spans")."""
    return next(iter(_list(has.get(f"http.request.header.x-ft-{name}"))), None)


def _attributes(told: Any) -> dict[str, Any]:
    return {one["key"]: _value(one["value"]) for one in told or []}


def _value(told: Mapping[str, Any]) -> Any:
    """`AnyValue` of OTLP (opentelemetry-proto, common.proto); whole numbers are texts in its JSON."""
    if not told:
        return None
    kind, value = next(iter(told.items()))
    if kind == "intValue":
        return int(value)
    if kind == "arrayValue":
        return [_value(one) for one in value.get("values") or []]
    return _attributes(value.get("values")) if kind == "kvlistValue" else value


def _json(line: bytes | str) -> dict[str, Any]:
    told = json.loads(line)
    if not isinstance(told, dict):
        raise Damaged
    return told


def _structured(value: Any) -> Any:
    """An attribute that may be recorded as JSON text."""
    return json.loads(value) if isinstance(value, str) else value


def _conversation(told: Any, inside: str, words: str) -> Messages | None:
    if not isinstance(told, list) or not told:
        return None
    messages = [(one["role"], _text(one[inside], words)) for one in told]
    if any(text is None for _, text in messages):
        return None
    return [{"role": _name(role) or "", "content": text or ""} for role, text in messages]


def _text(parts: Any, words: str) -> str | None:
    """The text of a message's parts; None if there are none, or one is no text."""
    if not isinstance(parts, list):
        return parts if isinstance(parts, str) else None
    said: list[Any] = [one for one in parts if one["type"] != "reasoning"]
    if not all(one["type"] == "text" and isinstance(one[words], str) for one in said):
        return None
    return "".join([one[words] for one in said])


def _answers(texts: list[tuple[Any, str]]) -> tuple[tuple[str, str], ...]:
    """Texts with why they ended; none unless all are texts."""
    return tuple(texts) if all(isinstance(text, str) for text, _ in texts) else ()


def _rights(said: Callable[[str], Any]) -> Rights:
    found = {name: said(name) for name in ("subject", "consent", "purpose")}
    return Rights(**{k: v for k, v in found.items() if isinstance(v, str) and len(v) <= LONGEST_RIGHT})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _id(value: Any) -> str:
    if isinstance(value, str) and 0 < len(value) <= 512:
        return value
    raise Damaged


def _name(value: Any) -> str | None:
    """A name, never a text."""
    return value if isinstance(value, str) and NAME.fullmatch(value) else None


def _status(value: Any) -> int:
    found = int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else FAILED
    return found if 400 <= found <= 599 else FAILED


def _tokens(value: Any) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= MOST_TOKENS):
        return value
    raise Damaged


def _seconds(value: Any) -> float | None:
    if value is None or (type(value) in (int, float) and math.isfinite(value) and 0 <= value <= MOST_SECONDS):
        return value
    raise Damaged


READERS: dict[str, Callable[[bytes], Found]] = {"otel": _otel, "jsonl": _jsonl}
