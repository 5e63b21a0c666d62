"""Results of components: what is noted, when it is stale, and that the table of the docs says so."""

import re
import subprocess
from pathlib import Path

import pytest

from ft_platform_tests.components import COMPONENTS, results
from ft_platform_tests.conftest import REPOSITORY

MARK = re.compile(r"mark\.components\((.*?)\)")


def test_every_component_has_tests_and_every_mark_names_one():
    files = sorted((REPOSITORY / "ft_platform_tests").rglob("test_*.py"))
    marks = {words for file in files if file != Path(__file__) for words in MARK.findall(file.read_text())}
    assert {f'name="{name}"' for name in COMPONENTS} <= marks
    assert marks <= {*(f'name="{name}"' for name in COMPONENTS), "name=name"}


def test_what_a_component_covers_exists():
    for component in COMPONENTS.values():
        assert all((REPOSITORY / place).exists() for place in component.covers)


def test_the_table_of_the_docs_is_up_to_date():
    assert (REPOSITORY / results.PAGE).read_text(encoding="utf-8") == results.page(REPOSITORY), (
        "run: python -m ft_platform_tests.components --table"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the files that `mlflow` covers and a page for the table."""
    (tmp_path / "ft_platform" / "tracking").mkdir(parents=True)
    (tmp_path / "ft_platform" / "tracking" / "runs.py").write_text("sends = 1\n")
    (tmp_path / "test_server.py").write_text("")
    (tmp_path / results.FOLDER.parent).mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / results.PAGE).write_text("before\n<!-- components -->\nold\n<!-- /components -->\nafter\n")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def line_of(root: Path, component: str) -> str:
    results.write_table(root)
    return next(line for line in (root / results.PAGE).read_text().splitlines() if line.startswith(f"| `{component}`"))


def test_a_result_carries_commit_date_and_counts_and_is_stale_once_what_it_covers_changes(root):
    assert "| never | not known |" in line_of(root, "mlflow")
    made = results.note(root, "mlflow", [("test_server.py", "passed"), ("test_server.py", "failed")])
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert made.commit == head.strip() and re.fullmatch(r"\d{4}-\d\d-\d\d", made.date)
    assert line_of(root, "mlflow").endswith(f"| {made.date}, `{made.commit[:9]}` | 1 passed, 1 failed |")
    (root / "ft_platform" / "tracking" / "runs.py").write_text("sends = 2\n")
    assert line_of(root, "mlflow").endswith("| 1 passed, 1 failed (**stale**: what it covers has changed) |")
    assert results.note(root, "mlflow", [("test_server.py", "passed")]).commit == f"{made.commit}+"
    assert "stale" not in line_of(root, "mlflow")
    (root / "test_server.py").write_text("# another test\n")
    assert "stale" in line_of(root, "mlflow")


def test_the_rest_of_the_page_stays(root):
    results.write_table(root)
    text = (root / results.PAGE).read_text()
    assert text.startswith("before\n<!-- components -->\n| component |") and text.endswith(
        "<!-- /components -->\nafter\n"
    )
