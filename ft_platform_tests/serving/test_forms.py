"""`response_format`: labels in JSON where the schema has room for one, and object schemas that take no invented key."""

from typing import Any, Literal

import pytest
from starlette.testclient import TestClient

from ft_platform.serving.api.answer_forms import closed, label_form
from ft_platform_tests.serving.fakes import LABELS, FakeEngine, asking, served
from ft_platform_tests.serving.test_chat import COMPLETIONS, ask, events

LABEL_MODELS = ("complaints", "claims")


def schema_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


def an_object(**properties: Any) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


ENUM = {"type": "string", "enum": list(LABELS)}
ROOM: list[tuple[str, dict[str, Any], str]] = [
    ("an enum", an_object(category=ENUM), '{"category": "Card"}'),
    ("any text", an_object(label={"type": "string"}), '{"label": "Card"}'),
    ("a reference", {"$defs": {"Topic": ENUM}, **an_object(topic={"$ref": "#/$defs/Topic"})}, '{"topic": "Card"}'),
    ("or null", an_object(topic={"anyOf": [{"type": "null"}, ENUM]}), '{"topic": "Card"}'),
    ("one is required", {**an_object(topic=ENUM, note={"type": "string"}), "required": ["topic"]}, '{"topic": "Card"}'),
    ("the only enum", {**an_object(topic=ENUM, count={"type": "integer"}), "required": []}, '{"topic": "Card"}'),
    ("label first", {**an_object(other=ENUM, label=ENUM), "required": []}, '{"label": "Card"}'),
    ("any object", {"type": "object"}, '{"label": "Card"}'),
    ("quotes in a name", an_object(**{'a "b"': ENUM}), '{"a \\"b\\"": "Card"}'),
    ("no object", ENUM, '"Card"'),
]
NO_ROOM: list[tuple[str, dict[str, Any]]] = [
    ("a label is missing", an_object(label={"enum": list(LABELS[:2])})),
    ("two are required", an_object(label=ENUM, reason={"type": "string"})),
    ("two that could be", {**an_object(one=ENUM, two=ENUM), "required": []}),
    ("a number", an_object(label={"type": "integer"})),
    ("a pattern", an_object(label={"type": "string", "pattern": "(a+)+$"})),
    ("a list", {"type": "array", "items": ENUM}),
    ("nothing may be in it", {"type": "object", "additionalProperties": False}),
    ("another reference", an_object(label={"$ref": "https://example.org/schema"})),
    ("an endless reference", {"$defs": {"a": {"$ref": "#/$defs/a"}}, **an_object(label={"$ref": "#/$defs/a"})}),
    ("parts of a schema", {"allOf": [an_object(label=ENUM)]}),
]


@pytest.mark.parametrize(("schema", "answer"), [one[1:] for one in ROOM], ids=[one[0] for one in ROOM])
@pytest.mark.parametrize("model", LABEL_MODELS)
def test_a_label_fills_the_schema_that_has_room_for_it(
    client: TestClient, model: str, schema: dict[str, Any], answer: str
) -> None:
    found = ask(client, model=model, response_format=schema_format(schema))
    assert found["choices"][0]["message"]["content"] == answer
    parts = events(client, model=model, response_format=schema_format(schema))
    assert "".join(part["choices"][0]["delta"].get("content", "") for part in parts) == answer
    whole = ask(client, COMPLETIONS, model=model, response_format=schema_format(schema))
    assert whole["choices"][0]["text"] == answer


@pytest.mark.parametrize("schema", [one[1] for one in NO_ROOM], ids=[one[0] for one in NO_ROOM])
def test_a_schema_without_room_for_the_labels_is_refused(client: TestClient, schema: dict[str, Any]) -> None:
    error = ask(client, status=400, model="complaints", response_format=schema_format(schema))["error"]
    assert (error["code"], error["param"]) == ("invalid_schema", "response_format")
    assert "Card, Loan, Mortgage" in error["message"]


def test_a_json_object_of_a_label_model_is_the_label(client: TestClient) -> None:
    found = ask(client, model="complaints", response_format={"type": "json_object"}, logprobs=True, top_logprobs=2)
    (choice,) = found["choices"]
    assert choice["message"]["content"] == '{"label": "Card"}'
    assert [one["token"] for one in choice["logprobs"]["content"]] == ["Card"]


def test_a_label_that_is_withheld_has_no_form(engine: FakeEngine) -> None:
    engine.scored = [-1.0, -1.1, -1.2]
    with asking(engine) as client:
        (choice,) = ask(client, model="complaints", response_format={"type": "json_object"})["choices"]
        parts = events(client, model="complaints", response_format={"type": "json_object"})
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "content_filter")
    assert [part["choices"][0]["delta"].get("content", "") for part in parts] == ["", ""]


def test_what_is_noted_of_a_label_in_json_is_the_label(engine: FakeEngine) -> None:
    from ft_platform_tests.serving.fakes import Kept

    notes = Kept()
    with asking(engine, notes=notes) as client:
        for model in LABEL_MODELS:
            ask(client, model=model, response_format={"type": "json_object"})
            events(client, model=model, response_format={"type": "json_object"})
    noted = [one["answers"] for one in notes.kind("requests")]
    assert [(one["decision"], one["characters"]) for (one,) in noted] == [("Card", 4)] * 4


def test_a_schema_takes_no_key_that_it_does_not_name(client: TestClient, engine: FakeEngine) -> None:
    opened = {"type": "object", "properties": {"a": {"type": "integer"}}}
    ask(client, response_format=schema_format(opened))
    assert engine.asked[0].sampling.schema == {**opened, "additionalProperties": False}


def test_only_objects_that_say_nothing_about_other_keys_are_closed() -> None:
    point = {"type": "object", "properties": {"x": {"type": "integer"}}}
    schema = {
        "$defs": {"point": point},
        "type": "object",
        "properties": {"properties": point, "map": {"type": "object", "additionalProperties": {"type": "string"}}},
        "anyOf": [{"properties": {"b": {"items": point}}, "additionalProperties": True}],
    }
    shut = {**point, "additionalProperties": False}
    assert closed(schema) == {
        "$defs": {"point": shut},
        "type": "object",
        "properties": {"properties": shut, "map": {"type": "object", "additionalProperties": {"type": "string"}}},
        "anyOf": [{"properties": {"b": {"items": shut}}, "additionalProperties": True}],
        "additionalProperties": False,
    }
    joined = {"allOf": [point, {"properties": {"y": {}}}]}
    assert closed(joined) == joined, "each part would refuse the keys of the other"
    assert closed({"type": "object"}) == {"type": "object"}
    assert closed({"properties": {"x": {"const": {"properties": {}}}}, "additionalProperties": True}) == {
        "properties": {"x": {"const": {"properties": {}}}},
        "additionalProperties": True,
    }


def test_a_deep_schema_of_a_client_ends(client: TestClient) -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(150):
        deep = {"type": "object", "properties": {"a": deep}}
    assert closed(deep)["additionalProperties"] is False
    assert label_form(deep, LABELS) is None


def test_parse_of_openais_client_reads_a_label(engine: FakeEngine) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed; it is in the extra dev")
    from pydantic import BaseModel

    from ft_platform_tests.serving.fakes import app_of, running, wait_until

    class Topic(BaseModel):
        topic: Literal["Card", "Loan", "Mortgage"]

    class Unfit(BaseModel):
        topic: Literal["Card", "Parcel"]

    with running(app_of(engine, [served("complaints", "label_head")])) as server:
        wait_until(lambda: len(engine.loaded) == 1)
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=10)
        question: Any = [{"role": "user", "content": "Why is my card blocked?"}]
        found = client.chat.completions.parse(model="complaints", messages=question, response_format=Topic)
        assert found.choices[0].message.parsed == Topic(topic="Card")
        with pytest.raises(openai.BadRequestError, match="do not fit"):
            client.chat.completions.parse(model="complaints", messages=question, response_format=Unfit)
