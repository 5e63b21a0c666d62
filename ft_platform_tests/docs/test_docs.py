"""README and docs promise only what works: their code blocks run, their commands parse, their links lead somewhere."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from ft_platform.cli import COMMANDS, build_parser
from ft_platform.monitoring.traffic.log_formats import requests_in

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "infra").rglob("*.md")])
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<code>.*?)^(?P=indent)```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced code block."""

    page: Path
    info: str
    code: str


def blocks(page: Path) -> list[Block]:
    found = []
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        code = re.sub(rf"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        found.append(Block(page, match["info"].strip(), code))
    return found


ALL = [block for page in PAGES for block in blocks(page)]
RUNNABLE = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}


@pytest.fixture
def installation(tmp_path: Path) -> dict[str, str]:
    """Variables of a fresh installation in a temporary folder, with the shipped use cases."""
    shutil.copytree(ROOT / "ft_platform" / "defs", tmp_path / "defs")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FT_", "DAGSTER_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "FT_HOME": str(tmp_path / "home"), "FT_DEFS": str(tmp_path / "defs")}


@pytest.mark.integration
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(b.info in RUNNABLE for b in blocks(page))], ids=lambda page: page.name
)
def test_the_code_blocks_of_a_page_run_one_after_the_other(page, installation, tmp_path):
    for block in blocks(page):
        if block.info in RUNNABLE:
            command = [*RUNNABLE[block.info], block.code]
            done = subprocess.run(command, cwd=tmp_path, env=installation, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, f"{block.code}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_there_are_blocks_to_run():
    assert {block.info for block in ALL} >= {"sh", "python", "sh no-run"}


def test_a_block_that_does_not_run_says_why_on_its_first_line():
    for block in ALL:
        if block.info.endswith("no-run"):
            assert block.code.startswith("# "), f"{block.page.name}: {block.code}"
        else:
            assert block.info in {*RUNNABLE, "yaml", "text", "json", "nginx"}, f"{block.page.name}: {block.info!r}"


def test_every_json_shown_is_a_request_that_the_reader_of_logs_takes():
    shown = [block.code.replace("\n", "").encode() for block in ALL if block.info == "json"]
    assert [request.messages is not None for line in shown for request in requests_in("jsonl", line)] == [True]


def test_every_ft_command_that_is_shown_is_one(monkeypatch):
    parser = build_parser()
    shown = 0
    for block in ALL:
        for line in block.code.splitlines() if block.info.startswith("sh") else []:
            for part in re.split(r"&&|;", line):
                words = shlex.split(part, comments=True)
                if words[:1] == ["ft"] and "--help" not in words:
                    assert parser.parse_args(words[1:]).command in COMMANDS
                    shown += 1
    assert shown >= 10


def test_every_example_of_the_help_is_a_command():
    parser = build_parser()
    for module in COMMANDS.values():
        for example in module.EXAMPLES:
            words = [word for word in shlex.split(example, comments=True) if not re.match(r"^[A-Z_]+=", word)]
            assert words[0] == "ft"
            assert parser.parse_args(words[1:]).command in COMMANDS


def test_every_make_target_that_is_shown_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z -]+?)(?:`|$)", page.read_text(), re.MULTILINE):
            assert set(target.split()) <= targets, f"{page.name}: make {target}"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_lead_somewhere():
    check_docs = script("check_docs")
    assert set(check_docs.pages()) == set(PAGES)
    assert [problem for page in PAGES for problem in check_docs.problems_of(page)] == []


def test_a_broken_link_and_a_broken_anchor_are_found(tmp_path, monkeypatch):
    check_docs = script("check_docs")
    monkeypatch.setattr(check_docs, "ROOT", tmp_path)
    (tmp_path / "a.md").write_text(
        "# One two ...?\n[x](b.md) [y](#one-two-) [z](#three) [w](https://example.org)\n```text\n[v](c.md)\n```\n"
    )
    assert check_docs.problems_of(tmp_path / "a.md") == [
        "a.md: b.md does not exist",
        "a.md: #three names a heading that does not exist",
    ]


def test_the_reference_of_the_yaml_is_up_to_date():
    reference = script("write_reference")
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "run: python scripts/write_reference.py"


def test_the_page_of_rights_is_generated_from_the_tables():
    pytest.importorskip("dagster_webserver")
    rights = script("write_rights")
    assert rights.PAGE.read_text(encoding="utf-8") == rights.page(), "run: python scripts/write_rights.py"


def test_the_picture_of_the_stages_is_up_to_date():
    picture = script("write_picture")
    assert picture.PICTURE.read_text(encoding="utf-8") == picture.picture(), "run: python scripts/write_picture.py"


def test_the_picture_shows_every_stage_and_no_arrow_that_a_longer_way_implies():
    from ft_platform.stages import DEFAULT_STAGES, STAGES

    drawing = script("write_picture")
    text = drawing.picture()
    assert all(f">{name}</text>" in text for name in STAGES)
    arrows = drawing.reduced({name: STAGES[name] for name in DEFAULT_STAGES})
    assert ("adapter_checkpoint", "evaluation_report") in arrows
    assert ("splits", "evaluation_report") not in arrows, "base_evaluation is between them"


def test_the_reference_names_every_field():
    from ft_platform.use_case.fields import fields

    text = script("write_reference").page()
    for path, field in fields().items():
        if not field.is_section:
            assert f"| `{path.split('.', 1)[-1]}` |" in text


def test_ci_runs_check_and_every_test():
    path = ROOT / ".ci" / "run"
    assert os.access(path, os.X_OK)
    assert path.read_text().endswith("make check test-all\n")
