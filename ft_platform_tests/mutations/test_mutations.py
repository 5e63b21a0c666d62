"""The list of faults fits the code, and what is planted is noticed, counted and taken away again."""

import ast
import json
import subprocess
from pathlib import Path

import pytest

from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.mutations import __main__ as command
from ft_platform_tests.mutations.copy_of_tree import CannotRun, CopyOfTree
from ft_platform_tests.mutations.faults import FAULTS, Fault

SUM = "def total(values):\n    return sum(values)\n"
FAULT = Fault("halved", "sums/total.py", "sum(values)", "sum(values) / 2", "totals are halved")
UNSEEN = Fault("spaced", "sums/total.py", "return sum", "return  sum", "changes nothing")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_changes_one_place_and_leaves_python(fault):
    text = (REPOSITORY / "ft_platform" / fault.file).read_text(encoding="utf-8")
    assert text.count(fault.old) == 1
    changed = text.replace(fault.old, fault.new)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))


def test_the_tests_that_are_tried_first_exist():
    assert all((REPOSITORY / place).exists() for fault in FAULTS for place in fault.tests)


def test_there_are_at_least_thirty_faults_in_at_least_twenty_packages():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 30
    assert len({fault.package for fault in FAULTS}) >= 20


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one function and two tests of it, one of them marked."""
    root = tmp_path / "repository"
    (root / "ft_platform" / "sums").mkdir(parents=True)
    (root / "ft_platform" / "__init__.py").touch()
    (root / "ft_platform" / "sums" / "total.py").write_text(SUM)
    tests = root / "ft_platform_tests" / "sums"
    tests.mkdir(parents=True)
    (tests / "test_total.py").write_text(
        "import pytest\nfrom ft_platform.sums.total import total\n"
        "def test_nothing(): assert total([]) == 0\n"
        "@pytest.mark.integration\ndef test_two(): assert total([1, 1]) == 2\n"
    )
    (root / "pytest.ini").write_text("[pytest]\nmarkers =\n  integration\n  components\n  slow\n  gpu\n  smoke\n")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


@pytest.mark.slow
def test_a_fault_is_planted_in_the_copy_noticed_and_taken_away(repository, tmp_path):
    tree = CopyOfTree(repository, tmp_path / "copy")
    with tree.planted(FAULT):
        assert "/ 2" in (tmp_path / "copy" / "ft_platform" / FAULT.file).read_text()
        assert (tree.run(["ft_platform_tests"], "").test or "").endswith("test_total.py::test_two")
        assert tree.run(["ft_platform_tests"], "not integration").test is None
    assert (repository / "ft_platform" / FAULT.file).read_text() == SUM
    assert tree.run(["ft_platform_tests"], "").test is None


@pytest.mark.slow
def test_tests_that_cannot_run_are_no_catch(repository, tmp_path):
    with pytest.raises(CannotRun):
        CopyOfTree(repository, tmp_path / "copy").run(["ft_platform_tests/nowhere"], "")


@pytest.mark.slow
def test_the_scorecard_names_the_tier_and_the_test(repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "REPOSITORY", repository)
    monkeypatch.setattr(command, "FAULTS", [FAULT, UNSEEN])
    assert command.main(["--own", "--json", str(tmp_path / "score.json")]) == 1
    found = json.loads((tmp_path / "score.json").read_text())
    assert [row["tier"] for row in found["faults"]] == ["test-all", None]
    assert found["faults"][0]["test"].endswith("::test_two")
    assert (found["planted"], found["caught_by_test"], found["caught_by_test_all"]) == (2, 0, 1)
    assert "NOT CAUGHT" in capsys.readouterr().out
