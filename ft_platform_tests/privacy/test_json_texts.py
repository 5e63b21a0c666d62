"""Calls of tools stay JSON when personal data in them is replaced. Persons and numbers are fictitious."""

import json
import random

import pyarrow as pa
import pytest

from ft_platform.models.rendering.turns import conversation_of
from ft_platform.privacy.json_texts import replace_in_json
from ft_platform.privacy.spans import Span
from ft_platform.records.columns import MESSAGES
from ft_platform.records.schemas import cleaned_schema
from ft_platform.sources.tool_messages import json_text
from ft_platform_tests.privacy.anonymizing import anonymized
from ft_platform_tests.tables import table, use_case


def span_of(text: str, part: str) -> Span:
    start = text.index(part)
    return Span(start, start + len(part), "CARD", 1.0, "test")


CASES = [
    ('[{"n": 4111111111111111}]', ["4111111111111111"], [{"n": "<X>"}], "a bare number becomes a string"),
    ('[{"n": -41.5e3, "m": 2}]', ["41.5"], [{"n": "-<X>e3", "m": 2}], "of which something is left"),
    ("[[4111,4222]]", ["4111", "4222"], [["<X>", "<X>"]], "several"),
    ("[[4111,4222, 7]]", ["4111,4222"], [["<X>", "<X>", 7]], "over a comma"),
    ('[{"a": "call 4111 or 4222 now"}]', ["4111", "4222"], [{"a": "call <X> or <X> now"}], "within a string"),
    (
        '[{"first": "Ana", "last": "Mai"}]',
        ['Ana", "last": "Mai'],
        [{"first": "<X>", "<X>": "<X>"}],
        "over quotation marks: every value it touches",
    ),
    ('[{"a": "say \\"Ana\\" twice"}]', ["Ana\\"], [{"a": 'say "<X> twice'}], "that ends within an escape"),
    ('[{"a": "say \\"Ana"}]', ['"Ana"'], [{"a": "say <X>"}], "that begins within an escape"),
    ('[{"a": "one\ntwo 4111"}]', ["two 4111"], [{"a": "one\n<X>"}], "after a line break as it is"),
    ('[{"4111": true}]', ["4111"], [{"<X>": True}], "a key"),
    ('[{"a": [null, 5], "b": "4111"}]', ["4111"], [{"a": [None, 5], "b": "<X>"}], "other values stay what they are"),
]


@pytest.mark.parametrize(("text", "found", "expected", "why"), CASES, ids=[case[3] for case in CASES])
def test_what_is_replaced_leaves_json(text: str, found: list[str], expected: list, why: str) -> None:
    made = replace_in_json(text, [span_of(text, part) for part in found], lambda span, original: "<X>")
    assert json.loads(made, strict=False) == expected
    assert not any(part in made for part in found)


@pytest.mark.parametrize("new", ['a "quoted" one', "a \\ b", "two\nlines", ""])
def test_replacements_that_hold_marks_of_json_are_escaped(new: str) -> None:
    for text in ('[{"n": 4111}]', '[{"n": "4111"}]'):
        assert json.loads(replace_in_json(text, [span_of(text, "4111")], lambda span, original: new), strict=False) == [
            {"n": new}
        ]


def value_of(draw: random.Random, depth: int = 0):
    kind = draw.choice(["number", "text", "text", "word"] + (["list", "object"] if depth < 3 else []))
    if kind == "list":
        return [value_of(draw, depth + 1) for _ in range(draw.randrange(4))]
    if kind == "object":
        return {f"k{number}": value_of(draw, depth + 1) for number in range(draw.randrange(4))}
    text = "".join(draw.choice('ab 7"\\\n\t{}[]:,é') for _ in range(draw.randrange(12)))
    return {
        "number": draw.choice([7, -3.25, 1e21, 4111111111111111]),
        "text": text,
        "word": draw.choice([True, False, None]),
    }[kind]


def test_whatever_is_found_the_rest_is_json_and_no_character_of_a_finding_is_left() -> None:
    draw = random.Random(5)
    for _ in range(3000):
        text = json_text([value_of(draw), value_of(draw)])
        bounds = sorted(draw.sample(range(len(text) + 1), min(4, len(text) + 1) // 2 * 2))
        spans = [Span(start, end, "X", 1.0, "test") for start, end in zip(bounds[::2], bounds[1::2], strict=True)]
        taken: list[str] = []
        made = replace_in_json(text, spans, lambda span, original, taken=taken: taken.append(original) or "~")
        json.loads(made, strict=False)
        marks = set(' \n\t[]{}:,"')
        for span in spans:
            left = list(text[span.start : span.end])
            for character in "".join(taken):
                if character in left:
                    left.remove(character)
            assert set(left) <= marks, (text, span)


def test_a_call_with_a_bare_number_is_still_a_call_after_anonymization() -> None:
    """The fault that was: `{"phone": <PHONE_1>}` is no JSON, and the record was left out of training as
    `tool_call_broken`."""
    case = use_case("generation")
    records = table(cleaned_schema(case), ["Call me."], ["Done."])
    call = (
        '[{"name": "dial", "arguments": {"phone": 4155550132, "who": "Mirela Okonjo", "times": 2, "mail":'
        ' "mirela@example.com"}}]'
    )
    tools = (
        '[{"name": "dial", "description": "Dials +1 (415) 555-0132 by default.", "parameters": {"type": "object",'
        ' "default": 4111111111111111}}]'
    )
    messages = [
        {"role": "tools", "content": tools},
        {"role": "user", "content": "My phone is 4155550132, my card is 4111111111111111."},
        {"role": "tool_call", "content": call},
        {"role": "tool", "content": "ok"},
        {"role": "assistant", "content": "Done."},
    ]
    records = records.set_column(records.schema.get_field_index("messages"), "messages", pa.array([messages], MESSAGES))
    row = anonymized(case, records).kept.to_pylist()[0]
    text = " ".join(message["content"] for message in row["messages"])
    assert (
        not any(original in text for original in ("555", "4111", "Mirela", "mirela@"))
        and dict(row["entities"])["EMAIL"] == 1
    )
    conversation = conversation_of(row["messages"])
    arguments = conversation.turns[1].calls[0]["arguments"]
    assert (
        arguments["times"] == 2 and str(arguments["phone"]).startswith("<") and arguments["mail"].startswith("<EMAIL_")
    )
    assert conversation.tools[0]["parameters"]["default"].startswith("<")
