"""Prints how big the house is beside its budgets of `scripts/budgets.toml`, which only shrink.

python scripts/budgets.py --json   # {"name": {"value", "limit", "goal"}}; exit 1 where a value is over its limit

`began` is the first day's value. A value that fell lowers its limit (`--tighten` writes it); a limit that rises takes a
`why` in the file. A room is a package or a top-level module, an arrow an import from one room to another, each pair of
rooms counted once. Arrows that run upwards are imports: in a circle of rooms, the pair with the fewest imports, until
there is no circle; imports by name (`import_module`) from another room count with them. Floors are the rooms of the
longest chain then.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from scripts.structure import PACKAGE, arrows, circles, graph, longest_chain, modules, room  # noqa: E402

FILE = Path(__file__).with_suffix(".toml")
LONG_FUNCTION, SHORT_FILE = 60, 25
COLUMNS = ("value", "limit", "began", "goal")


def measured() -> dict[str, int]:
    """Name of a budget -> today's value."""
    return _sizes() | _structure() | _of_dagster() | _surface()


def _sizes() -> dict[str, int]:
    files = {folder: _tracked(f"{folder}/*.py") for folder in (PACKAGE, "ft_platform_tests", "benchmarks")}
    lines = {path: path.read_bytes().count(b"\n") for paths in files.values() for path in paths}
    product = files[PACKAGE]
    functions = [
        node
        for path in product
        for node in ast.walk(_parsed(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    return {
        "product_lines": sum(lines[path] for path in product),
        "product_files": len(product),
        "test_lines": sum(lines[path] for path in files["ft_platform_tests"]),
        "benchmark_lines": sum(lines[path] for path in files["benchmarks"]),
        "functions_over_60_lines": sum((one.end_lineno or 0) - one.lineno >= LONG_FUNCTION for one in functions),
        "files_under_25_lines": sum(lines[path] < SHORT_FILE and path.name != "__init__.py" for path in product),
    }


def _structure() -> dict[str, int]:
    files = graph()
    pairs = arrows(files)
    upwards, floors = _storeys(pairs)
    return {
        "longest_chain": len(longest_chain(files)),
        "rooms": len({room(name) for name in files} - {PACKAGE}),
        "arrows": len(pairs),
        "floors": floors,
        "arrows_upwards": upwards + _by_name(),
    }


def _storeys(pairs: Counter[tuple[str, str]]) -> tuple[int, int]:
    """Imports that run upwards, and the floors when they are gone."""
    rooms: dict[str, set[str]] = {name: set() for pair in pairs for name in pair}
    for above, below in pairs:
        rooms[above].add(below)
    upwards = 0
    while found := circles(rooms):
        inside = [(a, b) for group in found for a in group for b in sorted(rooms[a] & {*group})]
        above, below = min(inside, key=lambda pair: (pairs[pair], pair))
        upwards += pairs[above, below]
        rooms[above].remove(below)
    return upwards, len(longest_chain(rooms))


def _by_name() -> int:
    """Imports by a name that stands in the code, of another room: the arrow is hidden."""
    return sum(
        getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module"
        and any(room(str(one.value)) not in (PACKAGE, room(name)) for one in ast.walk(node) if _names_ours(one))
        for name, path in modules().items()
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.Call)
    )


def _names_ours(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).startswith(f"{PACKAGE}.")


def _of_dagster() -> dict[str, int]:
    """Private modules of Dagster."""
    found = [
        (path, name)
        for path in modules().values()
        for node in ast.walk(_parsed(path))
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else _names(node))
        if re.match(r"dagster\w*\._", name)
    ]
    return {
        "private_modules_of_dagster": len({name for _, name in found}),
        "files_with_private_modules_of_dagster": len({path for path, _ in found}),
    }


def _names(node: ast.AST) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def _surface() -> dict[str, int]:
    """What a user has to learn."""
    from ft_platform.cli import build_parser
    from ft_platform.use_case.fields import fields

    commands = list(_commands(build_parser()))
    top = [words for words, _ in commands if len(words) == 1]
    variables = {
        name
        for path in _tracked(f"{PACKAGE}/*.py")
        for name in re.findall(r'"(FT_[A-Z0-9_]+)"', path.read_text("utf-8"))
    }
    pages = [*_tracked("docs/*.md"), ROOT / "README.md"]
    return {
        "fields_of_a_use_case": sum(not field.is_section for field in fields().values())
        + sum(len(known) - 1 for field in fields().values() for known in field.kinds.values()),
        "commands": len(top),
        "operations": len(commands) - sum(any(o[: len(w)] == w and o != w for o, _ in commands) for w, _ in commands),
        "flags": sum(count for _, count in commands),
        "environment_variables": len(variables),
        "lines_of_help": len(build_parser().format_help().splitlines()),
        "pages_of_docs": len(pages),
        "words_of_docs": sum(len(page.read_text("utf-8").split()) for page in pages),
        "words_of_readme": len(pages[-1].read_text("utf-8").split()),
    }


def _commands(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Any:
    """Words of every command -> its own flags."""
    if words:
        yield words, sum(bool(one.option_strings) and one.dest != "help" for one in parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, one in action.choices.items():
                yield from _commands(one, (*words, name))


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _tracked(pattern: str) -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", pattern]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def compared() -> dict[str, dict[str, Any]]:
    """Name -> `value`, `limit`, `goal`, and `why` where a limit rose."""
    budgets, values = tomllib.loads(FILE.read_text("utf-8")), measured()
    return {name: {"value": values[name], **budgets.get(name, {})} for name in sorted(values)}


def faults(budgets: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with them, in words; a limit a fiftieth above its value is not tight."""
    found = []
    for name, one in budgets.items():
        limit = one.get("limit", -1)
        if one["value"] > limit:
            found.append(
                f"{name}: {one['value']:,} is over the limit of {limit:,}: make it smaller, or raise it with a `why`"
            )
        elif limit > one["value"] * 1.02:
            found.append(
                f"{name}: {one['value']:,} is far below the limit of {limit:,}: python scripts/budgets.py --tighten"
            )
        if limit > one.get("began", limit) and not one.get("why"):
            found.append(f"{name}: the limit rose above {one['began']:,} without a `why`")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tighten", action="store_true", help="lower each limit to today's value")
    arguments = parser.parse_args()
    if arguments.tighten:
        FILE.write_text("".join(_line(name, one) for name, one in compared().items()), "utf-8")
    found = compared()
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        print(f"{'':38s} {'value':>9} {'limit':>9} {'began':>9} {'goal':>9}")
        for name, one in found.items():
            print(f"{name:38s}", *(f"{one.get(key, ''):>9,}" if key in one else " " * 9 for key in COLUMNS))
    if wrong := faults(found):
        raise SystemExit("\n".join(wrong))


def _line(name: str, one: dict[str, Any]) -> str:
    limit = min(one["value"], one.get("limit", one["value"]))
    kept = {"limit": limit, "began": one.get("began", limit)} | {key: one[key] for key in ("goal", "why") if key in one}
    return f"{name} = {{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in kept.items())} }}\n"


if __name__ == "__main__":
    main()
