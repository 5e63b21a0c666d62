"""The pieces a model's own chat template puts around the contents of messages.

The template is rendered once with sentinels in place of contents and cut at them. Contents never pass through the
template, so nothing in a user's text can act as a control token or as template code.
"""

import re
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from ft_platform.errors import BaseModelError
from ft_platform.models.guards.bounded_jinja import render_bounded

SYSTEM, QUESTION, ANSWER, NEXT_QUESTION = (
    "ftsystemsentinel",
    "ftquestionsentinel",
    "ftanswersentinel",
    "ftnextquestionsentinel",
)

TODAY = date(2024, 7, 26)
"""Some templates print a date; a prompt that changes every day would not be the prompt that was trained. This is the
default in Meta's template."""
FIXED_DATE = TODAY.strftime("%d %b %Y")
CLOCK = re.compile(r"""strftime_now\(\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\)""")


@dataclass(frozen=True)
class ChatMarkers:
    """Text between contents; the order of a chat is opening, (system, system_end), question, answer_start, answer,
    answer_end.

    Attributes:
        system_start: before the system message, or "" where the template has none.
        system_end: between system message and first question.
        opening: before the first question of a chat without system message.
        answer_start: between a question and its answer.
        next_question: between an answer and the next question.
        answer_end: after the last answer.
        system_role: whether the template has a system message; if not, it is put before the first question.
        from_template: False for a tokenizer without chat template, which gets `PLAIN`.
    """

    system_start: str
    system_end: str
    opening: str
    answer_start: str
    next_question: str
    answer_end: str
    system_role: bool = True
    from_template: bool = True

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


PLAIN = ChatMarkers(
    "", "\n\n### Question:\n", "### Question:\n", "\n\n### Answer:\n", "\n\n### Question:\n", "", from_template=False
)
"""For base models that were never trained on chats."""


def chat_markers(tokenizer: Any) -> ChatMarkers:
    """The markers of a tokenizer's chat template, or `PLAIN` if it has none; `models.characters` has its own.

    Raises:
        BaseModelError: the template cannot be rendered, drops or changes a message.
    """
    if own := getattr(tokenizer, "markers", None):
        return own
    if not getattr(tokenizer, "chat_template", None):
        return PLAIN
    question, answer, following = (
        _message("user", QUESTION),
        _message("assistant", ANSWER),
        _message("user", NEXT_QUESTION),
    )
    opening, answer_start = _cut(render(tokenizer, [question], prompt=True), [QUESTION])
    chat = _cut(render(tokenizer, [question, answer, following, answer]), [QUESTION, ANSWER, NEXT_QUESTION, ANSWER])
    system = _system_markers(tokenizer, question)
    start, end = system or ("", "\n\n")
    return ChatMarkers(start, end, opening, answer_start, chat[2], chat[4], system_role=system is not None)


def _system_markers(tokenizer: Any, question: dict[str, str]) -> tuple[str, str] | None:
    """Text before and after a system message, or None where the template refuses or drops it (Gemma 2 does)."""
    try:
        text = render(tokenizer, [_message("system", SYSTEM), question], prompt=True)
    except BaseModelError:
        return None
    if text.count(SYSTEM) != 1:
        return None
    start, end, _ = _cut(text, [SYSTEM, QUESTION])
    return start, end


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def fixed_template(tokenizer: Any, *, tools: bool = False) -> str:
    """The chat template, in which every call of the clock is the same day."""
    template = (
        tokenizer.get_chat_template(tools=[{}] if tools else None)
        if isinstance(tokenizer.chat_template, dict)
        else tokenizer.chat_template
    )
    return CLOCK.sub(lambda found: repr(TODAY.strftime(found[1] if found[1] is not None else found[2])), template)


def render(
    tokenizer: Any, messages: list[dict[str, Any]], *, prompt: bool = False, tools: list[Any] | None = None
) -> str:
    """Text of the template around messages that hold no word of a person.

    Raises:
        BaseModelError: the template refuses them.
    """
    from jinja2.exceptions import TemplateError

    values = {
        "messages": messages,
        "tools": tools,
        "documents": None,
        "add_generation_prompt": prompt,
        "date_string": FIXED_DATE,
        "enable_thinking": False,
    }
    try:
        return render_bounded(fixed_template(tokenizer, tools=bool(tools)), {**tokenizer.special_tokens_map, **values})
    except (TemplateError, TypeError, ValueError, KeyError) as error:  # a template is code: it may fail in its own ways
        raise BaseModelError(
            f"the chat template of the base model cannot be rendered: {type(error).__name__}",
            "Choose another base_model.uri, or correct its template",
        ) from error


def _cut(text: str, sentinels: list[str]) -> list[str]:
    """The text before, between and after the sentinels, which must come once each and in this order."""
    pieces, rest = [], text
    for sentinel in sentinels:
        before, found, rest = rest.partition(sentinel)
        if not found:
            raise BaseModelError(
                "the chat template of the base model drops or changes a message",
                "Choose another base_model.uri, or give its tokenizer a chat template",
            )
        pieces.append(before)
    return [*pieces, rest]
