"""ft deploy, and what ft rollback and ft withdraw do with deployments."""

import argparse
import json
from types import SimpleNamespace
from typing import Any

import pytest

from ft_platform.assets.order import Order
from ft_platform.commands import deploy, release, rollback, withdraw
from ft_platform.errors import ConfigError
from ft_platform.lake import deployments, releases
from ft_platform.monitoring.rollout import going_back
from ft_platform.orchestration.runs import RunOutcome
from ft_platform.release import releasing
from ft_platform.serving import upkeep
from ft_platform.tracking import registry

LOAD = {"median_seconds": 0.02, "concurrent": 1}
RECORD = {
    "release": "release-2",
    "previous": "release-1",
    "endpoint": "http://127.0.0.1:8000",
    "model": "complaints",
    "kind": "local",
    "parity": {"decisions_equal": {"value": 0.995}, "asked": 1200, "ties": 6},
    "load": [LOAD, {**LOAD, "median_seconds": 0.5, "concurrent": 16}],
}


class Installed:
    """A use case with targets.

    Attributes:
        asked: use case, stages and release of each run.
        outcome: of the next one.
        deployed: targets that something was deployed to.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.targets: dict[str, Any] = {"local": None}
        self.asked: list[Any] = []
        self.outcome = RunOutcome(success=True)
        self.deployed = {"local"}
        serving = SimpleNamespace(targets=self.targets)
        use_case = SimpleNamespace(name="complaints", settings=SimpleNamespace(serving=serving))
        monkeypatch.setattr("ft_platform.commands.opened", lambda name: (None, use_case, None))
        monkeypatch.setattr(withdraw, "opened", lambda name: (None, use_case, None))
        monkeypatch.setattr("ft_platform.orchestration.execution.run_use_case", self.run)
        monkeypatch.setattr(deployments, "deployments", self.deployments)

    def run(self, name: str, overrides: Any, select: list[str], order: Order) -> RunOutcome:
        self.asked.append((name, select, order.release))
        return self.outcome

    def deployments(self, lake: Any, use_case: str, target: str) -> list[Any]:
        return [SimpleNamespace(record={**RECORD, "target": target})] if target in self.deployed else []


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    return Installed(monkeypatch)


def given(command: Any, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return argparse.Namespace(**vars(parser.parse_args(["complaints", *words])), command="command")


def test_the_only_target_needs_no_name(installed, capsys) -> None:
    assert deploy.run(given(deploy)) == 0
    assert installed.asked == [("complaints", ["deployment/local"], "")]
    said = capsys.readouterr().out
    assert "release-2 answers at http://127.0.0.1:8000 as complaints" in said
    assert "99.5% of 1,200 decisions are equal, and 6 are ties that rounding decides" in said
    assert "0.020 seconds alone, 0.500 beside 15 others" in said
    assert "ft ask complaints <text> --url http://127.0.0.1:8000" in said
    assert "back to release-1: ft rollback complaints" in said and "ft serve --stop" in said


def test_one_of_several_targets_is_named(installed) -> None:
    installed.targets["far"] = None
    with pytest.raises(ConfigError, match=r"serving\.targets of complaints has local, far") as raised:
        deploy.run(given(deploy))
    assert "--target" in str(raised.value) and installed.asked == []
    installed.deployed.add("far")
    assert deploy.run(given(deploy, "--target", "far")) == 0
    assert installed.asked == [("complaints", ["deployment/far"], "")]


@pytest.mark.parametrize("targets", [{"local": None}, {}])
def test_a_target_that_there_is_not_is_refused_with_those_that_there_are(installed, targets) -> None:
    installed.targets.clear()
    installed.targets.update(targets)
    with pytest.raises(ConfigError, match=f"has {', '.join(targets) or 'none'}"):
        deploy.run(given(deploy, "--target", "production"))
    assert installed.asked == []


def test_a_release_is_asked_for_by_its_id(installed) -> None:
    deploy.run(given(deploy, "--release", "release-1"))
    assert installed.asked == [("complaints", ["deployment/local"], "release-1")]


def test_success_as_json_is_the_record(installed, capsys) -> None:
    assert deploy.run(given(deploy, "--json")) == 0
    assert json.loads(capsys.readouterr().out) == {**RECORD, "target": "local"}


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_failure_says_why_and_what_to_do(installed, capsys, words) -> None:
    installed.outcome = RunOutcome(error="It does not answer", next_step="Start it")
    assert deploy.run(given(deploy, *words)) == 1
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "ft deploy: It does not answer Start it"
    expected = {"use_case": "complaints", "target": "local", "success": False, "error": "It does not answer Start it"}
    assert (json.loads(said.out) if words else said.out) == (expected if words else "")


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Exit code of `ft release`, which the test may change. The traffic is given back before (`test_deploying`)."""
    codes = [0]
    monkeypatch.setattr(releasing, "earlier_release", lambda *_: SimpleNamespace(id="release-1"))
    monkeypatch.setattr(going_back, "switch_back", lambda *_, **__: {"local": "release-1"})
    monkeypatch.setattr(release, "made", lambda arguments, back_to: codes[0])
    return codes


def back() -> int:
    return rollback.run(given(rollback, "--reason", "Incident 4711"))


def test_going_back_deploys_where_something_was_deployed(installed, released) -> None:
    installed.targets |= {"far": None, "never": None}
    installed.deployed = {"local", "far"}
    assert back() == 0
    assert installed.asked == [("complaints", ["deployment/local", "deployment/far"], "")]


def test_going_back_where_nothing_was_deployed_deploys_nothing(installed, released) -> None:
    installed.deployed = set()
    assert back() == 0 and installed.asked == []


def test_a_refused_way_back_deploys_nothing(installed, released) -> None:
    released[0] = 1
    assert back() == 1 and installed.asked == []


def test_a_way_back_that_is_not_deployed_fails(installed, released, capsys) -> None:
    installed.outcome = RunOutcome(error="It does not answer")
    assert back() == 1
    said = capsys.readouterr().err
    assert "It does not answer" in said and "release-1 keeps the traffic of local" in said


@pytest.fixture
def withdrawn(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> Installed:
    gone = SimpleNamespace(id="release-2", withdrawn={"by": "ana"})
    monkeypatch.setattr(releasing, "withdraw", lambda *_, **__: gone)
    monkeypatch.setattr(registry, "show_releases", lambda *_: None)
    monkeypatch.setattr(releases, "standing_releases", lambda *_: [SimpleNamespace(id="release-1")])
    monkeypatch.setattr(upkeep, "take_away_withdrawn", lambda *_: {"local": "release-1", "far": None})
    return installed


def test_a_withdrawal_tells_what_serves_now(withdrawn, capsys) -> None:
    words = ["release-2", "--reason", "A leak was reported"]
    assert withdraw.run(given(withdraw, *words)) == 0
    said = capsys.readouterr().out
    assert "local: release-1 has the traffic now" in said and "far: nothing has the traffic now" in said
    assert withdraw.run(given(withdraw, *words, "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["served"] == {"local": "release-1", "far": None} and told["champion"] == "release-1"


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_everything_is_taken_away_from_a_target(installed, monkeypatch, capsys, words) -> None:
    monkeypatch.setattr(upkeep, "take_away", lambda *of: ["release-2", "release-1"] if of[-1] == "local" else [])
    assert deploy.run(given(deploy, "--remove", *words)) == 0
    assert installed.asked == [] and "release-2" in capsys.readouterr().out
