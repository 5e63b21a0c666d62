"""`ft quota`: the month of each team, and the queue."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from ft_platform import cli
from ft_platform.costs.fair_queue import Entry
from ft_platform.costs.ledger import Ledger, month_of
from ft_platform.costs.queue_folder import QueueFolder
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.costs.test_quotas import row


@pytest.fixture
def asked(environment: Environment, lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """What the command prints, in an installation with a team that has used 3 of 5 GPU-hours."""
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    environment.defs.mkdir(parents=True, exist_ok=True)
    file = environment.home / "ft_environment.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    more = {"team": "legal", "month": month_of(), "gpu_hours": 1, "reason": "the incident"}
    file.write_text(yaml.safe_dump({"quotas": {"teams": {"legal": {"gpu_hours": 4}}, "raised": [more]}}))
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    Ledger(lake).close(row("legal", 3.0, month=month_of(), started_at=datetime.now(UTC)))
    Ledger(lake).close(row("sales", 1.0, run="r2", month=month_of(), started_at=datetime.now(UTC)))
    QueueFolder(lake).write(Entry("a", "gpu@x", "run", "letters", "legal", "train", "local", 2, time.time()))

    def ask(*words: str) -> str:
        assert cli.main(["quota", *words]) == 0
        return capsys.readouterr().out

    return ask


def test_teams_what_was_granted_and_the_queue_are_printed(asked: Any) -> None:
    lines = asked().splitlines()
    assert lines[0].split() == ["team", "used", "reserved", "limit", "left", "forecast"]
    assert lines[1].split()[:5] == ["legal", "3.00", "0.00", "5.00", "2.00"] and lines[1].endswith("GPU-hours")
    assert "of which granted: 1 GPU-hours, 0 EUR" in lines[3] and "because: the incident" in lines[4]
    assert lines[-1].split() == ["1", "legal", "letters", "train", "high", "next", "for", "a", "place"]


def test_as_json_of_one_team(asked: Any) -> None:
    told = json.loads(asked("legal", "--json"))
    (team,) = told["teams"]
    assert (team["team"], team["gpu_hours"]["left"], team["money"]["limit"]) == ("legal", 2.0, None)
    assert team["raised"][0]["reason"] == "the incident" and told["queue"][0]["place"] == 1


def test_a_team_that_is_not_there_is_named_with_those_that_are(asked: Any, capsys: Any) -> None:
    assert cli.main(["quota", "lgal"]) != 0
    assert "there is no team 'lgal'; there are ['legal', 'sales']" in capsys.readouterr().err
