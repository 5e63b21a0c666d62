"""What code of a use case would show to nobody: prints, log lines and metadata that the edge withholds. `ft check`
warns of them with file and line."""

import ast
from collections.abc import Iterator
from pathlib import Path

LOG_METHODS = frozenset({"debug", "info", "warning", "error", "critical", "exception"})
METADATA = frozenset({"metadata", "add_output_metadata", "add_asset_metadata"})
SAFE = frozenset({"shown", "figures"})
WORDS = {
    "print": "what is printed goes to a file in the restricted folder. Use context.log.info(shown(...))",
    "log": "this line is withheld. Wrap it: shown('{} rows kept', rows)",
    "metadata": "metadata other than numbers is withheld. Use metadata=figures(rows=rows)",
    "shown": "the text must stand in the code: shown('{} rows kept', rows)",
}


def own_code_warnings(folder: Path) -> list[str]:
    """One line for each place in the Python files of a use case's folder: what is withheld there, and what to write."""
    found = []
    for file in sorted(folder.glob("*.py")):
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):  # loading it says so
            continue
        found += [f"{WORDS[kind]} ({file}:{line})" for line, kind in sorted(set(_places(tree)))]
    return found


def _places(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _name(node.func)
        if name == "print" and isinstance(node.func, ast.Name):
            yield node.lineno, "print"
        elif name in LOG_METHODS and isinstance(node.func, ast.Attribute) and not all(map(_is_safe, node.args[:1])):
            yield node.lineno, "log"
        elif name == "shown" and node.args and not isinstance(node.args[0], ast.Constant):
            yield node.lineno, "shown"
        values = [keyword.value for keyword in node.keywords if keyword.arg == "metadata"] + (
            node.args[:1] if name in METADATA else []
        )
        for value in values:
            if not _is_safe(value) and not _numbers_only(value):
                yield value.lineno, "metadata"


def _name(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _is_safe(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and _name(value.func) in SAFE


def _numbers_only(value: ast.expr) -> bool:
    """A mapping whose values are figures or numbers of the code; what a name holds cannot be seen."""
    return isinstance(value, ast.Dict) and all(
        _is_safe(one) if key is None or not isinstance(one, ast.Constant) else isinstance(one.value, int | float)
        for key, one in zip(value.keys, value.values, strict=True)
    )
