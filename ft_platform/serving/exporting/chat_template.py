"""Our rendering as a Jinja chat template, and the comparison of both on made-up chats.

Covered: the system message of the task, turns of one speaker put together, whitespace around texts, the end of turn,
the fixed date, and control tokens that a person spells out: an invisible sign is put into them, so they stay text.
Not covered: equal tokens for texts that spell out a control token (the platform keeps them text without a sign, by
tokenizing them in parts, which no template can do), and for tools, whose names and arguments the platform tokenizes
one by one; texts that are too long, which the platform shortens.
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ft_platform.errors import ExportRefused
from ft_platform.models.rendering.chat_markers import FIXED_DATE, fixed_template
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.process import progress
from ft_platform.serving.exporting.made_up_chats import made_up_chat, made_up_tools, openai_messages

CHATS = 2000
WORD_JOINER = "\u2060"
"""The invisible sign. It is no part of a word and has no width (Unicode 16, section 23.2)."""

BUILD = """\
{%- set ns = namespace(turns=[], said=[], text='', tools=false) -%}
{%- for message in messages -%}
{%- set ns.text = message['content'] or '' -%}
{%- if message['role'] == 'tool' or message['tool_calls'] -%}
{%- set ns.tools = true -%}
{%- set ns.turns = ns.turns + [message] -%}
{%- elif not (loop.first and message['role'] == 'system' and ns.text == @SYSTEM) -%}
{%- set role = 'assistant' if message['role'] == 'assistant' else 'user' -%}
{%- if ns.turns and ns.turns[-1]['role'] == role and not ns.turns[-1]['tool_calls'] -%}
{%- set ns.text = ns.turns[-1]['content'] + '\\n\\n' + ns.text -%}
{%- set ns.turns = ns.turns[:-1] -%}
{%- endif -%}
{%- set ns.turns = ns.turns + [{'role': role, 'content': ns.text}] -%}
{%- endif -%}
{%- endfor -%}
{%- if ns.turns | length > 1 and ns.turns[0]['role'] == 'assistant' -%}
{%- set ns.turns = [{'role': 'user', 'content': ''}] + ns.turns -%}
{%- endif -%}
"""
"""Messages to turns, as `turns.conversation_of`."""

BUILD_LABELLED = """\
{%- set ns = namespace(said=[], turns=[], text='', asked=false) -%}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{%- set ns.text = (ns.text + '\\n\\n' if ns.asked else '') + (message['content'] or '') -%}
{%- set ns.asked = true -%}
{%- endif -%}
{%- endfor -%}
{%- set ns.turns = [{'role': 'user', 'content': ns.text}] -%}
{%- if messages[-1]['role'] == 'assistant' -%}
{%- set ns.turns = ns.turns + [messages[-1]] -%}
{%- endif -%}
"""
"""Of a classification the words of the user are one question, and a last message of the model is the label."""

CLEAN = """\
{%- for turn in ns.turns -%}
{%- set ns.text = (turn['content'] or '') | trim -%}
{%- for token in @CONTROL -%}
{%- set ns.text = ns.text | replace(token, token[:1] + @JOINER + token[1:]) -%}
{%- endfor -%}
{%- if turn['tool_calls'] -%}
{%- set ns.said = ns.said + [dict(turn, content=ns.text)] -%}
{%- elif turn['role'] == 'tool' -%}
{%- set ns.said = ns.said + [dict(turn, content=ns.text)] -%}
{%- else -%}
{%- set ns.said = ns.said + [{'role': turn['role'], 'content': ns.text}] -%}
{%- endif -%}
{%- endfor -%}
"""

PLAIN = """\
{%- if not ns.said or (add_generation_prompt and ns.said[-1]['role'] == 'assistant') -%}
{{- raise_exception('the last message must be a question') -}}
{%- endif -%}
{{- @PREFIX -}}
{%- for turn in ns.said -%}
{%- if turn['role'] == 'user' -%}
{{- (@AFTER_END if not loop.first else '') + turn['content'] + @ANSWER_START -}}
{%- else -%}
{{- turn['content'] + (@END_OF_TURN if loop.last else @END_BETWEEN) -}}
{%- endif -%}
{%- endfor -%}
"""

NO_TOOLS = """\
{%- if tools or ns.tools -%}
{{- raise_exception('this model has no tools') -}}
{%- endif -%}
"""


def chat_template(renderer: Renderer, tokenizer: Any) -> str:
    """A Jinja template that writes messages as the renderer does. It needs nothing but `messages`, `tools`,
    `add_generation_prompt` and `raise_exception`.

    Args:
        tokenizer: the one the renderer was made with.
    """
    values = {
        "@SYSTEM": renderer.system,
        "@CONTROL": control_texts(renderer, tokenizer),
        "@JOINER": WORD_JOINER,
        "@PREFIX": _prefix(renderer),
        "@AFTER_END": _text(tokenizer, renderer.after_end),
        "@ANSWER_START": renderer.markers.answer_start,
        "@END_OF_TURN": _text(tokenizer, renderer.end_of_turn),
        "@END_BETWEEN": _text(tokenizer, renderer.end_between),
    }
    if renderer.task.kind == "classification":
        made = BUILD_LABELLED + CLEAN + PLAIN
    elif renderer.tools is None or not renderer.tools.sample():
        made = BUILD + NO_TOOLS + CLEAN + PLAIN
    else:
        made = BUILD + CLEAN + _with_tools(renderer, tokenizer)
    for name, value in values.items():
        made = made.replace(name, json.dumps(value, ensure_ascii=False))  # Jinja reads the escapes of JSON
    return made.replace("@OWN", fixed_template(tokenizer, tools=True) if "@OWN" in made else "")


def _with_tools(renderer: Renderer, tokenizer: Any) -> str:
    """Chats with tools are written by the model's own template, behind our system message."""
    assert renderer.tools is not None
    if not renderer.system:
        given = "{%- set messages = ns.said -%}\n"
    elif renderer.markers.system_role and renderer.tools.keeps_system():
        given = "{%- set messages = [{'role': 'system', 'content': @SYSTEM}] + ns.said -%}\n"
    else:
        first = "{'role': 'user', 'content': @SYSTEM + '\\n\\n' + ns.said[0]['content']}"
        given = f"{{%- set messages = [{first}] + ns.said[1:] -%}}\n"
    fixed = f"{{%- set date_string = '{FIXED_DATE}' -%}}\n{{%- set enable_thinking = false -%}}\n"
    return f"{{%- if tools or ns.tools -%}}\n{given}{fixed}@OWN{{%- else -%}}\n{PLAIN}{{%- endif -%}}\n"


def control_texts(renderer: Renderer, tokenizer: Any) -> list[str]:
    """How the control tokens are spelled that a person could write."""
    added = tokenizer.added_tokens_decoder
    return sorted(added[i].content for i in renderer.text.control_ids if i in added and len(added[i].content) > 1)


def _prefix(renderer: Renderer) -> str:
    markers = renderer.markers
    if not renderer.system:
        return markers.opening
    return (markers.system_start if markers.system_role else markers.opening) + renderer.system + markers.system_end


def _text(tokenizer: Any, ids: Sequence[int]) -> str:
    return tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False) if ids else ""


def compare(
    renderer: Renderer, exported: Any, control: Sequence[str], chats: int = CHATS, seed: int = 0
) -> dict[str, Any]:
    """Whether a tokenizer with the template gives the tokens of the renderer, prompts and answers, on made-up chats.

    Args:
        exported: tokenizer as it was read from the exported folder.
        control: of `control_texts`.
        chats: how many plain ones; the same for the same seed.

    Returns:
        `seed`, and under `plain`, `control_token` (a text spells one out) and `tools` how many `chats` there were and
        how many `equal`; under `control_token` also in how many a token `acted`.

    Raises:
        ExportRefused: a plain chat has other tokens, or a control token that a person spelled out acts.
    """
    rng = random.Random(seed)
    counts: dict[str, Counter[str]] = {name: Counter(chats=0, equal=0) for name in ("plain", "control_token", "tools")}
    counts["control_token"]["acted"] = 0
    with_tools = renderer.tools is not None and bool(renderer.tools.sample()) and renderer.task.kind == "generation"
    number = -1
    while counts["plain"]["chats"] < chats:
        number += 1
        if with_tools and number % 10 == 9:
            messages = made_up_tools(rng)
            tools, sent = openai_messages(messages, as_text=bool(renderer.tools and renderer.tools.takes_text()))
        else:
            messages, tools = made_up_chat(rng, control, renderer.labels), None
            sent = messages
        expected, answered = (renderer.prompt_ids(messages), False) if tools else _expected(renderer, messages)
        found = _ids(exported, sent if answered else sent[:-1], tools, answered=answered)
        spelled = any(renderer.text.spells_control(message["content"]) for message in messages)
        which = counts["tools" if tools else "control_token" if spelled else "plain"]
        which["chats"] += 1
        which["equal"] += found == expected
        if spelled and not tools:
            ours, theirs = (Counter(i for i in ids if i in renderer.text.control_ids) for ids in (expected, found))
            which["acted"] += ours != theirs
        if number % 200 == 0:
            progress.report("export", counts["plain"]["chats"], chats, "chats compared")
    result: dict[str, Any] = {"seed": seed, **{name: dict(found) for name, found in counts.items()}}
    other, acted = counts["plain"]["chats"] - counts["plain"]["equal"], counts["control_token"]["acted"]
    if other or acted:
        raise ExportRefused(
            f"the chat template does not write what the platform writes: {other} of {counts['plain']['chats']} plain"
            f" chats have other tokens, and in {acted} of {counts['control_token']['chats']} a control token acts",
            "Use the platform itself, or another base model: no template can do it with this tokenizer",
        )
    return result


def _expected(renderer: Renderer, messages: Sequence[dict[str, str]]) -> tuple[list[int], bool]:
    """Our tokens of a chat, with its answer where it has one."""
    answer = messages[-1]["content"]
    if not answer.strip():
        return renderer.prompt_ids(messages[:-1]), False
    labelled = renderer.task.kind == "classification"
    return renderer.example(messages[:-1] if labelled else messages, answer if labelled else None).input_ids, True


def _ids(tokenizer: Any, messages: Sequence[dict[str, Any]], tools: Any, *, answered: bool) -> list[int]:
    return tokenizer.apply_chat_template(
        list(messages), tools=tools, add_generation_prompt=not answered, tokenize=True, return_dict=True
    )["input_ids"]
