"""ft rollout, and the sensor that decides without a person."""

import argparse
import json
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from ft_platform.assets.rollout_watch import rollout_watch
from ft_platform.commands import rollout
from ft_platform.errors import DataError, EndpointFailed
from ft_platform.lake import releases
from ft_platform.monitoring.rollout import conducting, counting
from ft_platform.monitoring.rollout.conducting import Seen
from ft_platform.serving.rollout.sequential import Arm, Counts, Verdict, judged
from ft_platform.serving.rollout.under_way import UnderWay
from ft_platform.use_case.settings.rollout import Rollout

RULES = Rollout(mode="shadow", share=0.25)
UNDER_WAY = UnderWay("local", "release-1", "release-2", RULES, "2026-03-01T12:00:00+00:00")
COUNTS = Counts(Arm(300, right=20, wrong=3), Arm(300, errors=2), agreeing=280, compared=298, better=4, worse=1)
DIFFERENCE = {"request_id": "classify-1", "at": "2026-03-01T13:00:00", "champion": ["Card"], "candidate": [None]}


class Faked:
    """Attributes: seen: what a step finds. ended: arguments of an end by a person."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: Seen | None = Seen(UNDER_WAY, COUNTS, judged(COUNTS, RULES, 1.0), 1.0)
        self.last: dict[str, Any] | None = None
        self.blocked: dict[str, str] = {}
        self.ended: list[Any] = []
        use_case = SimpleNamespace(name="complaints")
        monkeypatch.setattr(rollout, "opened", lambda name: (None, use_case, None))
        for name, fake in {
            "step": lambda *_: self.seen,
            "last_outcome": lambda *_: self.last,
            "newest_rollout": lambda *_: UNDER_WAY,
            "end_by_person": self.end,
        }.items():
            monkeypatch.setattr(conducting, name, fake)
        monkeypatch.setattr(releases, "blocked_releases", lambda *_: self.blocked)
        monkeypatch.setattr(counting, "differences", lambda *_: [DIFFERENCE] * 30)

    def end(self, *_: Any, promote: bool, reason: str, by: str) -> UnderWay | None:
        self.ended.append((promote, reason, by))
        return self.seen and self.seen.rollout


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Faked:
    return Faked(monkeypatch)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    parser = argparse.ArgumentParser()
    rollout.add_arguments(parser)
    assert rollout.run(parser.parse_args(["complaints", *words])) == 0
    return capsys.readouterr().out


def test_counts_and_evidence_are_shown(faked: Faked, capsys) -> None:
    found = said(capsys)
    assert "release-2: shadow on 25% of the traffic of release-1, since 2026-03-01" in found
    assert "280 of 298 labels agree; judged right only by it: 4, by the champion: 1" in found
    assert "ft rollout complaints --promote | --stop --reason <why>" in found
    told = json.loads(said(capsys, "--json"))
    assert told["under_way"]["counts"]["candidate"]["errors"] == 2
    assert told["under_way"]["evidence"].keys() == {
        "errors", "guardrails", "latency", "feedback", "agreement", "better",
    }  # fmt: skip
    assert told["under_way"]["rollout"]["rules"]["share"] == 0.25


def test_the_last_outcome_and_what_is_blocked_are_shown_with_the_next_step(faked: Faked, capsys) -> None:
    faked.seen, faked.last = None, {"release": "release-2", "promoted": False, "reason": "4 of 4 failed"}
    faked.blocked = {"release-2": "4 of 4 failed"}
    found = said(capsys)
    assert "no rollout of complaints is under way" in found and "release-2 was rolled back: 4 of 4 failed" in found
    assert "ft rollout complaints --unblock release-2 --reason <why>" in found
    assert json.loads(said(capsys, "--json")) == {
        "use_case": "complaints", "under_way": None, "last": faked.last, "blocked": faked.blocked,
    }  # fmt: skip


def test_differences_are_listed_by_id(faked: Faked, capsys) -> None:
    lines = said(capsys, "--differences").splitlines()
    assert len(lines) == 21 and lines[0] == "2026-03-01T13:00:00  classify-1  Card -> (text)"
    assert lines[-1] == "30 requests were answered otherwise: --json has all"
    assert len(json.loads(said(capsys, "--differences", "--json"))["differences"]) == 30


def test_a_person_ends_it(faked: Faked, capsys) -> None:
    assert said(capsys, "--promote", "--reason", "all were better") == "release-2 has all the traffic of complaints\n"
    assert json.loads(said(capsys, "--stop", "--reason", "one was worse", "--json"))["traffic"] == "release-1"
    assert said(capsys, "--stop", "--reason", "one was worse", "--by", "Ana@example.org")
    assert faked.ended == [
        (True, "all were better", ""),
        (False, "one was worse", ""),
        (False, "one was worse", "Ana@example.org"),
    ]
    faked.seen = None
    with pytest.raises(DataError, match="no rollout of complaints is under way"):
        said(capsys, "--stop", "--reason", "one was worse")


def ticked(monkeypatch: pytest.MonkeyPatch, step: Any) -> str:
    monkeypatch.setattr(conducting, "step", step)
    sensor, given = rollout_watch(SimpleNamespace(name="complaints")), {"lake": None, "environment": None}  # pyright: ignore[reportArgumentType]
    with dg.build_sensor_context(resources=given) as context:
        return sensor.evaluate_tick(context).skip_message or ""


def test_the_sensor_says_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ticked(monkeypatch, lambda *_: None) == "no rollout is under way"
    seen = Seen(UNDER_WAY, COUNTS, Verdict("roll_back", "errors", {}), 1.0, "9 of 9 answers failed")
    assert ticked(monkeypatch, lambda *_: seen) == ("release-2 after 300 requests: roll_back 9 of 9 answers failed")

    def fails(*_: Any) -> None:
        raise EndpointFailed("the server does not answer")

    assert "the server does not answer" in ticked(monkeypatch, fails)
