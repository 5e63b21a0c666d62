"""Prints how the package is built: its packages and top-level modules, the arrows between them, circles of files, the
longest chain of imports.

python scripts/structure.py          # figures, circles and the longest chain
python scripts/structure.py --arrows # also which package imports which, and how often

An import counts wherever it stands, also in a function (`--at-import`: at module level only); one for type checkers
does not, nor does the `__init__.py` of a package on the way to one of its files.
"""

import argparse
import ast
import json
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ft_platform"
LAZY = ("defs",)
"""Folders that are no code of the product."""


def modules() -> dict[str, Path]:
    """Module name -> file, of the whole package."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not set(parts) & set(LAZY):
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path], inside_functions: bool = True) -> set[str]:
    """Modules of the package that a file imports; those that only type checkers see do not count.

    Args:
        inside_functions: also the ones that are imported when a function runs.
    """
    found: set[str] = set()
    waiting: list[ast.AST] = list(ast.parse(path.read_text()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {
                deeper if (deeper := f"{node.module}.{alias.name}") in known else node.module for alias in node.names
            }
        elif inside_functions or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
    return {name for name in found if name in known}


def graph(inside_functions: bool = True) -> dict[str, set[str]]:
    """File -> the files that it imports."""
    known = modules()
    return {name: imports(path, known, inside_functions) - {name} for name, path in known.items()}


def arrows(graph: dict[str, set[str]]) -> Counter[tuple[str, str]]:
    """Package -> package, with the number of imports."""
    return Counter((room(a), room(b)) for a, others in graph.items() for b in others if room(a) != room(b))


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of files that import one another, directly or not: strongly connected components of two and more (Tarjan
    1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = []
            while True:
                group.append(stack.pop())
                if group[-1] == name:
                    break
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return found


def longest_chain(graph: dict[str, set[str]]) -> list[str]:
    """The longest way along imports, from a file to one that imports no other. Each file counts once, those in a circle
    not at all."""
    in_circle = {name for group in circles(graph) for name in group}

    @cache
    def below(name: str) -> tuple[str, ...]:
        return (name, *max((below(other) for other in graph[name] if other not in in_circle), key=len, default=()))

    return list(max((below(name) for name in graph if name not in in_circle), key=len))


def room(module: str) -> str:
    """The package or top-level module that a file belongs to."""
    return ".".join(module.split(".")[:2])


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arrows", action="store_true")
    parser.add_argument("--at-import", action="store_true", help="only imports that run when a file is imported")
    arguments = parser.parse_args()
    known, found_graph = modules(), graph(not arguments.at_import)
    chain = longest_chain(found_graph)
    found = {
        "files": len(known),
        "lines": sum(len(path.read_text().splitlines()) for path in known.values()),
        "packages_and_top_level_modules": len({room(name) for name in known} - {PACKAGE}),
        "circles": circles(found_graph),
        "longest_chain": {"files": len(chain), "way": chain},
    }
    if arguments.arrows:
        found["arrows"] = {f"{a} -> {b}": count for (a, b), count in sorted(arrows(found_graph).items())}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
