"""Calls of tools, their results and the descriptions of the tools, as messages of a record.

A record is made of texts, so that every later stage sees all words of it: a call becomes a message of role `tool_call`
with the JSON list `[{"name", "arguments"}]`, a result one of role `tool`, the descriptions one of role `tools`. Ids of
calls are left out; results stand in the order of the calls. Line breaks within strings stay line breaks: written as
`\\n` they would join the word behind them ("nJohn"), which recognizers of personal data then miss. Readers have to take
control characters in strings (`json.loads(..., strict=False)`)."""

import json
import re
from typing import Any

ESCAPE = re.compile(r"\\(.)")
PLAIN = {"n": "\n", "t": "\t"}


def json_text(value: Any) -> str:
    """A JSON value as text, one way for all: no ASCII escapes, line breaks and tabs of strings as they are."""
    return ESCAPE.sub(
        lambda found: PLAIN.get(found[1], found[0]), json.dumps(value, ensure_ascii=False, allow_nan=False)
    )


def call_message(calls: Any) -> dict[str, str]:
    """The message of role `tool_call` of one or more calls.

    Raises:
        KeyError, TypeError, ValueError: a call has no name, or arguments that are no JSON object.
    """
    made = []
    for call in calls if isinstance(calls, list) else [calls]:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise TypeError
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            arguments = json.loads(arguments or "{}", strict=False)
        if not isinstance(function["name"], str) or not function["name"].strip() or not isinstance(arguments, dict):
            raise TypeError
        made.append({"name": function["name"], "arguments": arguments})
    if not made:
        raise ValueError
    return {"role": "tool_call", "content": json_text(made)}


def described_tools(value: str | None) -> list[dict[str, str]] | None:
    """The message of role `tools` in a list; an empty list where there are no tools, None where the text describes
    none."""
    if not (value or "").strip():
        return []
    try:
        tools = json.loads(value or "", strict=False)
        named = [tool["function"]["name"] if "function" in tool else tool["name"] for tool in tools]
        if not isinstance(tools, list) or not all(isinstance(name, str) and name.strip() for name in named):
            return None
        return [{"role": "tools", "content": json_text(tools)}] if tools else []
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def in_order_of_calls(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages, in which the results that follow a message with calls stand in the order of these calls.

    Raises:
        TypeError, KeyError: they are no messages.
    """
    made: list[dict[str, Any]] = []
    order: dict[str, int] = {}
    run: list[dict[str, Any]] = []
    for item in items:
        if not isinstance(item, dict):
            raise TypeError
        if item.get("role") == "tool":
            run.append(item)
            continue
        made += sorted(run, key=lambda one: order.get(one.get("tool_call_id", ""), len(order)))
        run = []
        if item.get("tool_calls"):
            order = {call["id"]: place for place, call in enumerate(item["tool_calls"]) if "id" in call}
        made.append(item)
    return made + sorted(run, key=lambda one: order.get(one.get("tool_call_id", ""), len(order)))
