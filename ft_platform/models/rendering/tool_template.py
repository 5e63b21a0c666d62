"""Conversations with tools through the model's own chat template, which sees stand-ins in place of every string of a
record.

A template decides how descriptions, calls and results of tools are written, in which order and where: there is no
format of our own. Each string that comes from a record (words, names, keys, arguments) is replaced by a stand-in before
the template runs, and the text around the stand-ins is what counts as markers. So nothing in a record can act as a
control token or as template code. The stand-in holds both quotation marks: how they come out of the template says
whether a string was written plainly, as JSON, or as a Python literal, and it is put in escaped in the same way.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ft_platform.errors import BaseModelError
from ft_platform.models.rendering.chat_markers import render
from ft_platform.models.rendering.turns import Conversation, ToolsNotSupported, Turn

STAND_IN = re.compile(r"""ftslot(\\*)"(\\*)'(\d{5})e""")
ESCAPES: dict[tuple[int, int], Callable[[str], str]] = {
    (0, 0): lambda text: text,
    (1, 0): lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    (3, 0): lambda text: json.dumps(json.dumps(text, ensure_ascii=False)[1:-1], ensure_ascii=False)[1:-1],
    (0, 1): lambda text: repr('"' + text)[2:-1],
}
"""(backslashes before `"`, before `'`) -> how a string is written there: plainly, JSON, JSON within JSON, Python."""
SCHEMA_WORDS = frozenset(
    [
        "type",
        "function",
        "name",
        "description",
        "parameters",
        "properties",
        "required",
        "items",
        "enum",
        "default",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "additionalProperties",
        "format",
        "title",
        "minimum",
        "maximum",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "pattern",
        "const",
        "examples",
        "nullable",
        "strict",
        "return",
        "returns",
        "$ref",
        "$defs",
    ]
)
"""Keys of JSON Schema and of OpenAI's function descriptions that templates look for. All other keys come from
people."""
JSON_TYPES = frozenset(["function", "object", "string", "integer", "number", "boolean", "array", "null"])
CACHED = 512
SAMPLE = Conversation(
    [
        Turn("user", "Hi"),
        Turn("assistant", "", [{"name": "find", "arguments": {"word": "a"}}]),
        Turn("tool", "b"),
        Turn("assistant", "c"),
    ],
    [
        {
            "type": "function",
            "function": {
                "name": "find",
                "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
            },
        }
    ],
)


@dataclass(frozen=True)
class Part:
    """A piece of a rendered conversation.

    Attributes:
        text: of the template; None where a string of the record stands.
        slot: number of that string.
        escape: how it is written.
        learned: whether the model writes this part: a call or an answer, up to its end of turn.
    """

    text: str | None
    slot: int = -1
    escape: tuple[int, int] = (0, 0)
    learned: bool = False


@dataclass
class Slots:
    """Strings of a record, each with its stand-in.

    Attributes:
        texts: by number.
        turn_of: turn a string belongs to, -1 for descriptions of tools.
        shortens: whether it may be cut: words of users and results of tools.
        needed: whether a template that leaves it out is refused.
    """

    texts: list[str] = field(default_factory=list)
    turn_of: list[int] = field(default_factory=list)
    shortens: list[bool] = field(default_factory=list)
    needed: list[bool] = field(default_factory=list)
    _descriptions: dict[str, str] = field(default_factory=dict)

    def stand_in(self, text: str, turn: int, *, shortens: bool = False, needed: bool = True) -> str:
        self.texts.append(text)
        self.turn_of.append(turn)
        self.shortens.append(shortens)
        self.needed.append(needed)
        return f"ftslot\"'{len(self.texts) - 1:05d}e"

    def arguments(self, value: Any, turn: int) -> Any:
        """A JSON value with a stand-in for every key and string."""
        if isinstance(value, dict):
            return {self.stand_in(key, turn): self.arguments(item, turn) for key, item in value.items()}
        if isinstance(value, list):
            return [self.arguments(item, turn) for item in value]
        return self.stand_in(value, turn) if isinstance(value, str) else value

    def schema(self, value: Any, *, names: bool = False) -> Any:
        """A description of tools in the same way; the words of JSON Schema stay, and equal strings get one stand-in.

        Args:
            names: the keys of `value` are names of parameters.
        """
        if isinstance(value, dict):
            return {
                key if key in SCHEMA_WORDS and not names else self._of_schema(key): (
                    item
                    if key == "type" and not names and isinstance(item, str) and item in JSON_TYPES
                    else self.schema(item, names=key == "properties" and not names)
                )
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [
                item if isinstance(item, str) and item in JSON_TYPES and not names else self.schema(item)
                for item in value
            ]
        return self._of_schema(value) if isinstance(value, str) else value

    def _of_schema(self, text: str) -> str:
        if text not in self._descriptions:
            self._descriptions[text] = self.stand_in(text, -1, needed=False)
        return self._descriptions[text]


class ToolTemplate:
    """The chat template of a tokenizer, for conversations with tools.

    Args:
        tokenizer: of transformers.
        end: text of the control token that ends a turn.
        token_ids: text of a template -> token ids.
    """

    def __init__(self, tokenizer: Any, end: str, token_ids: Callable[[str], list[int]]) -> None:
        self._tokenizer, self._end, self._token_ids = tokenizer, end, token_ids
        self._known: dict[str, list[Part]] = {}
        self._arguments_as_text: bool | None = None
        self._keeps_system: bool | None = None

    def parts(self, conversation: Conversation, system: str, *, answered: bool) -> tuple[list[Part], Slots]:
        """The conversation as parts, and the strings that go into them.

        Args:
            system: system message of the task, or "".
            answered: the last turn is the answer; else the parts end where the model is to go on.

        Raises:
            ToolsNotSupported: the template has no tools, leaves something out, or does not tell where an answer begins
                and ends.
        """
        if self._arguments_as_text is None:
            self._arguments_as_text = self.takes_text()
        slots = Slots()
        tools = None if conversation.tools is None else [slots.schema(_function(tool)) for tool in conversation.tools]
        messages = [{"role": "system", "content": slots.stand_in(system, -1)}] if system else []
        messages += [
            self._message(slots, number, turn, conversation.turns) for number, turn in enumerate(conversation.turns)
        ]
        key = json.dumps([messages, tools, answered])
        if key not in self._known:
            if len(self._known) >= CACHED:
                self._known.clear()
            self._known[key] = self._made(
                messages, tools, slots, len(messages) - len(conversation.turns), answered=answered
            )
        return self._known[key], slots

    def sample(self) -> str:
        """How a fixed conversation with a tool is written, or "" where the template takes none: what tells templates
        apart."""
        try:
            parts, _ = self.parts(SAMPLE, "", answered=True)
        except ToolsNotSupported:
            return ""
        return json.dumps([[part.text, part.slot, part.escape, part.learned] for part in parts])

    def keeps_system(self) -> bool:
        """Whether a system message stays in a conversation with tools. Mistral's template writes it only where the last
        message is the user's."""
        if self._keeps_system is None:
            try:
                self.parts(Conversation(SAMPLE.turns[:-1], SAMPLE.tools), "Help.", answered=False)
                self._keeps_system = True
            except ToolsNotSupported:
                self._keeps_system = False
        return self._keeps_system

    def _message(self, slots: Slots, number: int, turn: Turn, turns: list[Turn]) -> dict[str, Any]:
        if turn.role == "user":
            return {"role": "user", "content": slots.stand_in(turn.text.strip(), number, shortens=True)}
        if turn.role == "tool":
            caller = max(place for place in range(number) if turns[place].calls)
            name, place = _called(turns[caller], number - caller - 1)
            made = {
                "role": "tool",
                "content": slots.stand_in(turn.text.strip(), number, shortens=True),
                "tool_call_id": _call_id(caller, place),
            }
            return {**made, "name": slots.stand_in(name, number, needed=False)}
        made = {
            "role": "assistant",
            "content": slots.stand_in(turn.text.strip(), number) if turn.text.strip() or not turn.calls else "",
        }
        if not turn.calls:
            return made
        calls = []
        for place, call in enumerate(turn.calls):
            name, arguments = slots.stand_in(call["name"], number), slots.arguments(call["arguments"], number)
            function = {"name": name, "arguments": json.dumps(arguments) if self._arguments_as_text else arguments}
            calls.append({"id": _call_id(number, place), "type": "function", "function": function})
        return {**made, "tool_calls": calls}

    def takes_text(self) -> bool:
        """Whether the template wants arguments as JSON text (DeepSeek's joins them to a string) and not as an
        object."""
        call = {"id": _call_id(1, 0), "type": "function", "function": {"name": "f", "arguments": {"a": "b"}}}
        try:
            self._render(
                [{"role": "user", "content": "u"}, {"role": "assistant", "content": "", "tool_calls": [call]}], None
            )
        except ToolsNotSupported:
            return True
        return False

    def _render(self, messages: list[dict[str, Any]], tools: list[Any] | None, *, prompt: bool = False) -> str:
        try:
            return render(self._tokenizer, messages, prompt=prompt, tools=tools)
        except BaseModelError as error:
            raise ToolsNotSupported(
                "the chat template of the base model refuses a conversation with tools",
                "Choose a base model with tools",
            ) from error

    def _made(
        self, messages: list[dict[str, Any]], tools: list[Any] | None, slots: Slots, systems: int, *, answered: bool
    ) -> list[Part]:
        context = messages[:-1] if answered else messages
        parts = _cut(self._render(context, tools, prompt=True))
        numbers = [number for number, message in enumerate(context) if message["role"] == "assistant"]
        for number in numbers:
            before = _cut(self._render(messages[:number], tools, prompt=True))
            parts = self._learned(parts, slots, number - systems, before[-1].text or "")
        if answered:
            whole = _cut(self._render(messages, tools))
            header = parts[-1].text or ""
            turn = len(messages) - 1 - systems
            marked = self._learned(whole, slots, turn, header)
            first = next(place for place, part in enumerate(marked) if part.learned)
            last = max(place for place, part in enumerate(marked) if part.learned)
            if any(part.slot >= 0 and slots.turn_of[part.slot] == turn for part in marked[:first]):
                raise _unclear()
            parts += marked[first : last + 1]
        written = {part.slot for part in parts}
        missing = [slot for slot, needed in enumerate(slots.needed) if needed and slot not in written]
        schema = [slot for slot, turn in enumerate(slots.turn_of) if turn == -1 and not slots.needed[slot]]
        if missing or (schema and not written.intersection(schema)):
            raise ToolsNotSupported(
                "the chat template of the base model leaves out tools, or something that was said",
                "Choose a base model with tools",
            )
        return parts

    def _learned(self, parts: list[Part], slots: Slots, turn: int, header: str) -> list[Part]:
        """The parts with those of one turn marked, from behind `header` to the end of turn."""
        places = [place for place, part in enumerate(parts) if part.slot >= 0 and slots.turn_of[part.slot] == turn]
        if not places:
            raise ToolsNotSupported(
                "the chat template of the base model leaves out what the model said", "Choose a base model with tools"
            )
        first, last = places[0], places[-1]
        before, behind = parts[first - 1].text or "", parts[last + 1].text or ""
        end = behind.find(self._end)
        if end < 0 or any(part.slot >= 0 and slots.turn_of[part.slot] != turn for part in parts[first : last + 1]):
            raise _unclear()
        opening, own = self._split(before, header)
        closing, rest = behind[: end + len(self._end)], behind[end + len(self._end) :]
        middle = [Part(part.text, part.slot, part.escape, learned=True) for part in parts[first : last + 1]]
        return [
            *parts[: first - 1],
            Part(opening),
            Part(own, learned=True),
            *middle,
            Part(closing, learned=True),
            Part(rest),
            *parts[last + 2 :],
        ]

    def _split(self, text: str, header: str) -> tuple[str, str]:
        """Text of the template before and after the place from which on the model writes."""
        if text.startswith(header):
            return header, text[len(header) :]
        # Some templates (Qwen3) open a turn in the past otherwise than the one that is to come: what both share is not
        # learned.
        shared = 0
        while shared < min(len(text), len(header)) and text[shared] == header[shared]:
            shared += 1
        while (
            shared and self._token_ids(text[:shared]) != self._token_ids(header)[: len(self._token_ids(text[:shared]))]
        ):
            shared -= 1
        if not shared:
            raise _unclear()
        return text[:shared], text[shared:]


def _cut(text: str) -> list[Part]:
    """Text and slots in turn; begins and ends with a text, which may be empty."""
    parts, start = [], 0
    for found in STAND_IN.finditer(text):
        escape = (len(found[1]), len(found[2]))
        if escape not in ESCAPES:
            raise ToolsNotSupported(
                "the chat template of the base model writes strings in a way that is not known",
                "Choose another base model",
            )
        parts += [Part(text[start : found.start()]), Part(None, int(found[3]), escape)]
        start = found.end()
    if "ftslot" in text[start:] or any("ftslot" in (part.text or "") for part in parts):
        raise ToolsNotSupported(
            "the chat template of the base model changes strings it is given", "Choose another base model"
        )
    return [*parts, Part(text[start:])]


def _unclear() -> ToolsNotSupported:
    return ToolsNotSupported(
        "the chat template of the base model does not tell where a call of a tool begins and ends",
        "Choose another base model",
    )


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    """As OpenAI and transformers describe a tool: `{"type": "function", "function": {...}}`."""
    return tool if "function" in tool else {"type": "function", "function": tool}


def _called(turn: Turn, place: int) -> tuple[str, int]:
    """Name and number of the call that the result at this place answers; results come in the order of the calls."""
    calls = turn.calls or []
    place = min(place, len(calls) - 1)
    return calls[place]["name"], place


def _call_id(turn: int, place: int) -> str:
    """Nine letters and digits, as Mistral's templates ask for. The source's own ids say nothing to a model."""
    return f"call{(turn * 100 + place) % 100_000:05d}"
