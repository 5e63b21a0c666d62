"""Chats that spell out control tokens, template code and halves of tokens, in ten chat formats: none of it acts, all of
it is kept."""

import itertools
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ft_platform.models.rendering.renderer import NotRendered, Renderer
from ft_platform.models.rendering.turns import ToolsNotSupported
from ft_platform.use_case.schema import Task
from ft_platform_tests.models.rendering.chat_families import FAMILIES, Family, family_tokenizer

TASK = Task(kind="generation", instruction="Help <|im_end|> {{ messages }}.")
SPECIAL = sorted({token for family in FAMILIES.values() for token in (*family.special, *family.marked)})
HALVES = [half for token in SPECIAL for half in (token[: len(token) // 2], token[len(token) // 2 :])]
LOOK_ALIKES = [token.replace("<", "＜").replace(">", "＞").replace("|", "｜") for token in SPECIAL[:12]] + [
    "<|im​_end|>",
    "<|ım_end|>",
    "＜/s＞",
]
TEMPLATE_CODE = [
    "{{ messages }}",
    "{{ 7 * 7 }}",
    "{% for m in messages %}",
    "{% endfor %}",
    "{%- set x = 1 -%}",
    "{{ raise_exception('x') }}",
    "{# note #}",
    "{% generation %}",
]
OURS = ["ftquestionsentinel", "ftanswersentinel", "ftsystemsentinel", "ftslot\"'00000e", "ftslot\\\"'00001e"]
PLAIN = [
    "ok",
    " ",
    "\n",
    "\n\n",
    "é",
    "漢字",
    "🙂",
    "\u202e",
    "\x00",
    '"',
    "'",
    "\\",
    "\\n",
    "<",
    "|>",
    "assistant\n",
    "### Answer:\n",
    "{",
    "}",
]
PIECES = [SPECIAL, HALVES, LOOK_ALIKES, TEMPLATE_CODE, OURS, PLAIN]
TOOL = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {"word": {"type": "string"}}}},
}
Message = dict[str, str]


def words(rng: random.Random) -> str:
    return "".join(rng.choice(rng.choice(PIECES)) for _ in range(rng.randint(1, 8)))


def chat(rng: random.Random) -> list[Message]:
    """Turns with hostile words; a token may begin in one message and end in the next."""
    messages = [{"role": "system", "content": words(rng)}] if rng.random() < 0.2 else []
    token = rng.choice(SPECIAL)
    place = rng.randint(1, len(token) - 1)
    for _ in range(rng.randint(1, 3)):
        question, answer = words(rng) + token[:place], token[place:] + words(rng)
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": f"a{answer}"}]
    return messages


def chat_with_tools(said: Callable[[], str]) -> list[Message]:
    """A call of a tool with words of `said` in every place that a person may fill."""
    described = {
        **TOOL,
        "function": {**TOOL["function"], "name": said(), "description": said(), "parameters": {said(): said()}},
    }
    calls = [{"name": f"n{said()}", "arguments": {said(): said(), "list": [said(), 3, None, {said(): True}]}}]
    return [
        {"role": "tools", "content": json.dumps([described])},
        {"role": "user", "content": said()},
        {"role": "tool_call", "content": json.dumps(calls)},
        {"role": "tool", "content": said()},
        {"role": "assistant", "content": f"a{said()}"},
    ]


def harmless(messages: list[Message]) -> list[Message]:
    return [{**message, "content": "x"} for message in messages]


class Fuzzed:
    """One family: its renderer, and the control tokens of harmless chats."""

    def __init__(self, family: Family) -> None:
        self.tokenizer = family_tokenizer(family)
        self.renderer = Renderer(self.tokenizer, TASK)
        self.control = self.renderer.text.control_ids
        self._expected: dict[Any, list[int]] = {}

    def controls(self, ids: list[int]) -> list[int]:
        return [token for token in ids if token in self.control]

    def check(self, messages: list[Message]) -> None:
        pieces = self.renderer.pieces(messages)
        ids = [token for piece in pieces for token in piece.ids]
        roles = tuple(message["role"] for message in messages)
        if roles not in self._expected:
            self._expected[roles] = self.controls(self.renderer.example(harmless(messages)).input_ids)
        assert self.controls(ids) == self._expected[roles], messages
        found = [self.tokenizer.decode(piece.ids, skip_special_tokens=False) for piece in pieces if piece.person]
        assert found == self.renderer.words(messages) or "" in [m["content"].strip() for m in messages], messages
        assert self.renderer.prompt_ids(messages) == ids[: len(ids) - len(pieces[-1].ids) - len(pieces[-2].ids)]

    def check_tools(self, messages: list[Message]) -> None:
        pieces = self.renderer.pieces(messages)
        assert all(self.control.isdisjoint(piece.ids) for piece in pieces if piece.person), messages
        if "tools" not in self._expected:
            numbers = itertools.count()
            calm = self.renderer.example(chat_with_tools(lambda: f"w{next(numbers)}"))
            self._expected["tools"] = self.controls(calm.input_ids)
        assert self.controls([token for piece in pieces for token in piece.ids]) == self._expected["tools"], messages
        said = "".join(self.tokenizer.decode(piece.ids, skip_special_tokens=False) for piece in pieces if piece.person)
        (call,) = json.loads(messages[2]["content"])
        for text in (messages[1]["content"], messages[4]["content"], call["name"]):
            assert text.strip() in said or json.dumps(text, ensure_ascii=False)[1:-1] in said, messages


def fuzz(chats: int, seed: int) -> int:
    """Chats over all families in turn, a quarter of them with tools where the family has any. Returns how many had."""
    rng = random.Random(seed)
    families = {name: Fuzzed(family) for name, family in FAMILIES.items()}
    with_tools = 0
    for number in range(chats):
        name = list(families)[number % len(families)]
        if FAMILIES[name].tools and rng.random() < 0.5:
            families[name].check_tools(chat_with_tools(partial(words, rng)))
            with_tools += 1
        else:
            families[name].check(chat(rng))
    return with_tools


@pytest.mark.integration
def test_2000_hostile_chats_over_ten_chat_formats_make_no_control_token_and_keep_their_words():
    assert fuzz(2_000, seed=1) > 300


@pytest.mark.slow
def test_10000_hostile_chats_over_ten_chat_formats_make_no_control_token_and_keep_their_words():
    assert fuzz(10_000, seed=2) > 1_500


@pytest.mark.parametrize("name", FAMILIES)
def test_the_tokenizer_itself_takes_the_spelled_out_tokens_of_its_family_for_control_tokens(name):
    family = FAMILIES[name]
    tokenizer = family_tokenizer(family)
    for token in (*family.special, *family.marked):
        assert len(tokenizer(f"a{token}b", add_special_tokens=False)["input_ids"]) == 3


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.template])
def test_without_the_cuts_the_fuzz_finds_control_tokens(name, monkeypatch):
    monkeypatch.setattr(
        "ft_platform.models.rendering.text_tokens.TextTokens.content", lambda self, text, limit=None: self.markers(text)
    )
    fuzzed, rng = Fuzzed(FAMILIES[name]), random.Random(3)

    def control_tokens_are_found(messages: list[Message]) -> bool:
        try:
            fuzzed.check(messages)
        except AssertionError:
            return True
        return False

    assert any(control_tokens_are_found(chat(rng)) for _ in range(200))


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if not family.tools])
def test_a_format_without_tools_says_so(name):
    with pytest.raises(NotRendered) as raised:
        Renderer(family_tokenizer(FAMILIES[name]), TASK).example(chat_with_tools(lambda: "word"))
    assert isinstance(raised.value, ToolsNotSupported) and raised.value.reason == "tools_not_supported"
