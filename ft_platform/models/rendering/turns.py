"""The turns of a record's conversation: who speaks, which tools are called, and where the last answer is.

Records hold texts only. Calls of tools are JSON text in messages of role `tool_call`, descriptions of tools in one of
role `tools`, results in role `tool`: so cleaning and anonymization see every word of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ft_platform.errors import DataError

ANSWERS = ("assistant", "tool_call")
"""Roles of what the model writes."""
REJECTED = "rejected"
"""Role of an answer that people like less than the one before it: no turn of the conversation."""
TOOL_ROLES = ("tools", "tool_call", "tool")
PARAGRAPH = "\n\n"

Message = Mapping[str, Any]


class NotRendered(DataError):
    """A record that cannot become tokens. The message never holds its text.

    Attributes:
        reason: under which it is counted.
    """

    reason = "no_answer"


class NoQuestion(NotRendered):
    """Nothing comes before the answer."""

    reason = "no_question"


class AnswerTooLong(NotRendered):
    """Prompt markers and answers alone exceed the longest length."""

    reason = "answer_too_long"


class ToolsNotSupported(NotRendered):
    """The chat template of the base model has no place for tools, or changes what it is given."""

    reason = "tools_not_supported"


class BrokenToolCall(NotRendered):
    """Descriptions or calls of tools that are no JSON of the expected shape, perhaps since names in them were replaced;
    or a call without result."""

    reason = "tool_call_broken"


@dataclass
class Turn:
    """What one side says at a time.

    Attributes:
        role: `user`, `assistant` or `tool`.
        text: its words; of an assistant what it writes before it calls tools.
        calls: of an assistant: `[{"name", "arguments"}]`.
    """

    role: str
    text: str
    calls: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class Conversation:
    """Turns that alternate, from a user on.

    Attributes:
        tools: descriptions of the tools the model may call, or None.
    """

    turns: list[Turn]
    tools: list[dict[str, Any]] | None = None

    @property
    def with_tools(self) -> bool:
        return self.tools is not None or any(turn.calls or turn.role == "tool" for turn in self.turns)


def up_to_last_answer(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages without what follows the last answer; none if there is no answer."""
    last = next((place for place in reversed(range(len(messages))) if messages[place]["role"] in ANSWERS), -1)
    return messages[: last + 1]


def conversation_of(messages: Sequence[Message]) -> Conversation:
    """The turns of some messages. System messages go before the next user message, so that the prefix is the same for
    all rows.

    Raises:
        BrokenToolCall: calls or descriptions of tools cannot be read.
    """
    turns: list[Turn] = []
    tools = None
    for message in messages:
        role, text = message["role"], message["content"] or ""
        last = turns[-1] if turns else None
        if role == REJECTED:
            continue
        if role == "tools":
            tools = [*(tools or []), *_descriptions(text)]
        elif last and last.calls and role != "tool":
            raise BrokenToolCall("a record calls a tool and does not say what it gave back", "Check record.messages")
        elif role == "tool_call":
            if last and last.role == "assistant" and not last.calls:
                last.calls = _calls(text)
            else:
                turns.append(Turn("assistant", "", _calls(text)))
        elif role == "tool":
            if last is None or not (last.calls or last.role == "tool"):
                raise BrokenToolCall("a record has the result of a tool that was not called", "Check record.messages")
            turns.append(Turn("tool", text))
        else:
            speaker = "assistant" if role == "assistant" else "user"
            if last and last.role == speaker and not last.calls:
                last.text += PARAGRAPH + text
            else:
                turns.append(Turn(speaker, text))
    if len(turns) > 1 and turns[0].role != "user":
        turns.insert(0, Turn("user", ""))
    return Conversation(turns, tools)


def _descriptions(text: str) -> list[dict[str, Any]]:
    tools = _json_list(text)
    if not all(isinstance(tool.get("function", tool).get("name"), str) for tool in tools):
        raise BrokenToolCall("a tool of a record has no name", "Check record.tools")
    return tools


def _calls(text: str) -> list[dict[str, Any]]:
    calls = _json_list(text)
    if not calls or not all(
        isinstance(call.get("name"), str) and isinstance(call.get("arguments"), dict) for call in calls
    ):
        raise BrokenToolCall("a call of a tool needs a name and arguments", "Check record.messages")
    return calls


def _json_list(text: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(text, parse_constant=_no_number, strict=False)
    except (ValueError, RecursionError):
        raise BrokenToolCall(
            "tools or a call of a tool in a record are not JSON",
            "A replaced number or name may have broken it: see privacy.operators, or leave the record out",
        ) from None
    if not isinstance(value, list) or not all(
        isinstance(item, dict) and isinstance(item.get("function", {}), dict) for item in value
    ):
        raise BrokenToolCall(
            "tools or calls of tools in a record are not a list of objects", "Check record.messages and record.tools"
        )
    return value


def _no_number(_name: str) -> Any:
    raise ValueError
