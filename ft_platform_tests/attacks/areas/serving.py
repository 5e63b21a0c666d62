"""Requests to the server of released models: schemas that no label may be forced into, and one key that wants every
place."""

import asyncio
import json
import sys
import unittest.mock
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
from referencing.exceptions import Unresolvable

from ft_platform.serving.api import answer_forms
from ft_platform.serving.api.answer_forms import label_form
from ft_platform.serving.api.limits import Limits
from ft_platform.serving.api_keys import ApiKeys, add_key
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.serving.fakes import LABELS, FakeEngine, app_of

LIMITS = Limits(refusal_seconds=0.01)


def text_schema(draw: Random, depth: int = 0) -> Any:
    """What a property may say of a text: often something that refuses a label."""
    simple: list[Any] = [
        {"enum": draw.sample([*LABELS, "Parcel", 3, None], draw.randint(1, 6))},
        {"type": draw.choice(["string", "integer", "null", ["string", "null"], "object"])},
        {"const": draw.choice(LABELS)},
        {"type": "string", draw.choice(["maxLength", "minLength"]): draw.randint(0, 8)},
        {"type": "string", "pattern": draw.choice(["^C", "(a+)+$", "a$"])},
        {"type": "string", "not": {"const": draw.choice(LABELS)}},
        {"$ref": draw.choice(["#/$defs/a", "#/$defs/b", "#", "#/$defs/missing"])},
        True,
        False,
    ]
    if depth < 2 and draw.random() < 0.3:
        options = [text_schema(draw, depth + 1) for _ in range(draw.randint(1, 3))]
        return {draw.choice(["anyOf", "oneOf", "allOf"]): options}
    return draw.choice(simple)


def whole_schema(draw: Random) -> dict[str, Any]:
    names = draw.sample(["label", "topic", "reason"], draw.randint(0, 3))
    made: dict[str, Any] = {"type": "object", "properties": {name: text_schema(draw) for name in names}}
    made |= {"$defs": {"a": {"enum": list(LABELS)}, "b": text_schema(draw)}}
    made |= draw.choice([{}, {"additionalProperties": False}, {"additionalProperties": text_schema(draw)}])
    made |= draw.choice([{}, {"required": names}, {"required": names[:1]}, {"minProperties": 2}, {"maxProperties": 0}])
    return made


def forced(schema: dict[str, Any]) -> str | None:
    """A label in a schema that refuses it."""
    form = label_form(schema, LABELS)
    for label in LABELS if form else ():
        try:
            jsonschema.validate(json.loads(form(label)), schema)  # type: ignore[misc]
        except jsonschema.ValidationError:
            return f"{label} is answered to a schema that refuses it"
        except Unresolvable:
            return None  # another choice of the schema leads nowhere: no validator reads it
    return None


async def _status(app: Any, key: str, body: bytes | None) -> int:
    """Status of the answer to one request; without a body: of one whose body never ends."""
    headers = [
        (b"host", b"127.0.0.1"),
        (b"content-type", b"application/json"),
        (b"authorization", f"Bearer {key}".encode()),
    ]
    scope = {"type": "http", "method": "POST", "path": "/v1/classify", "raw_path": b"/v1/classify", "headers": headers}
    scope |= {"query_string": b"", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1)}
    waiting = [] if body is None else [{"type": "http.request", "body": body, "more_body": False}]
    told: list[int] = []

    async def receive() -> dict[str, Any]:
        return waiting.pop() if waiting else await asyncio.Future()

    async def send(message: Any) -> None:
        told.append(message.get("status", 0))

    await app(scope, receive, send)
    return told[0]


def greedy(folder: Path, count: int) -> str | None:
    """One key with so many bodies that never end, and then another key."""
    path = folder / f"keys-{count}.json"
    first, other = (add_key(path, "all", name, rate=10_000)[1] for name in "ab")

    async def ask() -> int:
        app = app_of(FakeEngine(), keys=ApiKeys(path), limits=LIMITS)
        held = [asyncio.ensure_future(_status(app, first, None)) for _ in range(count)]
        await asyncio.sleep(0.05)
        found = await _status(app, other, b'{"model": "complaints", "input": "Why?"}')
        for one in held:
            one.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        return found

    return "another key is refused a place" if asyncio.run(ask()) == 429 else None


def cases(draw: Random, folder: Path, size: int) -> Iterable[tuple[str, Attack]]:
    for number in range(size * 200):
        schema = whole_schema(draw)
        yield f"a schema without room {number}", lambda schema=schema: forced(schema)
    for count in (LIMITS.requests, 3 * LIMITS.requests):
        yield f"one key with {count} bodies that never end", lambda count=count: greedy(folder, count)


AREA = Area(
    "serving",
    cases,
    {
        "judged_schema": lambda: unittest.mock.patch.object(
            answer_forms, "OF_TEXTS", answer_forms.OF_TEXTS | {"pattern", "not", "minLength", "maxLength"}
        ),
        "places_of_a_key": lambda: unittest.mock.patch.object(
            sys.modules[__name__], "LIMITS", Limits(requests_of_key=10_000, refusal_seconds=0.01)
        ),
    },
)
