"""Results of components: one JSON file each, and the table of them for the docs."""

import hashlib
import re
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ft_platform_tests.components import COMPONENTS

FOLDER = Path("ft_platform_tests/components/results")
PAGE = Path("docs/tests.md")
BETWEEN = re.compile(r"(?<=<!-- components -->\n).*?(?=<!-- /components -->)", re.DOTALL)


class Result(BaseModel):
    """What the last run of a component's tests came to.

    Attributes:
        commit: that was checked out; `+` behind it: with changes.
        date: of the run, UTC.
        covers: files and folders whose content the result is about.
        content_hash: of these.
    """

    component: str
    commit: str
    date: str
    passed: int
    failed: int
    skipped: int
    covers: list[str]
    content_hash: str

    def is_stale(self, root: Path) -> bool:
        """Whether something that it is about has changed since."""
        return self.content_hash != content_hash(root, self.covers)


def content_hash(root: Path, places: Iterable[str]) -> str:
    """Of all files of these names or below these folders, bytecode aside."""
    files = {
        path
        for place in places
        for path in ([root / place] if (root / place).is_file() else (root / place).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(f"{path.relative_to(root).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def note(root: Path, component: str, outcomes: Iterable[tuple[str, str]]) -> Result:
    """Writes the result of a run.

    Args:
        outcomes: file and outcome (`passed`, `failed`, `skipped`) of each test.
    """
    outcomes = list(outcomes)
    covers = sorted({*COMPONENTS[component].covers, *(file for file, _ in outcomes)})
    counts: dict[str, Any] = {kind: sum(one == kind for _, one in outcomes) for kind in ("passed", "failed", "skipped")}
    made = Result(
        component=component,
        commit=commit(root),
        date=datetime.now(UTC).date().isoformat(),
        **counts,
        covers=covers,
        content_hash=content_hash(root, covers),
    )
    (root / FOLDER).mkdir(exist_ok=True)
    (root / FOLDER / f"{component}.json").write_text(made.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return made


def commit(root: Path) -> str:
    """The commit that is checked out, with `+` where files that git tracks differ from it; results aside."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{FOLDER}", f":!{PAGE}")
    return git("rev-parse", "HEAD") + ("+" if changed else "")


def results(root: Path) -> dict[str, Result]:
    """Component -> its newest result, of those that have one."""
    found = {name: root / FOLDER / f"{name}.json" for name in COMPONENTS}
    return {name: Result.model_validate_json(path.read_bytes()) for name, path in found.items() if path.exists()}


def table(root: Path) -> str:
    """The table of the docs."""
    lines = ["| component | what | needs | last run | result |", "| --- | --- | --- | --- | --- |"]
    noted = results(root)
    for name, component in sorted(COMPONENTS.items()):
        one = noted.get(name)
        run = f"{one.date}, `{one.commit[:9]}{'+' * one.commit.endswith('+')}`" if one else "never"
        lines.append(f"| `{name}` | {component.what} | {component.needs} | {run} | {_in_words(one, root)} |")
    return "\n".join(lines) + "\n"


def _in_words(one: Result | None, root: Path) -> str:
    if one is None:
        return "not known"
    counts = [f"{count} {kind}" for kind in ("passed", "failed", "skipped") if (count := getattr(one, kind))]
    return ", ".join(counts) + (" (**stale**: what it covers has changed)" if one.is_stale(root) else "")


def page(root: Path) -> str:
    """The page of the docs with the table as it must be now."""
    return BETWEEN.sub(lambda _: table(root), (root / PAGE).read_text(encoding="utf-8"))


def write_table(root: Path) -> None:
    """Writes the table into the page."""
    (root / PAGE).write_text(page(root), encoding="utf-8")
