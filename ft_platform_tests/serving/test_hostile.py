"""Thousands of hostile requests: never a failure of the server, never a hang."""

import json
import random
import string
from typing import Any

import pytest
from starlette.testclient import TestClient

from ft_platform_tests.serving.fakes import FakeEngine, asking

ROUTES = ("/v1/chat/completions", "/v1/completions", "/v1/classify", "/v1/feedback")
DEEP = 50_000
JSON = {"Content-Type": "application/json"}
VALID: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "support", "messages": [{"role": "user", "content": "Why?"}], "max_tokens": 3},
    "/v1/completions": {"model": "support", "prompt": "Dear", "max_tokens": 3},
    "/v1/classify": {"model": "complaints", "input": "Why?"},
    "/v1/feedback": {"request_id": "cmpl-" + "0" * 32, "rating": "good"},
}
FIELDS = ["temperature", "top_p", "seed", "n", "stop", "stream", "stream_options", "logprobs", "top_logprobs", "tools"]
FIELDS += ["max_tokens", "max_completion_tokens", "response_format", "echo", "model", "messages", "prompt", "input"]
FIELDS += ["request_id", "index", "rating", "correct_label", "user", "__proto__", ""]
TEXTS = ["", " ", "\0", "<|im_end|>", "<|im_start|>system\n", "﻿", "‮", "é", "𝕏", "a" * 3000, "<think>", "\x7f", "{{x}}"]
TEXTS += [
    "support",
    "complaints",
    "claims",
    "user",
    "assistant",
    "system",
    "text",
    "json_schema",
    "tool",
    "../..",
    "'\"\\",
]
RAW = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"NaN",
    b"1e999",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b'{"model":"support","model":"claims"}',
    b'{"model":"\\ud800"}',
    b'{"model":"support","messages":[{"role":"user","content":"\\udfff x"}]}',
    b'{"model":"support","messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
    b'{"model":"support","temperature":NaN,"messages":[{"role":"user","content":"x"}]}',
    b'{"model":"support","temperature":-Infinity,"messages":[{"role":"user","content":"x"}]}',
    b'{"model":"support","temperature":1e400,"messages":[{"role":"user","content":"x"}]}',
    b'{"model":"support","seed":' + b"9" * 5000 + b',"messages":[{"role":"user","content":"x"}]}',
    b'{"model":"support","seed":' + b"9" * 900_000 + b',"messages":[{"role":"user","content":"x"}]}',
    b'{"model":"support","max_tokens":1e0,"messages":[{"role":"user","content":"x"}]}',
    b'{"user":' + b"9" * 900_000 + b"}",
    b"[" * DEEP,
    b'{"a":' * DEEP,
    b'{"messages":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"response_format":{"type":"json_schema","json_schema":{"schema":' + b'{"a":' * 150 + b"1" + b"}" * 150 + b"}}}",
    b'{"response_format":{"type":"json_schema","json_schema":{"schema":{"minimum":NaN}}}}',
    b'{"response_format":{"type":"json_schema","json_schema":{"schema":{"minimum":' + b"9" * 5000 + b"}}}}",
    b'{"messages":[' + b'{"role":"user","content":""},' * 20_000 + b"{}]}",
    b'{"messages":[{"role":"user","content":[' + b'{"type":"text","text":"a"},' * 20_000 + b"{}]}]}",
    b'{"model":"complaints","input":["' + b'","' * 200_000 + b'"]}',
    b'{"model":"support","prompt":"' + b"<|im_end|>" * 90_000 + b'"}',
    b'{"model":"support","messages":[{"role":"user","content":"' + b"<|im_end|>" * 6_000 + b'"}]}',
    b'{"model":"complaints","input":"' + b"<|im_end|>" * 90_000 + b'"}',
]


def value(draw: random.Random, depth: int = 0) -> Any:
    """Anything that JSON can say, and some that it cannot."""
    numbers = [0, -1, 1, 2, 16, 17, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf")]
    plain = [lambda: draw.choice(numbers), lambda: draw.choice(TEXTS), lambda: draw.choice([None, True, False])]
    plain.append(lambda: "".join(draw.choices(string.printable, k=draw.randrange(30))))
    nested = [
        lambda: [value(draw, depth + 1) for _ in range(draw.randrange(4))],
        lambda: {draw.choice([*FIELDS, "role", "content", "type", "text"]): value(draw, depth + 1) for _ in range(3)},
        lambda: {"role": draw.choice(TEXTS), "content": value(draw, depth + 1)},
        lambda: [{"role": "user", "content": draw.choice(TEXTS)}],
    ]
    return draw.choice(plain if depth > 3 else [*plain, *nested])()


def mutated(draw: random.Random, text: bytes) -> bytes:
    """A body with some bytes changed, left out or repeated."""
    raw = bytearray(text)
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(len(raw) + 1)
        match draw.randrange(3):
            case 0:
                raw[place:place] = bytes([draw.randrange(256)])
            case 1:
                del raw[place : place + draw.randrange(1, 9)]
            case _:
                raw[place:place] = raw[: draw.randrange(40)]
    return bytes(raw)


def hostile(draw: random.Random, route: str) -> bytes:
    body = dict(VALID[route])
    for _ in range(draw.randrange(1, 4)):
        body[draw.choice([*body, *FIELDS])] = value(draw)
    text = json.dumps(body, ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")
    return mutated(draw, text) if draw.random() < 0.3 else text


def sent(client: TestClient, route: str, body: bytes, headers: dict[str, str] | None = None) -> int:
    found = client.post(route, content=body, headers={**JSON, **(headers or {})})
    if found.headers["content-type"].startswith("application/json"):
        told = found.json()
        assert ("error" in told) == (found.status_code != 200)
    else:
        assert found.text.endswith("data: [DONE]\n\n")
    return found.status_code


@pytest.mark.parametrize("route", ROUTES)
def test_bodies_that_are_no_request_are_the_clients_mistake(client: TestClient, route: str) -> None:
    for body in RAW:
        assert sent(client, route, body) in (400, 404, 413, 200), body[:80]


@pytest.mark.parametrize(
    ("rounds", "seed"), [(40, 1), pytest.param(1500, 2, marks=pytest.mark.integration)], ids=["some", "thousands"]
)
def test_no_request_makes_the_server_fail(rounds: int, seed: int) -> None:
    draw, found = random.Random(seed), set[int]()
    with asking(FakeEngine()) as client:
        for _ in range(rounds):
            for route in ROUTES:
                body = hostile(draw, route)
                status = sent(client, route, body)
                assert status in (200, 400, 404, 413), (status, body)
                found.add(status)
        assert client.get("/ready").status_code == 200
    assert {200, 400, 404} <= found, "mistakes of every kind, and requests that are none"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=utf-7"},
        {"Content-Encoding": "gzip"},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": "\x00"},
        {"Accept": "x" * 9000},
        {"Content-Length": "-1"},
        {"Content-Length": "9" * 5000},
        {"Content-Length": "abc"},
        {"X-Request-Id": "\r\nSet-Cookie: a=b"},
        {"Host": "127.0.0.1:8000\r\nX: y"},
        {"Origin": "null"},
    ],
)
def test_headers_that_are_wrong(client: TestClient, headers: dict[str, str]) -> None:
    body = json.dumps(VALID["/v1/completions"]).encode()
    assert sent(client, "/v1/completions", body, headers) in (200, 400, 403, 413, 415, 421, 431)
