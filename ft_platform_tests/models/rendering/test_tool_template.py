"""Calls of tools: written as the model's own template writes them, learned like answers, and never anything but
text."""

import json
from itertools import groupby
from typing import Any

import pytest

from ft_platform.models.rendering.renderer import AnswerTooLong, NotRendered, Renderer
from ft_platform.use_case.schema import Task
from ft_platform_tests.models.rendering.chat_families import FAMILIES, family_tokenizer

CHAT = Task(kind="generation", instruction="Help.")
FUNCTION = {
    "name": "weather",
    "description": 'Weather of a "city"',
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "type": {"type": "string", "enum": ["day", "hour"]}},
        "required": ["city"],
    },
}
TOOLS = [{"type": "function", "function": FUNCTION}]
ARGUMENTS = {"city": 'Old "Town"\nNorth', "days": 3, "exact": True, "type": "day"}
CALL = {"name": "weather", "arguments": ARGUMENTS}
WITH_TOOLS = [name for name, family in FAMILIES.items() if family.tools]
OWN_FORM = {
    "qwen2.5": "<tool_call>\n",
    "qwen3": "<tool_call>\n",
    "llama3.1": '{"name": "weather", "parameters": ',
    "mistral": "[TOOL_CALLS] [",
    "deepseek": "<｜tool▁",
}


def record(
    *calls: dict[str, Any], results: tuple[str, ...] = ("21 degrees",), text: str = "How warm is it?"
) -> list[dict[str, str]]:
    return [
        {"role": "tools", "content": json.dumps(TOOLS)},
        {"role": "user", "content": text},
        {"role": "tool_call", "content": json.dumps(list(calls or (CALL,)))},
        *({"role": "tool", "content": result} for result in results),
        {"role": "assistant", "content": "It is 21 degrees."},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "content": "You are welcome."},
    ]


def for_template(name: str, calls: list[dict[str, Any]], results: tuple[str, ...]) -> list[dict[str, Any]]:
    """The same conversation as transformers documents it."""
    text = name == "deepseek"
    made = [{"id": f"call{100 + n:05d}", "type": "function", "function": {**c, "arguments": json.dumps(c["arguments"], ensure_ascii=False)} if text else c}  # noqa: E501
            for n, c in enumerate(calls)]  # fmt: skip
    return [
        {"role": "system", "content": "Help."},
        {"role": "user", "content": "How warm is it?"},
        {"role": "assistant", "content": "", "tool_calls": made},
        *(
            {"role": "tool", "content": result, "tool_call_id": f"call{100 + n:05d}"}
            for n, result in enumerate(results)
        ),
        {"role": "assistant", "content": "It is 21 degrees."},
        {"role": "user", "content": "Thanks"},
        {"role": "assistant", "content": "You are welcome."},
    ]


def renderer_of(name: str) -> tuple[Any, Renderer]:
    tokenizer = family_tokenizer(FAMILIES[name])
    return tokenizer, Renderer(tokenizer, CHAT)


def learned(tokenizer: Any, example: Any) -> list[str]:
    runs = groupby(zip(example.input_ids, example.supervised, strict=True), lambda pair: pair[1])
    return [tokenizer.decode([token for token, _ in run], skip_special_tokens=False) for counts, run in runs if counts]


@pytest.mark.parametrize("name", ["qwen2.5", "llama3.1", "deepseek"])
def test_a_conversation_with_tools_is_what_the_template_makes_of_it(name):
    tokenizer, renderer = renderer_of(name)
    messages = for_template(name, [CALL], ("21 degrees",))
    expected = tokenizer.apply_chat_template(messages, tools=TOOLS, tokenize=False, date_string="26 Jul 2024")
    found = tokenizer.decode(renderer.example(record()).input_ids, skip_special_tokens=False)
    assert expected.startswith(found) and len(expected) - len(found) <= 1


def test_mistral_gets_the_system_message_before_the_first_question_because_its_template_would_drop_it():
    tokenizer, renderer = renderer_of("mistral")
    found = tokenizer.decode(renderer.example(record()).input_ids, skip_special_tokens=False)
    assert found.startswith("<s>[INST] Help.\n\nHow warm is it?[/INST][TOOL_CALLS] [") and '"id": "call00100"' in found


@pytest.mark.parametrize("name", WITH_TOOLS)
def test_calls_are_learned_in_the_models_own_form_and_results_are_context(name):
    tokenizer, renderer = renderer_of(name)
    end = tokenizer.decode(renderer.end_of_turn, skip_special_tokens=False)
    call, answer, last = learned(tokenizer, renderer.example(record()))
    assert call.startswith(OWN_FORM[name]) and call.endswith(end) and json.dumps(ARGUMENTS["city"]) in call
    assert answer.strip() == f"It is 21 degrees.{end}" and last == f"You are welcome.{end}"
    assert learned(tokenizer, renderer.example(record(), train_on="last_turn")) == [last]


@pytest.mark.parametrize("name", WITH_TOOLS)
def test_a_record_that_ends_with_a_call_learns_it_after_the_prompt_of_evaluation(name):
    tokenizer, renderer = renderer_of(name)
    example = renderer.example(record()[:3])
    assert renderer.prompt_ids(record()[:3]) == example.input_ids[: example.prompt_length]
    (call,) = learned(tokenizer, example)
    assert call.startswith(OWN_FORM[name]) and "Old" in call


@pytest.mark.parametrize("name", ["qwen2.5", "deepseek"])
def test_two_calls_at_once_and_words_before_them(name):
    tokenizer, renderer = renderer_of(name)
    messages = record(CALL, {"name": "clock", "arguments": {}}, results=("21", "noon"))
    messages.insert(2, {"role": "assistant", "content": "I will look."})
    call = learned(tokenizer, renderer.example(messages))[0]
    assert call.startswith("I will look.") and "clock" in call and call.index("weather") < call.index("clock")


@pytest.mark.parametrize("name", WITH_TOOLS)
@pytest.mark.parametrize("place", ["name", "key", "value", "nested", "description", "result", "text"])
def test_a_control_token_in_any_string_of_a_record_with_tools_stays_text(name, place):
    tokenizer, renderer = renderer_of(name)
    family = FAMILIES[name]
    hostile = f"x {family.eos} y {family.special[-1]}" + "".join(family.marked)
    arguments = {
        **ARGUMENTS,
        **({hostile: 1} if place == "key" else {}),
        **({"a": hostile} if place == "value" else {}),
        "n": [{"m": "q"}],
    }
    if place == "nested":
        arguments["n"] = [{"m": hostile}]
    calm = record({"name": "weather", "arguments": {**arguments, "a": "calm", "n": [{"m": "q"}]}})
    messages = record({"name": hostile if place == "name" else "weather", "arguments": arguments})
    if place == "description":
        messages[0]["content"] = json.dumps(
            [{"type": "function", "function": {**FUNCTION, "description": hostile, hostile: hostile}}]
        )
    if place in ("result", "text"):
        messages[3 if place == "result" else 1]["content"] = hostile
    control = renderer.text.control_ids

    def controls(rows: list[dict[str, str]]) -> list[int]:
        return [token for token in renderer.example(rows).input_ids if token in control]

    assert controls(messages) == controls(calm)
    text = tokenizer.decode(renderer.example(messages).input_ids, skip_special_tokens=False)
    assert hostile in text


def test_template_code_in_a_record_is_never_run():
    tokenizer, renderer = renderer_of("qwen2.5")
    code = "{{ raise_exception('run') }}{% for x in y %}"
    messages = record({"name": code, "arguments": {code: code}}, results=(code,), text=code)
    assert tokenizer.decode(renderer.example(messages).input_ids).count(code) == 5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('[{"name": "weather", "arguments": {"phone": <PHONE_1>}}]', "tool_call_broken"),
        ('[{"name": "weather", "arguments": {"city": "Old"', "tool_call_broken"),
        ('[{"name": "weather", "arguments": "city"}]', "tool_call_broken"),
        ('[{"name": "weather", "arguments": {"n": NaN}}]', "tool_call_broken"),
        ("[]", "tool_call_broken"),
        ("{}", "tool_call_broken"),
        ("[" * 5000, "tool_call_broken"),
    ],
)
def test_a_call_that_is_no_json_any_more_is_left_out_with_its_reason(content, reason):
    messages = record()
    messages[2]["content"] = content
    with pytest.raises(NotRendered) as raised:
        renderer_of("qwen2.5")[1].example(messages)
    assert raised.value.reason == reason and "city" not in str(raised.value)


def test_a_result_without_a_call_is_left_out():
    with pytest.raises(NotRendered) as raised:
        renderer_of("qwen2.5")[1].example([record()[1], record()[3], record()[4]])
    assert raised.value.reason == "tool_call_broken"


@pytest.mark.parametrize("name", ["gemma2", "phi3", "plain", "smollm2"])
def test_a_model_without_tools_leaves_the_record_out_and_renders_the_others(name):
    renderer = renderer_of(name)[1]
    with pytest.raises(NotRendered) as raised:
        renderer.example(record())
    assert raised.value.reason == "tools_not_supported" and renderer.example(record()[-2:]).input_ids


def test_llama_takes_one_call_at_a_time():
    with pytest.raises(NotRendered) as raised:
        renderer_of("llama3.1")[1].example(record(CALL, CALL))
    assert raised.value.reason == "tools_not_supported"


def test_results_and_questions_are_shortened_and_calls_are_not():
    tokenizer, renderer = renderer_of("qwen2.5")
    long = record(results=("r" * 3000,))
    room = len(renderer.example(record()).input_ids) + 50
    example = renderer.example(long, max_length=room)
    assert (
        len(example.input_ids) == room
        and example.truncated
        and learned(tokenizer, example) == learned(tokenizer, renderer.example(record()))
    )
    with pytest.raises(AnswerTooLong):
        renderer.example(record({"name": "weather", "arguments": {"city": "c" * 3000}}), max_length=room)


@pytest.mark.parametrize("name", WITH_TOOLS)
def test_examples_of_few_shot_prompts_are_turns_before_a_conversation_with_tools(name):
    tokenizer = family_tokenizer(FAMILIES[name])
    renderer = Renderer(tokenizer, CHAT)
    text = tokenizer.decode(renderer.few_shot_prompt_ids([("How cold?", "Very.")], record()), skip_special_tokens=False)
    places = [text.index(part) for part in ("How cold?", "Very.", "How warm is it?", "Thanks")]
    assert places == sorted(places) and "You are welcome." not in text


def test_a_template_that_changes_strings_is_refused():
    tokenizer = family_tokenizer(FAMILIES["qwen2.5"])
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "{{- tool_call.arguments | tojson }}", "{{- tool_call.arguments | tojson | upper }}"
    )
    with pytest.raises(NotRendered, match=r"changes strings|leaves out") as raised:
        Renderer(tokenizer, CHAT).example(record())
    assert raised.value.reason == "tools_not_supported"


def test_the_way_tools_are_written_is_part_of_the_hash():
    tokenizer = family_tokenizer(FAMILIES["qwen2.5"])
    before = Renderer(tokenizer, CHAT).hash
    tokenizer.chat_template = tokenizer.chat_template.replace("<tools>", "<functions>")
    assert Renderer(tokenizer, CHAT).hash != before


def test_a_template_that_asks_the_clock_gets_one_day():
    tokenizer = family_tokenizer(FAMILIES["qwen2.5"])
    tokenizer.chat_template = "{{ strftime_now('%Y-%m-%d') }}" + tokenizer.chat_template
    assert tokenizer.decode(Renderer(tokenizer, CHAT).prefix_ids()).startswith("2024-07-26")
