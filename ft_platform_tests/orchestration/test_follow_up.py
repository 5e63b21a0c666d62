"""What follows an action in the portal: the graph shows it, and what was gone back to goes to its targets."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ft_platform.assets.order import Order
from ft_platform.orchestration import follow_up as module
from ft_platform.orchestration.follow_up import STAGES_OF, follow_up, main
from ft_platform.orchestration.runs import RunOutcome
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.acting import acting
from ft_platform.web.following import Following
from ft_platform_tests.conftest import minimal_attributes, write_use_case


@pytest.fixture
def runs(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Any]]:
    """Stages and order of each run, none of which happens; those of deployments fail."""
    found: list[tuple[list[str], Any]] = []

    def run(_name: str, _overrides: None, select: list[str], _environment: Environment, *, order: Any) -> RunOutcome:
        found.append((select, order))
        failed = select[0].startswith("deployment/")
        return RunOutcome(success=not failed, error="the target is down" if failed else "", next_step="Start it")

    monkeypatch.setattr(module, "run_use_case", run)
    write_use_case(environment.defs, "complaints", minimal_attributes("unused.csv"))
    return found


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("approve", [(["sign_off"], None)]),
        ("delegate", []),
        ("waive", [(["release_decision", "sign_off"], None)]),
        ("release", [(["release"], Order(standing=True))]),
        ("rollback", [(["release"], Order(standing=True))]),
    ],
)
def test_each_action_is_shown_by_its_stages(
    runs: list[Any], environment: Environment, what: str, expected: Any
) -> None:
    assert follow_up("complaints", what, environment) == [] and runs == expected


def test_what_was_gone_back_to_goes_to_targets_that_are_in_use(
    runs: list[Any], environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "deployed_to", lambda *_: ["production"])
    monkeypatch.setattr(module, "load_environment", lambda: environment)
    assert main(["complaints", "rollback"]) == 1 and runs[-1] == (["deployment/production"], None)
    assert capsys.readouterr().err == "portal: complaints, rollback: the target is down Start it\n"


def test_every_action_has_stages_and_no_other(environment: Environment) -> None:
    forms = acting(environment).acts.values()
    assert set(STAGES_OF) == {what for form in forms for what, act in form.items() if act.changes and act.follows}


def test_it_runs_in_a_process_of_its_own_with_the_settings_of_the_server(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Any] = []

    def run(command: list[str], **words: Any) -> Any:
        asked.append((command, words["env"]))
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(subprocess, "run", run)
    Following(environment)._run("complaints", "approve")
    ((command, variables),) = asked
    assert command == [sys.executable, "-m", "ft_platform.orchestration.follow_up", "complaints", "approve"]
    assert Path(variables["FT_HOME"]) == environment.home and "the graph does not show it yet" in caplog.text
