"""Answers under a constraint are always valid."""

import json

import jsonschema
import pytest

from ft_platform.serving.engine.constrained import Choices, Unfulfillable
from ft_platform_tests.serving.engines import END, TEXT, Asked, running

PROMPT = TEXT.content("Where is my card?")
CHOICES = ("card lost", "card", "loan", "€")
SCHEMAS = {
    "object": {
        "type": "object",
        "properties": {"name": {"enum": ["a", "bb", 3]}, "right": {"type": "boolean"}, "none": {"type": "null"}},
        "required": ["name", "none"],
        "additionalProperties": False,
    },
    "array": {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3},
    "nested": {
        "type": "object",
        "properties": {
            "list": {
                "type": "array",
                "maxItems": 2,
                "items": {
                    "type": "object",
                    "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}},
                    "required": ["n"],
                    "additionalProperties": False,
                },
            },
            "kind": {"const": "x\u00fc"},
        },
        "required": ["list", "kind"],
        "additionalProperties": False,
    },
    "any": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]},
    "number": {"type": "number", "minimum": 1, "maximum": 5, "multipleOf": 0.5},
}


@pytest.mark.parametrize("seed", range(12))
def test_an_answer_is_one_of_the_choices(seed: int) -> None:
    with running() as engine:
        asked = [
            Asked(engine, "base", PROMPT, 20, choices=CHOICES, temperature=3.0, seed=9 * seed + n) for n in range(9)
        ]
        free = Asked(engine, "base", PROMPT, 20)
        texts = [one.text for one in asked]
        assert set(texts) <= set(CHOICES)
        assert {one.finished.reason for one in asked} == {"stop"}
        assert len(set(texts)) > 1
        assert free.text not in CHOICES


def test_choices_end_where_nothing_else_can_follow() -> None:
    choices = Choices([TEXT.content("ab"), TEXT.content("a")], [END])
    a, b = TEXT.content("ab")
    assert choices.allowed().tolist() == [a]
    choices.take(a)
    assert not choices.complete
    assert choices.allowed().tolist() == sorted([b, END])
    assert choices.ends_with(END)
    assert not choices.ends_with(b)
    choices.take(b)
    assert choices.complete
    with pytest.raises(Unfulfillable):
        Choices([[]], [END])


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_answer_is_json_of_the_schema(name: str) -> None:
    pytest.importorskip("llguidance")
    with running() as engine:
        asked = [
            Asked(engine, "base", PROMPT, 200, schema=SCHEMAS[name], temperature=temperature, seed=seed)
            for temperature in (0.0, 1.0, 4.0)
            for seed in range(3)
        ]
        stopped = [one for one in asked if one.finished.reason == "stop"]
        assert len(stopped) >= 6  # the others were too long
        for one in stopped:
            jsonschema.validate(json.loads(one.text), SCHEMAS[name])


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "array", "uniqueItems": True}, 'schema: Unimplemented keys: ["uniqueItems"]'),
        ({"not": {"type": "string"}}, 'schema: Unimplemented keys: ["not"]'),
        ({"type": "strin"}, "schema: Invalid type: strin"),
        ({"$ref": "https://example.com/x"}, "does not fetch"),
        ({"type": "string", "pattern": "("}, "schema: "),
    ],
)
def test_a_schema_that_cannot_be_followed_is_named(schema: dict[str, object], message: str) -> None:
    pytest.importorskip("llguidance")
    with running() as engine:
        finished = Asked(engine, "base", PROMPT, 20, schema=schema).finished
        assert finished.reason == "error"
        assert message in finished.message
        assert Asked(engine, "base", PROMPT, 3).finished.reason == "length"
