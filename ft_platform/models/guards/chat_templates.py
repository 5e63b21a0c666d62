"""Chat templates of a folder: programs in Jinja that a model's authors wrote. Which constructs are refused before one
is rendered.

Jinja's immutable sandbox keeps them away from Python's internals and limits `range` to 100,000, but neither their time
nor their memory. So each is rendered within bounds (`bounded_jinja.py`), first by the probe, in a process of its own
with limits, with plain chats, tools, documents and long histories. No text of a record is ever given to a template
(`models/rendering/chat_markers.py`).
"""

from pathlib import Path
from typing import Any

from ft_platform.models.guards.bounded_jinja import sandbox
from ft_platform.models.guards.plain_json import read_object, refused

MOST_CHARACTERS = 1 << 20
"""The longest template on the hub that we know of, with tools, has 20,000."""


def chat_templates(folder: Path) -> dict[str, str]:
    """Every template by the file it stands in."""
    found: dict[str, str] = {}
    for path in [
        *sorted(folder.glob("chat_template*.jinja")),
        *sorted((folder / "additional_chat_templates").glob("*.jinja")),
    ]:
        if path.stat().st_size > MOST_CHARACTERS:
            refused(path.name, f"a chat template of more than {MOST_CHARACTERS:,} bytes")
        found[path.name] = path.read_text(encoding="utf-8", errors="replace")
    for name in ("tokenizer_config.json", "chat_template.json"):
        path = folder / name
        for number, text in enumerate(_texts(read_object(path).get("chat_template")) if path.exists() else []):
            found[f"{name} ({number + 1})" if number else name] = text
    return found


def _texts(value: Any) -> list[str]:
    """One template, or several with names as transformers stores them."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for text in value.values() if isinstance(text, str)]
    return [one["template"] for one in value or [] if isinstance(one, dict) and isinstance(one.get("template"), str)]


def require_safe_templates(templates: dict[str, str]) -> None:
    """Raises BaseModelError if a template reaches for Python's internals or for other templates."""
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError

    environment = sandbox()
    for name, text in templates.items():
        try:
            tree = environment.parse(text)
        except (TemplateError, RecursionError) as error:
            refused(
                f"the chat template in {name}",
                f"it cannot be parsed: {type(error).__name__}",
                "Give the tokenizer another chat template",
            )
        for attribute in tree.find_all(nodes.Getattr):
            if attribute.attr.startswith("_"):
                refused(f"the chat template in {name}", f"it reaches for Python's internals: .{attribute.attr[:40]}")
        for item in tree.find_all(nodes.Getitem):
            if isinstance(item.arg, nodes.Const) and str(item.arg.value).startswith("__"):
                refused(
                    f"the chat template in {name}", f"it reaches for Python's internals: [{str(item.arg.value)[:40]!r}]"
                )
        for used in tree.find_all(nodes.Filter):
            if used.name in ("attr", "map") and any(
                isinstance(a, nodes.Const) and str(a.value).startswith("_") for a in used.args
            ):
                refused(f"the chat template in {name}", "it reaches for Python's internals through a filter")
        if next(tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)), None):
            refused(f"the chat template in {name}", "it loads another template")
