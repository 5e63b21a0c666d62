"""Which releases stay at a target, and which one gets the traffic of a release that was withdrawn."""

from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from ft_platform.errors import EndpointFailed
from ft_platform.lake.files import locked
from ft_platform.reporting.publishing import deploying
from ft_platform.reporting.publishing.deploying import deploy
from ft_platform.serving import upkeep
from ft_platform.serving.targets.contract import Endpoint, Status
from ft_platform.serving.upkeep import take_away_withdrawn
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.rollout import Rollout

OLDEST, BEFORE, NOW, NEVER = "release-c", "release-b", "release-a", "release-0"


class FakeTarget:
    """A target that lists releases by name, as vLLM does."""

    def __init__(self, live: str | None, *others: str) -> None:
        self.live, self.there, self.is_broken = live, {*others, *filter(None, [live])}, False

    def deploy(self, model: Any) -> None:
        self.there.add(model.release)

    def wait(self, *_: Any) -> Endpoint:
        return Endpoint("http://127.0.0.1:9", "m")

    def switch(self, release: str) -> None:
        assert release in self.there
        self.live = release

    def delete(self, release: str) -> None:
        self.there.discard(release)
        self.live = None if self.live == release else self.live

    def status(self) -> Status:
        if self.is_broken:
            raise EndpointFailed("it does not answer")
        others = tuple(sorted(self.there - {self.live}))
        return Status("ready" if self.live else "absent", self.live, others, endpoint=self.wait())

    def cost_per_day(self) -> None:
        return None


class Traffic:
    """Targets of a use case, and what was deployed to each, newest first.

    Attributes:
        usable: releases that stand, and whose records were not withdrawn.
    """

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.environment = Environment(home=home)
        self.targets: dict[str, FakeTarget] = {}
        self.deployed: dict[str, list[str]] = {}
        self.usable = {OLDEST, BEFORE, NOW, NEVER}
        settings = SimpleNamespace(kind="vllm", currency="EUR")
        serving = SimpleNamespace(targets={"one": settings, "two": settings}, rollout=Rollout())
        self.use_case: Any = SimpleNamespace(
            name="complaints",
            settings=SimpleNamespace(serving=serving),
        )
        for name, fake in {
            "deployments": lambda lake, use_case, name: [
                SimpleNamespace(record={"release": one}) for one in self.deployed.get(name, [])
            ],
            "open_target": lambda environment, use_case, name, beside=(): self.targets[name],
            "standing_releases": lambda lake, use_case: [SimpleNamespace(id=one) for one in sorted(self.usable)],
            "unusable": lambda lake, release, verify=True: "",
            "_beside": lambda *_: [],
            "released_versions": lambda *_: (None, SimpleNamespace(id="ckpt", content_hash="h")),
            "renderer_of": lambda *_: SimpleNamespace(labels=()),
            "disagreement": lambda *_: None,
            "block_of": lambda *_: None,
            "require_not_blocked": lambda *_: None,
            "show_releases": lambda *_: None,
            "_measured": lambda *_: {"load": [], "guardrails": None, "parity": {}},
            "cost_per_1000": lambda *_: None,
            "_publish": lambda lake, use_case, release, record: record,
        }.items():
            for module in (one for one in (deploying, upkeep) if hasattr(one, name)):
                monkeypatch.setattr(module, name, fake)

    def take_away(self) -> dict[str, str | None]:
        nothing: Any = None
        return take_away_withdrawn(nothing, nothing, self.use_case)

    def deploy(self, release: str) -> Any:
        asked = {"max_prompt_tokens": 1, "max_new_tokens": 1}
        chosen: Any = SimpleNamespace(id=release, record={"kind": "label_head", "asked": asked})
        nothing: Any = None
        return deploy(nothing, self.environment, self.use_case, "one", chosen)


@pytest.fixture
def traffic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Traffic:
    return Traffic(tmp_path, monkeypatch)


@pytest.mark.parametrize("before", [BEFORE, "release-z"])
def test_the_release_before_stays_whatever_its_name(traffic, before) -> None:
    traffic.targets["one"] = FakeTarget(before, OLDEST)
    traffic.deployed["one"] = [before, OLDEST]
    assert traffic.deploy(NOW)["previous"] == before
    assert traffic.targets["one"].there == {NOW, before}


def test_deployed_again_it_keeps_the_way_back(traffic) -> None:
    traffic.targets["one"] = FakeTarget(NOW, BEFORE, OLDEST)
    traffic.deployed["one"] = [NOW, BEFORE, OLDEST]
    assert traffic.deploy(NOW)["previous"] == BEFORE
    assert traffic.targets["one"].there == {NOW, BEFORE}


def test_a_release_that_is_refused_leaves_everything_as_it_was(traffic, monkeypatch) -> None:
    def refused(*_: Any) -> None:
        raise EndpointFailed("it answers otherwise")

    monkeypatch.setattr(deploying, "_measured", refused)
    traffic.targets["one"] = FakeTarget(BEFORE, OLDEST)
    with pytest.raises(EndpointFailed, match="otherwise"):
        traffic.deploy(NOW)
    assert (traffic.targets["one"].live, traffic.targets["one"].there) == (BEFORE, {BEFORE, OLDEST})
    with pytest.raises(EndpointFailed, match="otherwise"):
        traffic.deploy(BEFORE)
    assert traffic.targets["one"].live == BEFORE, "it has the traffic, and keeps it"


def test_a_switch_that_cannot_be_recorded_is_taken_back(traffic, monkeypatch) -> None:
    """A full disk: what nobody wrote down is watched by nobody."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(deploying, "_publish", full)
    traffic.targets["one"] = FakeTarget(BEFORE, OLDEST)
    with pytest.raises(OSError, match="No space"):
        traffic.deploy(NOW)
    assert (traffic.targets["one"].live, traffic.targets["one"].there) == (BEFORE, {BEFORE, OLDEST})
    traffic.targets["one"] = FakeTarget(None)
    with pytest.raises(OSError, match="No space"):
        traffic.deploy(NOW)
    assert traffic.targets["one"].there == set()


def test_a_second_deployment_to_a_target_waits_for_the_first(traffic) -> None:
    traffic.targets["one"] = FakeTarget(BEFORE)
    second = Thread(target=traffic.deploy, args=(NOW,))
    with locked(traffic.environment.lock("deploying", "complaints.one")):
        second.start()
        second.join(0.3)
        assert second.is_alive() and NOW not in traffic.targets["one"].there
    second.join(10)
    assert traffic.targets["one"].live == NOW


def test_the_newest_that_was_compared_there_gets_the_traffic_of_one_that_was_withdrawn(traffic) -> None:
    traffic.targets["one"] = FakeTarget(NOW, NEVER, BEFORE)
    traffic.deployed["one"] = [NOW, BEFORE]
    traffic.usable.remove(NOW)
    assert traffic.take_away() == {"one": BEFORE}
    assert traffic.targets["one"].live == BEFORE and NOW not in traffic.targets["one"].there
    assert traffic.take_away() == {}


def test_one_that_is_not_there_any_more_is_passed_over(traffic) -> None:
    traffic.targets["one"] = FakeTarget(NOW, OLDEST)
    traffic.deployed["one"] = [NOW, BEFORE, OLDEST]
    traffic.usable.remove(NOW)
    assert traffic.take_away() == {"one": OLDEST}


def test_what_was_never_compared_there_gets_no_traffic(traffic) -> None:
    traffic.targets["one"] = FakeTarget(NOW, NEVER)
    traffic.deployed["one"] = [NOW]
    traffic.usable.remove(NOW)
    assert traffic.take_away() == {"one": None} and traffic.targets["one"].live is None


def test_a_target_that_fails_keeps_no_other_from_losing_what_was_withdrawn(traffic) -> None:
    traffic.targets = {"one": FakeTarget(NOW), "two": FakeTarget(NOW, BEFORE)}
    traffic.deployed = {"one": [NOW], "two": [NOW, BEFORE]}
    traffic.targets["one"].is_broken = True
    traffic.usable.remove(NOW)
    with pytest.raises(EndpointFailed, match="does not answer"):
        traffic.take_away()
    assert traffic.targets["two"].live == BEFORE
