"""Lines of logs, made up, in the form in which vLLM 0.32 was seen to write them, and the others' documentation shows
them. Nobody in them exists."""

import base64
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


def vllm_span(name: str, at: datetime, **has: Any) -> dict[str, Any]:
    told = {
        "gen_ai.latency.time_to_first_token": 0.018,
        "gen_ai.latency.e2e": 0.036,
        "gen_ai.latency.time_in_queue": 3.1e-05,
        "gen_ai.usage.prompt_tokens": 64,
        "gen_ai.usage.completion_tokens": 8,
        "gen_ai.request.id": name,
        "gen_ai.request.top_p": 1.0,
        "gen_ai.request.max_tokens": 8,
        "gen_ai.request.n": 1,
    }
    return span("llm_request", at, told | has, kind=2)


def vllm_log(at: datetime, message: str) -> str:
    told = {
        "asctime": at.strftime("%Y-%m-%d %H:%M:%S,123"),
        "levelname": "INFO",
        "name": "vllm.entrypoints.serve.utils.request_logger",
        "processName": "MainProcess",
        "process": 27,
        "message": message,
        "vllm_process_name": "APIServer",
    }
    return json.dumps(told)


def vllm_answer(name: str, at: datetime, text: str, mark: str = "", reason: str = "stop") -> str:
    return vllm_log(at, f"Generated response {name}{mark}: output: {text!r}, finish_reason: {reason}")


def captured(
    number: int,
    at: datetime,
    answer: Any = "Card",
    encoding: str = "JSON",
    metadata: dict[str, Any] | None = None,
    **event: str,
) -> str:
    asked = {"model": "tests", "messages": [{"role": "user", "content": TEXT}], "metadata": metadata or {}}
    answered = {
        "id": f"chatcmpl-{number:032x}",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}},
    }

    def part(mode: str, body: Any) -> dict[str, Any]:
        data = json.dumps(body)
        data = base64.b64encode(data.encode()).decode() if encoding == "BASE64" else data
        return {"observedContentType": "application/json", "mode": mode, "data": data, "encoding": encoding}

    told = {
        "captureData": {"endpointInput": part("INPUT", asked), "endpointOutput": part("OUTPUT", answered)},
        "eventMetadata": {"eventId": f"{number:032x}", "inferenceTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"), **event},
        "eventVersion": "0",
    }
    return json.dumps(told)
