"""Chat templates that hang or fill a training once tools, documents or a long history come: refused before the model is
used, or stopped where they run."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ft_platform.errors import BaseModelError
from ft_platform.models.guards import bounded_jinja
from ft_platform.models.guards.bounded_jinja import MOST_SIGNS
from ft_platform.models.guards.chat_templates import require_safe_templates
from ft_platform.models.guards.probe import chats
from ft_platform.models.rendering.chat_markers import render
from ft_platform_tests.attacks.area import Area, Attack

SECONDS = 2.0
TRIGGERS = {
    "always": "%s",
    "tools": "{%% if tools %%}%s{%% endif %%}",
    "documents": "{%% if documents %%}%s{%% endif %%}",
    "history": "{%% if messages | length > 100 %%}%s{%% endif %%}",
    "calls": "{%% for m in messages if m.tool_calls %%}%s{%% endfor %%}",
    "results": "{%% for m in messages %%}{%% if m.role == 'tool' %%}%s{%% endif %%}{%% endfor %%}",
    "prompt": "{%% if add_generation_prompt %%}%s{%% endif %%}",
    "parameters": (
        "{%% for t in tools or [] %%}{%% for n in t.function.parameters.properties %%}%s{%% endfor %%}{%% endfor %%}"
    ),
    "system": "{%% if messages[0].role == 'system' %%}%s{%% endif %%}",
    "macro": "{%% macro f() %%}%s{%% endmacro %%}{{ f() if tools }}",
    "a length the probe has not": "{%% if messages | length == 17 %%}%s{%% endif %%}",
}
BOMBS = {
    "loops": (
        "{%% for i in range(%d) %%}{%% for j in range(%d) %%}{%% for k in range(%d) %%}{%% endfor %%}{%% endfor %%}{%%"
        " endfor %%}"
    ),
    "filters": "{%% for i in range(%d) %%}{{ range(%d) | map('string') | list | length + %d }}{%% endfor %%}",
    "sorting": "{%% for i in range(%d) %%}{{ range(%d) | list | sort(reverse=true) | length + %d }}{%% endfor %%}",
    "text": "{{ 'a' * %d * %d }}{# %d #}",
    "doubling": (
        "{%% set n = namespace(t='aaaaaaaa') %%}{%% for i in range(23) %%}{%% set n.t = n.t ~ n.t %%}{%% endfor %%}{#"
        " %d %d %d #}"
    ),
    "width": "{{ 'a'.ljust(%d * 1000) }}{{ 'a' | center(%d * 1000) }}{# %d #}",
    "replacing": "{{ ('a' * (%d // 10)).replace('a', 'a' * (%d // 10)) }}{# %d #}",
    "power": "{{ (%d ** 60) ** 60 ** %d }}{# %d #}",
    "itself": "{%% macro g() %%}{{ g() }}{%% endmacro %%}{{ g() }}{# %d %d %d #}",
    "internals": "{{ messages['__cl' ~ 'ass__'] }}{{ messages['__cla' ~ 'ss__'].mro() }}{# %d %d %d #}",
}
CALL = {"id": "call00001", "type": "function", "function": {"name": "find", "arguments": {"word": "a"}}}
CHAT: list[dict[str, Any]] = [{"role": "system", "content": "a"}, *[{"role": "user", "content": "a"}] * 13]
CHAT += [
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "b"},
    {"role": "user", "content": "c"},
]
"""Seventeen messages."""


class Late(BaseException):
    """Nothing that a template's errors are taken for."""


@contextmanager
def in_time() -> Iterator[None]:
    def late(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of the processor, whatever else runs
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def attack_with(template: str) -> Attack:
    def attack() -> str | None:
        tokenizer = SimpleNamespace(chat_template=template, special_tokens_map={})
        started = time.thread_time()
        with patch.object(bounded_jinja, "CPU_SECONDS", 0.1):
            try:
                with in_time():
                    require_safe_templates({"chat_template.jinja": template})
                    tools = next(one["tools"] for one in chats() if one["tools"])
                    text = render(tokenizer, CHAT, prompt=True, tools=tools)
            except BaseModelError:
                text = ""
            except Late:
                return "it hangs"
        if time.thread_time() - started > SECONDS:
            return "it takes seconds"
        return (
            "it makes millions of signs"
            if len(text) > MOST_SIGNS
            else "it reaches Python's internals"
            if "class" in text
            else None
        )

    return attack


def cases(random: Random, _folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    pairs = [(trigger, bomb) for trigger in TRIGGERS for bomb in BOMBS]
    drawn = random.sample(pairs, min(len(pairs), 4 * size))
    for number, (trigger, bomb) in enumerate([*drawn, ("always", "loops"), ("tools", "text")]):
        sizes = [random.randint(30_000, 99_000) for _ in range(3)]
        yield f"{bomb} under {trigger} {number}", attack_with(TRIGGERS[trigger] % (BOMBS[bomb] % tuple(sizes)))


@contextmanager
def _unbounded() -> Iterator[None]:
    bounded_jinja.sandbox.cache_clear()
    bounded_jinja._compiled.cache_clear()
    with (
        patch.object(bounded_jinja, "checked", lambda value: value),
        patch.object(bounded_jinja, "MOST_SIGNS", 1 << 60),
    ):
        yield
    bounded_jinja.sandbox.cache_clear()
    bounded_jinja._compiled.cache_clear()


AREA = Area(name="templates", cases=cases, defences={"templates_bounded": _unbounded})
