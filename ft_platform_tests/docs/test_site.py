"""The documentation as a website: it builds, has every page, and its pages load nothing from another host."""

import re
import subprocess
import sys
from pathlib import Path

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


def test_a_page_that_is_in_no_menu_and_an_anchor_that_is_not_there_end_the_build(site: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:")[0]
    settings = settings.replace("hooks: [scripts/docs_site.py]", "").replace("extra_css: [stylesheets/site.css]", "")
    (tmp_path / "mkdocs.yml").write_text(settings + "\nnav: [index.md]\n", encoding="utf-8")
    (tmp_path / "docs" / "index.md").write_text("# One\n[two](other.md#three)\n", encoding="utf-8")
    (tmp_path / "docs" / "other.md").write_text("# Two\n", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "other.md" in done.stderr and "#three" in done.stderr
