"""docs/architecture.md says which package may import which; the code keeps to it."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from ft_platform_tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "architecture.md"
NAME = re.compile(r"`([a-z_]+)`")


@pytest.fixture(scope="module")
def structure() -> ModuleType:
    """The script that prints how the package is built."""
    spec = importlib.util.spec_from_file_location("structure", REPOSITORY / "scripts" / "structure.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def arrows(structure: ModuleType) -> set[tuple[str, str]]:
    """Package -> package, as the files import them, also inside functions."""
    found = structure.arrows(structure.graph())
    return {(a.rpartition(".")[2], b.rpartition(".")[2]) for a, b in found if b != structure.PACKAGE}


def allowed(page: str) -> set[tuple[str, str]]:
    """What the tables of the page allow, without what everybody may import from the ground."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    return {(NAME.findall(row[0])[0], other) for row in rows for other in NAME.findall(row[-1])}


def ground(page: str) -> set[str]:
    section = page.split("## Ground")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([a-z_]+)`", section, re.MULTILINE))


def test_every_import_is_in_the_tables_and_the_tables_name_no_other(arrows: set[tuple[str, str]]) -> None:
    page = PAGE.read_text()
    below = ground(page)
    counted = {(a, b) for a, b in arrows if b not in below or a in below}
    assert counted - allowed(page) == set(), "not allowed: turn the arrow, or say in the page why it is right"
    assert allowed(page) - counted == set(), "no file imports this any more: take it out of the page"


def test_every_package_is_in_the_page(structure: ModuleType) -> None:
    rooms = {structure.room(name).rpartition(".")[2] for name in structure.modules()} - {structure.PACKAGE}
    assert set(re.findall(r"^\| `([a-z_]+)`", PAGE.read_text(), re.MULTILINE)) == rooms


def test_no_file_imports_itself_by_way_of_others(structure: ModuleType) -> None:
    assert structure.circles(structure.graph()) == []


def test_a_circle_and_an_import_inside_a_function_are_seen(structure: ModuleType, tmp_path: Path) -> None:
    known = {name: tmp_path / f"{name}.py" for name in ("a", "b", "c")}
    known["a"].write_text("import b\n")
    known["b"].write_text("def later():\n    from c import thing\n")
    known["c"].write_text("from typing import TYPE_CHECKING\nimport a\nif TYPE_CHECKING:\n    import b\n")
    graph = {name: structure.imports(path, known) for name, path in known.items()}
    assert graph == {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    assert structure.circles(graph) == [["a", "b", "c"]]
    assert structure.longest_chain({"top": {"side", "low"}, "side": {"low"}, "low": set()}) == ["top", "side", "low"]
    assert structure.imports(known["b"], known, inside_functions=False) == set()
