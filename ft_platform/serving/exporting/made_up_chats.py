"""Chats that nobody wrote, to compare two renderings: unicode, spaces, empty and long texts, control tokens."""

import json
import random
from collections.abc import Sequence
from typing import Any

LETTERS = [
    "ok",
    "My card",
    "Größe",
    "漢字",
    "🙂",
    "👩‍👩‍👧",
    "\u202eabc",
    "é",
    "e\u0301",
    "naïve",
    "12,50 €",
    "3.14",
    "I'll",
]
SIGNS = ["<", ">", "|", "[", "]", "{", "}", "{{ x }}", "{% if %}", "\\n", '"', "'", "\\", "#", "###", "```", "/", "</s"]
SPACES = [" ", "  ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "\u200b", "\x85", "\x0b", "\x1c", "\ufeff", "\x00"]


def made_up_text(rng: random.Random, control: Sequence[str]) -> str:
    """Words, signs and spaces in any order; some empty, some long, some that spell out a control token or half of
    one."""
    kind = rng.random()
    if kind < 0.05:
        return rng.choice(["", " ", "\n", " \n\t "])
    pieces = [*LETTERS, *LETTERS, *SIGNS, *SPACES, *SPACES]
    if control and kind < 0.15:
        token = rng.choice(control)
        pieces += [token] * 20 if kind < 0.12 else [token[1:], token[:-1]] * 10
    return "".join(rng.choice(pieces) for _ in range(rng.choice([1, 2, 5, 12, 400 if kind > 0.98 else 30])))


def made_up_chat(rng: random.Random, control: Sequence[str], labels: Sequence[str]) -> list[dict[str, str]]:
    """One to six messages of all speakers, the last two a question and an answer; an empty answer is none."""
    roles = [rng.choice(["user", "user", "assistant", "system"]) for _ in range(rng.choice([0, 0, 1, 2, 4]))]
    texts = [(role, made_up_text(rng, control)) for role in [*roles, "user", "assistant"]]
    if labels and texts[-1][1].strip():
        texts[-1] = ("assistant", rng.choice(labels))
    return [{"role": role, "content": text} for role, text in texts]


def made_up_tools(rng: random.Random) -> list[dict[str, str]]:
    """A call of a tool in the format of records."""
    name, word = rng.choice(["find", "get_balance", "f1"]), rng.choice(LETTERS)
    parameters = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
    tools = [{"type": "function", "function": {"name": name, "description": "Finds it.", "parameters": parameters}}]
    calls = [{"name": name, "arguments": {"word": word}}]
    return [
        {"role": "tools", "content": json.dumps(tools)},
        {"role": "user", "content": rng.choice(LETTERS)},
        {"role": "tool_call", "content": json.dumps(calls)},
        {"role": "tool", "content": rng.choice(LETTERS)},
        {"role": "assistant", "content": "It is done."},
    ]


def openai_messages(
    messages: Sequence[dict[str, str]], *, as_text: bool = False
) -> tuple[list[Any], list[dict[str, Any]]]:
    """Tools and messages as OpenAI's interface has them, of a record with one call.

    Args:
        as_text: the model's own template wants arguments as JSON text.
    """
    tools: list[Any] = []
    sent: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] == "tools":
            tools = json.loads(message["content"])
        elif message["role"] == "tool_call":
            (call,) = json.loads(message["content"])
            call |= {"arguments": json.dumps(call["arguments"], ensure_ascii=False)} if as_text else {}
            calls = [{"id": f"call{len(sent) * 100:05d}", "type": "function", "function": call}]
            sent.append({"role": "assistant", "content": "", "tool_calls": calls})
        elif message["role"] == "tool":
            call = sent[-1]["tool_calls"][0]
            sent.append({**message, "tool_call_id": call["id"], "name": call["function"]["name"]})
        else:
            sent.append(message)
    return tools, sent
