"""Lines of logs, made up. Nobody in them exists."""

import json
from datetime import datetime
from typing import Any

TEXT = "Alda Brun wants her parcel back"


def any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(one) for one in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": attributes(value)}}
    return {"stringValue": value}


def attributes(of: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": any_value(value)} for name, value in of.items()]


def span(name: str, at: datetime, has: dict[str, Any], seconds: float = 0.5, **more: Any) -> dict[str, Any]:
    start = int(at.timestamp()) * 10**9
    return {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": f"{len(str(has)):016x}",
        "name": name,
        "kind": 3,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + int(seconds * 1e9)),
        "attributes": attributes(has),
        "status": {},
        **more,
    }


def otlp(*spans: Any) -> str:
    about = {"attributes": attributes({"service.name": "gateway"})}
    return json.dumps({"resourceSpans": [{"resource": about, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]})


def chat(
    number: int, at: datetime, answer: str | None = "Card", as_json: bool = False, /, **has: Any
) -> dict[str, Any]:
    """A span with the attributes of OpenTelemetry's conventions; `answer` None: it has no texts."""
    told: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "tests",
        "gen_ai.response.id": f"chatcmpl-{number:032x}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 40,
        "gen_ai.usage.cache_read.input_tokens": 8,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.response.time_to_first_chunk": 0.1,
    }
    if answer is not None:
        said: dict[str, Any] = {
            "gen_ai.system_instructions": [{"type": "text", "content": "Route it."}],
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": TEXT}]}],
            "gen_ai.output.messages": [
                {
                    "role": "assistant",
                    "parts": [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": answer}],
                    "finish_reason": "stop",
                }
            ],
        }
        told |= {name: json.dumps(value) if as_json else value for name, value in said.items()}
    return span("chat tests", at, told | has)


def rights(subject: str = "customer-1", purpose: str = "to improve routing") -> dict[str, Any]:
    return {"subject": subject, "consent": "yes", "purpose": purpose}


def noted(number: int, at: datetime, answer: Any = "Card", **more: Any) -> str:
    """A line of `jsonl`."""
    told = {
        "id": f"chatcmpl-{number:032x}",
        "at": at.isoformat(),
        "model": "tests",
        "seconds": 0.5,
        "prompt_tokens": 40,
        "cached_tokens": 8,
        "completion_tokens": 3,
        "messages": [{"role": "user", "content": TEXT}],
        "answers": [{"text": answer, "reason": "stop"}],
    }
    return json.dumps(told | more)
