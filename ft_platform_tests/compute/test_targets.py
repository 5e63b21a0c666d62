"""What back ends have shown is told as it was noted: nothing that did not run counts as passed."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.compute import targets as targets_module
from ft_platform.compute.targets import Target, content_hash, hash_of_tests, targets
from ft_platform_tests.compute.contract.results import NAMED, Outcomes, made, table
from ft_platform_tests.compute.contract.scenarios import SCENARIOS
from ft_platform_tests.conftest import REPOSITORY


def test_every_back_end_and_store_is_noted_with_every_scenario() -> None:
    for kind, (names, scenarios) in NAMED.items():
        noted, count = targets(kind), 20 if kind == "compute" else 15
        assert [one.name for one in noted.targets] == names() and noted.scenarios == scenarios
        assert all(list(one.outcomes) == list(scenarios) and len(one.outcomes) == count for one in noted.targets)


def test_what_did_not_run_has_a_reason_and_nothing_failed() -> None:
    for one in [*targets("compute").targets, *targets("store").targets]:
        for name, how in one.outcomes.items():
            assert how == "passed" or (how.startswith("not run: ") and len(how) > len("not run: ")), (one.name, name)


def test_the_command_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["targets", "--json"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["slurm"]["ran_against"] == "real" and found["slurm"]["contract"]["of"] == 20
    assert found["azure"]["kind"] == "store" and found["azure"]["server"].startswith("Azurite")
    assert found["local"]["contract"]["passed"] == 20 - len(found["local"]["not_passed"]) < 20
    assert cli.main(["targets"]) == 0
    assert "orchestrator_killed: not run: the program ends with" in capsys.readouterr().out


def test_the_table_of_the_readme_is_theirs() -> None:
    assert f"<!-- targets -->\n{table()}<!-- /targets -->" in (REPOSITORY / "README.md").read_text(), (
        "run: python -m ft_platform_tests.compute.contract"
    )


def report(scenario: str, outcome: str, when: str = "call") -> Any:
    said = [("scenario", scenario), ("back_end", "slurm")]
    words = ("file", 1, "Skipped: not run: no control groups")
    return SimpleNamespace(user_properties=said, when=when, outcome=outcome, longrepr=words)


def test_a_scenario_that_failed_once_or_was_skipped_is_not_passed() -> None:
    outcomes = Outcomes()
    for one in [
        *(report(name, "passed") for name in SCENARIOS if name not in ("out_of_memory", "secrets")),
        report("secrets", "failed"),
        report("secrets", "passed"),
        report("cancelled", "failed", "teardown"),
        report("out_of_memory", "skipped", "setup"),
    ]:
        outcomes.pytest_runtest_logreport(one)
    target = made("slurm", outcomes.found["slurm"])
    assert target.passed == 17 and target.outcomes["out_of_memory"] == "not run: no control groups"
    assert target.outcomes["secrets"] == target.outcomes["cancelled"] == "failed"
    with pytest.raises(KeyError, match="secrets"):
        made("slurm", {name: "passed" for name in SCENARIOS if name != "secrets"})


@pytest.mark.parametrize("kind", ["compute", "store"])
def test_what_was_noted_is_stale_once_code_a_test_or_a_stand_in_changes(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, tests = tmp_path / "ft_platform", tmp_path / "ft_platform_tests"
    shutil.copytree(targets_module.PACKAGE / "compute", package / "compute")
    for place in ("compute", "lake/object_store"):
        shutil.copytree(targets_module.TEST_PACKAGE / place, tests / place)
    monkeypatch.setattr(targets_module, "PACKAGE", package)
    monkeypatch.setattr(targets_module, "TEST_PACKAGE", tests)
    said = {"content_hash": content_hash(kind), "tests_hash": hash_of_tests(kind), "outcomes": {}}
    noted = Target(name="slurm", kind=kind, ran_against="stand-in", date="2026-12-02", **said)
    assert not noted.is_stale and not noted.to_dict()["stale"]
    assert noted.model_copy(update={"tests_hash": ""}).is_stale, "nobody noted which tests it was"
    changed = tests / ("compute/batch_service.py" if kind == "compute" else "lake/object_store/stores.py")
    changed.write_text(changed.read_text() + "# easier")
    assert noted.is_stale
    shutil.rmtree(tests)
    assert not noted.is_stale, "the wheel has no tests to compare with"
