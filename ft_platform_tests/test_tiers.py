"""Each tier runs what it says, and no test falls between two tiers."""

import re
import subprocess
import sys
import tomllib

import pytest

from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.tiers import TEST, TEST_ALL

SEAMS = ("graph", "program", "training", "report", "server", "browser")
CASES = """
def test_unit(): ...
@pytest.mark.integration
def test_integration(): ...
@pytest.mark.integration
@pytest.mark.smoke
def test_smoke(): ...
@pytest.mark.components(name="ray")
def test_ray(): ...
@pytest.mark.components(name="browser")
def test_browser(): ...
@pytest.mark.slow
@pytest.mark.components(name="ray")
def test_slow(): ...
"""
SETTINGS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]


@pytest.mark.parametrize(
    ("tier", "runs"),
    [
        (TEST, "unit smoke"),
        (TEST_ALL, "unit integration smoke ray browser"),
        ("components", "ray browser slow"),
        ("components(name='browser')", "browser"),
        ("", "unit integration smoke ray browser slow"),
    ],
)
def test_a_tier_runs_what_it_says(tier, runs, tmp_path):
    (tmp_path / "test_cases.py").write_text(f"import pytest\n{CASES}")
    marks = "\n".join(f"  {line}" for line in SETTINGS["markers"])
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmarkers =\n{marks}\n")
    found: list[str] = []

    class Collected:
        def pytest_collection_finish(self, session: pytest.Session) -> None:
            found.extend(item.name.removeprefix("test_") for item in session.items)

    pytest.main(
        ["--collect-only", "-qq", "--import-mode=importlib", "-p", "no:cacheprovider", "-m", tier, str(tmp_path)],
        plugins=[Collected()],
    )
    assert found == runs.split()


def test_pytest_alone_and_make_run_the_tiers_of_their_names():
    assert f"-m '{TEST}'" in SETTINGS["addopts"]
    recipes = dict(re.findall(r"^(test[a-z-]*):.*\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert " -m '" not in recipes["test"] and f"-m '{TEST_ALL}'" in recipes["test-all"]


def test_every_seam_has_one_smoke_test():
    """`@pytest.mark.smoke  # seam: graph`"""
    files = sorted((REPOSITORY / "ft_platform_tests").rglob("test_*.py"))
    line = re.compile(r"^@pytest\.mark\.smoke  # seam: (\w+)", re.MULTILINE)
    found = [seam for file in files for seam in line.findall(file.read_text())]
    assert sorted(found) == sorted(SEAMS)


def test_what_was_skipped_is_counted_by_what_is_missing(tmp_path):
    (tmp_path / "test_skipped.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_slow(n): pytest.skip('no compiler')\n"
        "def test_absent(): pytest.importorskip('a_package_that_nobody_has')\n"
    )
    (tmp_path / "conftest.py").write_text("from ft_platform_tests.conftest import pytest_terminal_summary\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider", str(tmp_path)]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    section = told.partition("skipped, by what is missing")[2]
    assert re.findall(r"^ +(\d+)  (.*)$", section, re.MULTILINE) == [
        ("2", "no compiler"),
        ("1", "the package a_package_that_nobody_has"),
    ]


def test_every_marker_is_on_a_test():
    """A tier that no test is in would promise what nobody runs."""
    names = {line.partition(":")[0].partition("(")[0] for line in SETTINGS["markers"]}
    files = sorted((REPOSITORY / "ft_platform_tests").rglob("*.py"))
    used = {name for file in files for name in re.findall(r"(?<![\"'`])pytest\.mark\.(\w+)", file.read_text())}
    assert names - used == set()
