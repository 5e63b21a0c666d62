"""The documentation as a website: it builds, has every page, and its pages load nothing from another host."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?([^\s\">]+)|<link[^>]*\shref=\"?([^\s\">]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="MkDocs is not installed (extra docs)")
    pytest.importorskip("material", reason="MkDocs Material is not installed (extra docs)")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_every_page_of_the_docs_is_there(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix(".html")
        name = name.with_name("index.html") if name.name == "README.html" else name
        assert (site / name).is_file(), name


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        for match in LOADED.finditer(page.read_text(encoding="utf-8")):
            assert not re.match(r"(https?:)?//", match[1] or match[2]), f"{page.name} loads {match[0]}"


def test_marks_for_the_tests_are_not_shown(site: Path) -> None:
    assert all("no-run" not in page.read_text(encoding="utf-8") for page in site.rglob("*.html"))


def test_an_anchor_that_is_not_there_ends_the_build(site: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:")[0]
    settings = settings.replace("hooks: [scripts/docs_site.py]", "").replace("extra_css: [stylesheets/site.css]", "")
    (tmp_path / "mkdocs.yml").write_text(settings, encoding="utf-8")
    (tmp_path / "docs" / "index.md").write_text("# One\n[two](other.md#three)\n", encoding="utf-8")
    (tmp_path / "docs" / "other.md").write_text("# Two\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "#three" in done.stderr


@pytest.fixture
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_site", ROOT / "scripts" / "docs_site.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_out_of_the_docs_name_the_file_instead(hook: ModuleType) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="how_to/audit.md"))
    text = "[a](../../infra/docker/README.md) [b](../concepts.md) [c](trackers.md) [d](https://example.org)"
    assert hook.on_page_markdown(text, page=page) == text.replace(
        "[a](../../infra/docker/README.md)", "a (`infra/docker/README.md`)"
    )


def test_pages_that_the_file_does_not_name_stand_at_the_end_of_their_menu(hook: ModuleType, tmp_path: Path) -> None:
    for name in ("index.md", "how_to/audit.md", "how_to/new.md", "adr/0002-b.md", "adr/0001-a.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    nav = ["index.md", {"How-to guides": [{"Data": ["how_to/audit.md"]}]}, {"Explanations": [{"Decisions": []}]}]
    assert hook.on_config({"docs_dir": str(tmp_path), "nav": nav})["nav"][1:] == [
        {"How-to guides": [{"Data": ["how_to/audit.md"]}, "how_to/new.md"]},
        {"Explanations": [{"Decisions": ["adr/0001-a.md", "adr/0002-b.md"]}]},
    ]
