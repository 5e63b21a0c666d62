"""Chat messages of a column: the JSON list of a row becomes the messages of a record, whichever way its authors write
it.

OpenAI: `[{"role": "user", "content": "..."}]`, a content may be a list of text parts. ShareGPT: `[{"from": "human",
"value": "..."}]`. Schema-guided dialogues: `[{"speaker": "USER", "utterance": "..."}]`, where SYSTEM is the model.
Prompt and answer of TRL and LLaMA-Factory: each a text, a message, or a list of messages; an answer that holds a user
message is the whole conversation. Tools (`sources.tool_messages`): OpenAI's `tool_calls` and `tool`, ShareGPT's
`function_call` and `observation`; the descriptions of the tools are a column of their own.
Sources: platform.openai.com/docs "Chat completions"; LLaMA-Factory `data/README.md`; huggingface.co/docs/trl "Dataset
formats". Not covered: pictures and sounds (an error), and `weight` of single messages.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import SourceError
from ft_platform.records.columns import MESSAGES
from ft_platform.sources.file_format import row_list
from ft_platform.sources.tool_messages import call_message, described_tools, in_order_of_calls

ROLES = ("system", "user", "assistant", "tool")
SPEAKERS = {"user": "user", "system": "assistant", "assistant": "assistant"}
"""Of schema-guided dialogues (arXiv:1909.05855)."""
OTHER_NAMES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "developer": "system",
    "observation": "tool",
}
Message = dict[str, str]


def conversations(values: pa.Array, file_name: str, first_row: int, tools: pa.Array | None = None) -> pa.ListArray:
    """The conversation of each row, of type `MESSAGES`.

    Args:
        tools: descriptions of the tools of each row as a JSON list, or null. They become a first message of role
            `tools`.

    Raises:
        SourceError: rows that hold no conversation, or whose tools are no list of descriptions.
    """
    made = [_conversation(v) for v in values.to_pylist()]
    if tools is None:
        return _checked(made, file_name, first_row, "the messages column")
    described = [described_tools(value) for value in tools.to_pylist()]
    if wrong := [first_row + i for i, found in enumerate(described) if found is None]:
        raise SourceError(
            f"{file_name}: {row_list(wrong)} have no descriptions of tools in the tools column: expected a JSON list of"
            " {type, function}",
            "Correct the rows",
        )
    rows = [
        None if messages is None else [*(found or []), *messages]
        for found, messages in zip(described, made, strict=True)
    ]
    return _checked(rows, file_name, first_row, "the messages column")


def has_messages(column: pa.Array) -> bool:
    """Whether a text of the column may be a message, or a list of them, as JSON."""
    return bool(pc.any(pc.match_substring_regex(column, r"^\s*[\[{]")).as_py())


def prompted(
    prompts: pa.Array, answers: pa.Array, file_name: str, first_row: int, rejected: pa.Array | None = None
) -> pa.ListArray:
    """Conversations of prompts and answers, each a text or a list of messages. Of type `MESSAGES`.

    Args:
        rejected: answers that people like less, which become a last message of role `rejected`; of a list its last
            message counts.

    Raises:
        SourceError: rows whose lists are no conversation that ends with an answer.
    """
    less_liked = rejected.to_pylist() if rejected is not None else [None] * len(prompts)
    made = [
        _with_rejected(_prompted(p or "", a or ""), r)
        for p, a, r in zip(prompts.to_pylist(), answers.to_pylist(), less_liked, strict=True)
    ]
    return _checked(made, file_name, first_row, "the columns of prompt and answer")


def messages_array(rows: Sequence[Sequence[Message]]) -> pa.ListArray:
    """Lists of `{role, content}` as an array of type `MESSAGES`."""
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    roles = pa.array([m["role"] for row in rows for m in row], pa.string())
    contents = pa.array([m["content"] for row in rows for m in row], pa.string())
    return pa.ListArray.from_arrays(
        pa.array(offsets),
        pa.StructArray.from_arrays([roles, contents], fields=list(MESSAGES.value_type)),
        type=MESSAGES,
    )


def _checked(rows: list[list[Message] | None], file_name: str, first_row: int, where: str) -> pa.ListArray:
    if wrong := [
        first_row + i
        for i, messages in enumerate(rows)
        if messages is None or not any(m["role"] == "user" for m in messages)
    ]:
        expected = (
            f"a list of {{role, content}}, each once in a message, with roles {', '.join(ROLES)} and a user message"
        )
        raise SourceError(
            f"{file_name}: {row_list(wrong)} have no conversation in {where}: expected {expected}", "Correct the rows"
        )
    return messages_array([messages or [] for messages in rows])


class _Repeated(Exception):
    """An object has a key twice: readers differ in which value they take."""


def _conversation(value: str | None) -> list[Message] | None:
    """The messages of a JSON text, or None where it is no list of messages."""
    try:
        return _parsed(value)
    except _Repeated:
        return None


def _parsed(value: str | None) -> list[Message] | None:
    """As `_conversation`.

    Raises:
        _Repeated: a key is there twice.
    """
    try:
        items = json.loads(value or "", object_pairs_hook=_once)
        messages = [message for item in in_order_of_calls(items) for message in _messages(item)]
        json.dumps(messages, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (json.JSONDecodeError, RecursionError, TypeError, KeyError, ValueError):
        return None
    return messages


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Repeated
    return made


def _messages(item: dict[str, Any]) -> list[Message]:
    """What is said and which tools are called, each a message.

    Raises:
        KeyError, TypeError, ValueError: it is none, or holds more than text and calls of tools.
    """
    if "utterance" in item:
        return [{"role": SPEAKERS[item["speaker"].lower()], "content": item["utterance"]}]
    role = item["role"] if "role" in item else item["from"]
    content = (
        item.get("content")
        if "role" in item and item.get("tool_calls")
        else item["content"]
        if "content" in item
        else item["value"]
    )
    if role == "function_call":
        return [call_message(json.loads(content or ""))]
    if isinstance(content, list):
        content = "\n".join(part["text"] for part in content)
    role = OTHER_NAMES.get(role, role)
    calls = item.get("tool_calls")
    if (
        role not in ROLES
        or not isinstance(content, str | None if calls else str)
        or item.get("function_call")
        or (calls and role != "assistant")
    ):
        raise TypeError
    said: list[Message] = [{"role": role, "content": content or ""}] if content or not calls else []
    return [*said, call_message(calls)] if calls else said


def _with_rejected(messages: list[Message] | None, rejected: str | None) -> list[Message] | None:
    """The conversation and the answer that people like less, or None where that one is a list without an answer at its
    end."""
    if messages is None or rejected is None:
        return messages
    try:
        said = _said(rejected)
    except _Repeated:
        return None
    if said and said[-1]["role"] != "assistant":
        return None
    return [*messages, {"role": "rejected", "content": said[-1]["content"] if said else rejected}]


def _said(text: str) -> list[Message] | None:
    """The messages of a text: a list of them, or one; None where it is a plain text.

    Raises:
        _Repeated: a key is there twice.
    """
    start = text.lstrip()[:1]
    return _parsed(text if start == "[" else f"[{text}]") if start in ("[", "{") else None


def _prompted(prompt: str, answer: str) -> list[Message] | None:
    """A text that begins like messages and is none is a text."""
    try:
        asked, said = _said(prompt), _said(answer)
    except _Repeated:
        return None
    if said and any(m["role"] == "user" for m in said):
        messages = said
    else:
        messages = (asked or [{"role": "user", "content": prompt}]) + (
            said or [{"role": "assistant", "content": answer}]
        )
    return messages if messages[-1]["role"] == "assistant" else None
