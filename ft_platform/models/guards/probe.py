"""Renders the chat templates and tokenizes difficult texts in a process of its own, with limits of processor time and
memory.

Run as `python -m ft_platform.models.guards.probe <folder> <cpu seconds>`; `require_bounded` starts it. What takes too
long or too much there would hang or kill a training, since neither Jinja nor a backtracking pattern can be interrupted
from within.
"""

import hashlib
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ft_platform.errors import BaseModelError
from ft_platform.models.guards.bounded_jinja import render_bounded
from ft_platform.models.guards.chat_templates import chat_templates
from ft_platform.models.guards.plain_json import refused
from ft_platform.models.guards.tokenizer_files import special_tokens

CPU_SECONDS = 20
"""Importing takes 1, a tokenizer of 256,000 entries 2, the texts below well under one second (one core of 2026)."""

MEMORY_BYTES = 8 << 30
WALL_SECONDS = 600
MOST_RENDERED = 1 << 20
"""Characters of a rendered chat of a few words; the templates of Llama 3 and Qwen 2.5 give below 1,000."""

MOST_TIMES = 64
"""Characters of a rendered chat for each of what a template was given; indented schemas of tools give below 10."""

HISTORY = 200
"""Questions of the longest chat that is rendered."""

MOST_TOKENS_PER_CHARACTER = 32
SEPARATOR = ": "
_PROBED: set[str] = set()
_part = ""


def require_bounded(folder: Path) -> None:
    """Raises BaseModelError if a chat template or the tokenizer of a folder takes more time, memory or output than any
    real one does."""
    files = [
        path
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.json")
        if (path := folder / name).exists()
    ]
    files += sorted(folder.glob("chat_template*.jinja"))
    _probe_once(
        folder, hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()
    )


def _probe_once(folder: Path, content: str) -> None:
    """Once a process and content: an evaluation resolves its model several times."""
    if content in _PROBED:
        return
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(folder), str(CPU_SECONDS)],
        capture_output=True,
        text=True,
        timeout=WALL_SECONDS,
        check=False,
    )
    if done.returncode:
        part, reason = (done.stdout.splitlines() or ["the folder of the base model"])[-1].partition(SEPARATOR)[::2]
        refused(
            part,
            reason
            or f"it needs more than {CPU_SECONDS} cpu-seconds or {MEMORY_BYTES >> 30} GiB"
            f" for a text of a few words (exit {done.returncode})",
        )
    _PROBED.add(content)


@dataclass(frozen=True)
class _Rendering:
    """Stands for a tokenizer in `chat_markers`, with one template and no vocabulary."""

    chat_template: str
    special_tokens_map: dict[str, str]


def _render_all(folder: Path) -> None:
    from jinja2.exceptions import SecurityError, TemplateError

    from ft_platform.models.rendering.chat_markers import FIXED_DATE, chat_markers

    tokens = special_tokens(folder)
    for name, template in chat_templates(folder).items():
        _now(f"the chat template in {name}")
        for values in chats():
            given = len(json.dumps(values))
            try:
                text = render_bounded(
                    template, {"date_string": FIXED_DATE, "enable_thinking": False, **tokens, **values}
                )
            except SecurityError as error:
                _say(str(error))
            except (TemplateError, TypeError, ValueError, LookupError, AttributeError):
                continue  # a template that does not fit is judged by the renderer, which names the reason
            if len(text) > MOST_RENDERED + MOST_TIMES * given:
                _say(f"it makes {len(text):,} characters of a chat of {given:,}")
        with suppress(TemplateError, BaseModelError, TypeError, ValueError, LookupError, AttributeError):
            chat_markers(_Rendering(template, tokens))


def chats() -> Iterator[dict[str, Any]]:
    """What the renderer may give to a template, and what servers give besides: a short chat and a long history, without
    and with calls, tools, documents."""
    short = [{"role": "user", "content": "Hi"}]
    long = [{"role": role, "content": f"Turn {number}."} for number in range(HISTORY) for role in ("user", "assistant")]
    call = {
        "id": "call00001",
        "type": "function",
        "function": {"name": "find", "arguments": {"word": "a", "deep": {"list": [1, {"b": None}]}}},
    }
    asked = {"role": "assistant", "content": "", "tool_calls": [call, call]}
    found = {"role": "tool", "content": "b", "name": "find", "tool_call_id": "call00001"}
    words = {f"word_{number}": {"type": "string", "description": "a word", "enum": ["a", "b"]} for number in range(20)}
    described = {
        "name": "find",
        "description": "Finds.",
        "parameters": {"type": "object", "properties": words, "required": list(words)},
    }
    tools = [{"type": "function", "function": {**described, "name": f"find_{number}"}} for number in range(20)]
    documents = [{"title": f"Title {number}", "text": "A text."} for number in range(50)]
    with_calls = [*short, *[asked, found, found, {"role": "assistant", "content": "c"}, *short] * (HISTORY // 8)]
    system = {"role": "system", "content": "Help."}
    histories = [short, [system, *short], with_calls, [system, *with_calls], long, [system, *long[:-1]]]
    for messages in histories:
        for given in (
            {"tools": None, "documents": None},
            {"tools": tools[:1], "documents": None},
            {"tools": tools, "documents": documents},
        ):
            for prompt in (False, True):
                yield {"messages": messages, "add_generation_prompt": prompt, **given}


def _tokenize_all(folder: Path) -> None:
    path = folder / "tokenizer.json"
    if not path.exists():
        return
    _now("tokenizer.json")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        _say(f"the tokenizers library cannot read it: {type(error).__name__}")
    for text in _difficult_texts(json.loads(path.read_text(encoding="utf-8"))):
        try:
            tokens = len(tokenizer.encode(text).ids)
        except BaseException as error:  # a panic of the library (the pattern gave up) is no Exception
            _say(f"tokenizing {len(text):,} letters ended with {type(error).__name__}")
        if tokens > MOST_TOKENS_PER_CHARACTER * len(text):
            _say(f"it makes {tokens:,} tokens of {len(text):,} characters")


def _difficult_texts(tokenizer: dict[str, Any]) -> list[str]:
    """Runs of one letter with another end: what backtracking patterns are slow on. With every letter that a pattern
    names."""
    patterns = json.dumps([tokenizer.get("normalizer"), tokenizer.get("pre_tokenizer")], ensure_ascii=False)
    letters = sorted({letter for letter in patterns if letter.isprintable() and letter != '"'})[:200]
    return [
        letter * 4000 + end
        for letter in dict.fromkeys(["a", " ", "1", ".", "\n", "\u00e9", "\u4e2d", *letters])
        for end in ("!", "\u0000b")
    ]


def _now(part: str) -> None:
    """Says what is looked at: the last line is what a process that was killed was at."""
    global _part
    _part = part
    print(part, flush=True)


def _say(reason: str) -> NoReturn:
    print(f"{_part}{SEPARATOR}{reason}", flush=True)
    raise SystemExit(1)


def main() -> None:
    """Looks at a folder. Exit code 0: bounded; otherwise the last line says what, and why where it is known."""
    folder, seconds = Path(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    _render_all(folder)
    _tokenize_all(folder)


if __name__ == "__main__":
    main()
