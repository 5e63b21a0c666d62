"""Nothing new is served of a use case whose registry names other releases than the lake; what is served goes on."""

import io
import logging
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ft_platform.cli import main
from ft_platform.lake.releases import STANDS, releases
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.serving import catalog as catalog_module
from ft_platform.serving import registry_check as module
from ft_platform.serving.registry_check import RegistryCheck, registry_check
from ft_platform.tracking.registry import disagreement
from ft_platform_tests.attacks.areas.endpoints import ANSWERS, hostile_server
from ft_platform_tests.serving.fakes import wait_until
from ft_platform_tests.serving.installations import Installation, copied

pytestmark = pytest.mark.integration
SAID = "the registry disagrees with the lake about complaints: its alias champion is on release-x, not on release-y"


class Registry:
    """Answers when it is let, and keeps what it was asked."""

    def __init__(self) -> None:
        self.objections: dict[str, str] = {}
        self.asked: list[list[str]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.now = 0.0
        self.check = RegistryCheck(self.ask, clock=lambda: self.now)

    def ask(self, names: Sequence[str]) -> dict[str, str]:
        self.asked.append(list(names))
        assert self.may_answer.wait(30)
        return {name: said for name, said in self.objections.items() if name in names}

    def says(self, use_case: str, *releases: str) -> str | None:
        """Its objection, once it has answered."""
        of = frozenset(releases)
        wait_until(lambda: self.check.objection(use_case, of) is not None)
        return self.check.objection(use_case, of)


def test_the_same_is_asked_once_and_a_disagreement_again_after_a_while() -> None:
    registry = Registry()
    assert registry.says("letters", "r1") == "" == registry.says("letters", "r1") and registry.asked == [["letters"]]
    registry.objections["letters"] = SAID
    assert registry.says("letters", "r2") == SAID == registry.says("letters", "r2") and len(registry.asked) == 2
    registry.objections.clear()
    registry.now += module.AGAIN_SECONDS - 1
    assert registry.says("letters", "r2") == SAID and len(registry.asked) == 2
    registry.now += 1
    assert registry.check.objection("letters", frozenset({"r2"})) == SAID, "what it said last, while it is asked again"
    wait_until(lambda: registry.says("letters", "r2") == "")
    assert len(registry.asked) == 3


def test_use_cases_that_wait_are_asked_about_together_and_nobody_waits_for_it() -> None:
    registry = Registry()
    registry.may_answer.clear()
    started = time.monotonic()
    for name in ("a", "b", "c"):
        assert registry.check.objection(name, frozenset({"r"})) is None
    assert time.monotonic() - started < 1
    registry.may_answer.set()
    for name in ("a", "b", "c"):
        assert registry.says(name, "r") == ""
    assert sorted(name for names in registry.asked for name in names) == ["a", "b", "c"] and len(registry.asked) <= 2


def test_an_answer_from_before_a_release_does_not_let_it_in() -> None:
    registry = Registry()
    registry.may_answer.clear()
    registry.check.objection("letters", frozenset({"r1"}))
    wait_until(lambda: registry.asked == [["letters"]])
    registry.check.objection("letters", frozenset({"r1", "r2"}))
    registry.objections["letters"] = SAID
    registry.may_answer.set()
    assert registry.says("letters", "r1", "r2") == SAID and len(registry.asked) == 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("served"), "label_head")


@pytest.fixture
def installation(made: Installation, tmp_path: Path) -> Installation:
    return copied(made, tmp_path / "home")


def named(catalog: Any) -> dict[str, str]:
    return {one.name: one.release for one in catalog.models()}


def test_nothing_is_listed_until_the_registry_agrees_and_what_is_listed_stays(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    registry, first = Registry(), installation.release.id
    catalog = installation.catalog(registry=registry.check)
    registry.may_answer.clear()
    assert named(catalog) == {} and catalog.withheld() == {"complaints": "registry_is_asked"}
    registry.objections["complaints"] = SAID
    registry.may_answer.set()
    wait_until(lambda: not catalog.models() and catalog.withheld() == {"complaints": "registry_disagrees"})
    assert SAID in caplog.text and "ft releases complaints --sync" in caplog.text
    registry.objections.clear()
    registry.now += module.AGAIN_SECONDS
    wait_until(lambda: named(catalog) == {"complaints": first})
    assert catalog.withheld() == {}

    second = installation.releases(installation.another())
    registry.objections["complaints"] = SAID
    before = {"complaints": first, "complaints@previous": first}
    wait_until(lambda: named(catalog) == before and caplog.text.count(SAID) == 2)
    installation.lake.add_verdict(installation.release, STANDS, False, "s", {"by": "ana", "reason": "a leak"})
    assert named(catalog) == {}, "withdrawn: it is not served in place of the new one"
    registry.objections.clear()
    registry.now += module.AGAIN_SECONDS
    wait_until(lambda: named(catalog) == {"complaints": second.id})
    asked = len(registry.asked)
    registry.objections["complaints"] = SAID
    registry.now += 10 * module.AGAIN_SECONDS
    assert named(catalog) == {"complaints": second.id} and len(registry.asked) == asked, (
        "nobody asks about what is served"
    )


def shown_by_hand(installation: Installation, champion: ArtifactVersion) -> Any:
    """A registry in the installation's database: a version for each release, and an alias."""
    from mlflow.tracking import MlflowClient

    installation.environment = installation.environment.model_copy(update={"tracking_uri": ""})
    client = MlflowClient(installation.environment.mlflow_uri)
    client.create_registered_model("complaints")
    for one in reversed(releases(installation.lake, "complaints")):
        tags = {"release": one.id, "content_hash": one.record["checkpoint"]["content_hash"]}
        version = client.create_model_version("complaints", "/nowhere", tags=tags, await_creation_for=0)
        if one.id == champion.artifact_id:
            client.set_registered_model_alias("complaints", "champion", version.version)
    return client


def test_an_alias_that_was_moved_by_hand_keeps_a_server_from_serving_until_it_is_set_right(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("mlflow", reason="the extra `tracking` is not installed")
    monkeypatch.setattr(module, "AGAIN_SECONDS", 1.0)
    monkeypatch.setattr(catalog_module, "REFRESH_SECONDS", 0.2)
    caplog.set_level(logging.WARNING)
    second = installation.releases(installation.another())
    client = shown_by_hand(installation, installation.release)
    assert disagreement(installation.environment, installation.lake, "complaints")
    asked = {"model": "complaints", "input": "My card"}
    with installation.serving(waits=False) as http:
        wait_until(lambda: http.post("/v1/classify", json=asked).json()["error"]["code"] == "registry_disagrees", 60)
        refused = http.post("/v1/classify", json=asked)
        assert refused.status_code == 503 and refused.headers["retry-after"] and "registry" in refused.text
        assert f"champion is on {installation.release.id}, not on {second.id}" in caplog.text
        assert http.get("/ready").status_code == 503 and http.get("/health").status_code == 200
        client.set_registered_model_alias("complaints", "champion", "2")
        wait_until(lambda: http.post("/v1/classify", json=asked).status_code == 200, 60)
        assert http.post("/v1/classify", json=asked).json()["release"] == second.id

        client.set_registered_model_alias("complaints", "champion", "1")
        third = installation.releases(installation.checkpoint, note="again")
        wait_until(lambda: f"champion is on {installation.release.id}, not on {third.id}" in caplog.text, 60)
        answer = http.post("/v1/classify", json=asked)
        assert answer.status_code == 200 and answer.json()["release"] == second.id, "what is served goes on"


def test_chat_says_why_it_does_not_begin(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mlflow", reason="the extra `tracking` is not installed")
    monkeypatch.setattr(catalog_module, "REFRESH_SECONDS", 0.2)
    installation.releases(installation.another())
    shown_by_hand(installation, installation.release)
    monkeypatch.setenv("FT_HOME", str(installation.environment.home))
    monkeypatch.setenv("FT_DEFS", str(installation.environment.defs))
    monkeypatch.setattr(sys, "stdin", io.StringIO("My swipe was handled badly\n"))
    assert main(["chat", "complaints"]) == 1
    assert "ft releases complaints --sync" in capsys.readouterr().err


@pytest.mark.parametrize("answer", ["a wait without end", "dripped headers", "other JSON"])
def test_a_registry_that_does_not_answer_delays_and_costs_nothing_that_is_served(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: str
) -> None:
    pytest.importorskip("mlflow", reason="the extra `tracking` is not installed")
    monkeypatch.setattr(module, "ASK_SECONDS", 30.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    with hostile_server(ANSWERS[answer], Random(1)) as server:
        uri = f"http://127.0.0.1:{server.server_address[1]}"
        installation.environment = installation.environment.model_copy(update={"tracking_uri": uri})
        catalog = installation.catalog(registry=registry_check(installation.environment))
        started = time.monotonic()
        assert named(catalog) == {} and time.monotonic() - started < 5
        wait_until(lambda: bool(named(catalog)), 60)
        assert server.paths, "it was asked"  # type: ignore[attr-defined]
    assert named(catalog) == {"complaints": installation.release.id}
