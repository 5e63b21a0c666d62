"""A release gets the traffic only where it answers as it was evaluated; otherwise nothing changes."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from ft_platform.commands import rollback
from ft_platform.errors import ConfigError, DataError, EndpointFailed, VersionRefused
from ft_platform.lake.deployments import candidate, deployments
from ft_platform.lake.releases import STANDS, Release, releases, standing_releases
from ft_platform.monitoring.rollout.going_back import switch_back
from ft_platform.orchestration.runs import RunOutcome
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.release import releasing
from ft_platform.release.standing import ACCEPTED
from ft_platform.reporting.evidence.gather import gather
from ft_platform.reporting.evidence.pack import write_pack
from ft_platform.reporting.evidence.verify import problems_of
from ft_platform.reporting.publishing import deploying
from ft_platform.reporting.publishing.deploying import deploy
from ft_platform.reporting.publishing.roi import publish_roi
from ft_platform.reporting.report_page import REPORT
from ft_platform.serving import catalog as catalog_module
from ft_platform.serving.live import Live, listed, read_live
from ft_platform.serving.load_test import cost_per_1000
from ft_platform.serving.trial import served
from ft_platform.serving.upkeep import check_live, take_away, take_away_withdrawn
from ft_platform.stages import SERVED_CHECK
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.serving.fakes import wait_until
from ft_platform_tests.serving.installations import Installation, copied
from ft_platform_tests.serving.test_parity import _scaled

pytestmark = pytest.mark.integration
NAME = "complaints"


@pytest.fixture(scope="module", params=["label_head", "answers"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    of = ("sft", "generation") if request.param == "answers" else ("label_head", "classification")
    return Installation(tmp_path_factory.mktemp(request.param), *of)


class Served:
    """An installation with a server of its own that runs."""

    def __init__(self, made: Installation, url: str) -> None:
        serving = {"targets": {"local": {"kind": "local", "url": url, "cost_per_hour": 0.5}}, "parity_records": 12}
        attributes = {**made.attributes, "serving": serving}
        write_use_case(made.environment.defs, NAME, attributes)
        self.made, self.lake, self.environment, self.url = made, made.lake, made.environment, url
        self.use_case = NamedUseCase(name=NAME, settings=UseCase.model_validate(attributes))

    @property
    def releases(self) -> list[Release]:
        return releases(self.lake, NAME)

    def deploy(self, release: Release | None = None) -> dict:
        version = deploy(self.lake, self.environment, self.use_case, "local", release or self.releases[0])
        return json.loads(self.lake.read_file(version, "deployment.json"))

    def answers(self) -> dict[str, str]:
        found = httpx2.get(f"{self.url}/v1/models", trust_env=False).json()["data"]
        return {one["id"]: one["release"] for one in found}


def same_candidate(running: Served) -> str | None:
    """The candidate at our server, which is also what the registry calls so."""
    found = listed(running.lake, running.environment.home, NAME).get(f"{NAME}@candidate")
    by_records = candidate(running.lake, NAME, [one.id for one in standing_releases(running.lake, NAME)])
    assert (found and found.id) == by_records
    return found.id if found else None


@pytest.fixture
def running(made: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(catalog_module, "REFRESH_SECONDS", 0.1)
    installation = copied(made, tmp_path / "home")
    with served(installation.environment, [NAME]) as url:
        yield Served(installation, url)


def test_a_release_that_answers_as_evaluated_gets_the_traffic(running: Served) -> None:
    first = running.releases[0]
    record = running.deploy()
    assert record["release"] == first.id and record["previous"] is None and record["model"] == NAME
    assert record["parity"]["ok"] and record["parity"]["asked"] == 12
    assert [one["concurrent"] for one in record["load"]] == [1, 4, 16] and record["load"][2]["requests"] == 48
    assert record["cost_per_day"] == 12.0 and record["cost_per_1000_requests"] == cost_per_1000(record["load"], 12.0)
    newest = deployments(running.lake, NAME, "local")[0]
    page = running.lake.read_file(newest.version, REPORT).decode()
    assert first.id in page and "12 test records were asked before the switch" in page
    assert check_live(running.lake, running.environment, running.use_case, "local", 12)[0]
    verdict = running.lake.verdicts(newest.version)[SERVED_CHECK]
    assert verdict.passed and verdict.numbers["asked"] == 12 and verdict.numbers["decisions_equal"]["value"] == 1

    running.made.releases(running.made.another())
    second = running.releases[0]
    assert running.answers()[NAME] == first.id, "a release alone changes nothing for clients"
    assert same_candidate(running) == second.id
    record = running.deploy()
    assert record["previous"] == first.id and running.answers() == {NAME: second.id, f"{NAME}@previous": first.id}
    passed, _, words = check_live(running.lake, running.environment, running.use_case, "local", 12)
    assert passed and "100.0% of 12" in words

    assert same_candidate(running) is None
    started = time.monotonic()
    record = running.deploy(first)
    assert (
        running.answers()[NAME] == first.id
        and record["load"] == deployments(running.lake, NAME, "local")[2].record["load"]
    )
    assert time.monotonic() - started < 30
    assert same_candidate(running) is None, "the newer release had the traffic"


def test_a_short_comparison_that_fails_is_made_again_in_full(running: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    first, asked, measured = running.releases[0], [], deploying.measured
    running.deploy()
    running.made.releases(running.made.another())
    running.deploy()

    def apart_at_first(*of: Any) -> dict[str, Any]:
        asked.append(of[-1])
        return {**measured(*of), "ok": len(asked) > 1}

    monkeypatch.setattr(deploying, "measured", apart_at_first)
    record = running.deploy(first)
    assert asked == [deploying.KNOWN_RECORDS, 12] and record["parity"]["asked"] == 12
    assert running.answers()[NAME] == first.id


def test_one_that_answers_otherwise_gets_none_and_the_one_before_stays(running: Served) -> None:
    first = running.releases[0]
    running.deploy()
    running.made.releases(running.made.another(_scaled))
    with pytest.raises(VersionRefused, match=r"does not answer as .* Likely cause: adapter: "):
        running.deploy()
    assert running.answers()[NAME] == first.id and len(deployments(running.lake, NAME, "local")) == 1
    live = read_live(running.environment.home, NAME)
    assert live == Live((first.id,), None)
    assert same_candidate(running) == running.releases[0].id
    assert check_live(running.lake, running.environment, running.use_case, "local", 12)[0]


def test_what_has_the_traffic_without_having_been_deployed_is_told(running: Served) -> None:
    def check() -> tuple[bool, str]:
        passed, _, words = check_live(running.lake, running.environment, running.use_case, "local", 12)
        return passed, words

    assert check() == (False, "nothing was deployed to this target")
    running.deploy()
    running.lake.add_verdict(running.releases[0].version, STANDS, False, "s", {"by": "ana", "reason": "a leak"})
    passed, words = check()
    verdict = running.lake.verdicts(deployments(running.lake, NAME, "local")[0].version)[SERVED_CHECK]
    assert not verdict.passed and verdict.numbers["says"] == words
    assert not passed and ("was withdrawn, and has the traffic" in words or "no release has the traffic" in words)


def test_what_was_taken_away_is_served_no_more_and_no_fault(running: Served) -> None:
    first = running.releases[0]
    running.deploy()
    assert same_candidate(running) is None
    assert take_away(running.lake, running.environment, running.use_case, "local") == [first.id]
    assert [one.what for one in AuditLog(running.lake).entries()][-1] == "took its releases away from a target"
    assert same_candidate(running) == first.id
    deadline = time.monotonic() + 10
    while NAME in running.answers():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    passed, _, words = check_live(running.lake, running.environment, running.use_case, "local", 12)
    assert passed and words.startswith("nothing is deployed: it was taken away by ")
    running.deploy()
    assert "of 12 test records" in check_live(running.lake, running.environment, running.use_case, "local", 12)[2]


def test_all_that_was_ever_deployed_is_taken_away(running: Served) -> None:
    for _ in range(2):
        running.deploy()
        running.made.releases(running.made.another())
    running.deploy()
    gone = take_away(running.lake, running.environment, running.use_case, "local")
    assert running.releases[0].id in gone
    live = read_live(running.environment.home, NAME)
    assert live and live.releases == ()


def test_a_withdrawn_release_loses_the_traffic_to_the_one_before(running: Served) -> None:
    first = running.releases[0]
    running.deploy()
    running.made.releases(running.made.another())
    running.deploy()
    second = running.releases[0]
    assert take_away_withdrawn(running.lake, running.environment, running.use_case) == {}
    running.lake.add_verdict(second.version, STANDS, False, "s", {"by": "ana", "reason": "a leak"})
    deadline = time.monotonic() + 10
    while running.answers().get(NAME) != first.id:
        assert time.monotonic() < deadline, "served 10 seconds after its withdrawal"
        time.sleep(0.05)
    take_away_withdrawn(running.lake, running.environment, running.use_case)
    assert listed(running.lake, running.environment.home, NAME)[NAME].id == first.id


def test_no_request_is_lost_while_releases_are_switched(running: Served) -> None:
    first = running.releases[0]
    running.made.releases(running.made.another())
    second = running.releases[0]
    running.deploy(first)
    running.deploy(second)
    ended, statuses, told = Event(), set(), set()
    labels = running.use_case.settings.task.kind == "classification"
    path = "/v1/classify" if labels else "/v1/completions"
    body = {"model": NAME, "input": "a card"} if labels else {"model": NAME, "prompt": "a card", "max_tokens": 4}

    def ask() -> None:
        with httpx2.Client(trust_env=False) as client:
            while not ended.is_set():
                answer = client.post(running.url + path, json=body, timeout=30)
                statuses.add(answer.status_code)
                told.add(answer.json().get("release"))

    clients = [Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    from ft_platform.serving.targets.opening import open_target

    target = open_target(running.environment, running.use_case, "local")
    for number in range(20):
        target.switch((first, second)[number % 2].id)
    ended.set()
    for client in clients:
        client.join()
    assert statuses == {200}
    if labels:
        assert told == {first.id, second.id}


def test_a_server_that_does_not_start_is_told_with_its_log(
    made: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ft_platform.reporting.publishing import deploying

    monkeypatch.setattr(deploying, "READY_SECONDS", 0.5)
    monkeypatch.setattr("ft_platform.serving.targets.local.subprocess.Popen", lambda *a, **k: None)
    case = Served(copied(made, tmp_path / "home"), "http://127.0.0.1:9")
    with pytest.raises(EndpointFailed, match=r"does not answer\. See .*server\.log"):
        case.deploy()
    assert read_live(case.environment.home, NAME) == Live()


def test_a_server_that_ends_is_told_at_once(
    made: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setattr("ft_platform.serving.targets.local.subprocess.Popen", lambda *a, **k: ended)
    case = Served(copied(made, tmp_path / "home"), "http://127.0.0.1:9")
    with pytest.raises(EndpointFailed, match=r"the server at http://127.0.0.1:9 ended\. See .*server\.log"):
        case.deploy()


def test_what_changes_the_candidate_is_shown_in_the_registry(running: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from ft_platform.reporting.publishing import deploying
    from ft_platform.serving import upkeep

    candidates: list[str | None] = []
    for module in (deploying, upkeep):
        monkeypatch.setattr(module, "show_releases", lambda *_: candidates.append(same_candidate(running)))
    running.deploy()
    first = running.releases[0]
    take_away(running.lake, running.environment, running.use_case, "local")
    assert candidates == [None, first.id], "when it is told, the lake has it"


def test_a_registry_that_names_another_release_refuses(running: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from ft_platform.reporting.publishing import deploying

    monkeypatch.setattr(deploying, "disagreement", lambda *_: "the registry disagrees with the lake about complaints")
    with pytest.raises(VersionRefused, match="the registry disagrees"):
        running.deploy()
    assert read_live(running.environment.home, NAME) is None, "nothing was touched"


def test_what_was_measured_is_in_the_return_on_investment_and_in_the_evidence(running: Served, tmp_path: Path) -> None:
    lake, environment = running.lake, running.environment
    checkpoint, evaluation = running.made.checkpoint, running.made.report
    pack = write_pack(lake, running.use_case, gather(lake, checkpoint), tmp_path / "before")
    assert "None when this pack was written" in (pack.folder / "index.html").read_text()
    assert json.loads((pack.folder / "manifest.json").read_text())["deployments"] == []

    record = running.deploy()
    version = deployments(lake, NAME, "local")[0].version
    report = publish_roi(lake, environment, running.use_case, evaluation)
    found = json.loads(lake.read_file(report, "roi.json"))["requests"]
    alone = record["load"][0]
    assert found["seconds_alone"] == {"median": alone["median_seconds"], "p95": alone["p95_seconds"]}
    assert found["money_per_1000"] == record["cost_per_1000_requests"] and found["money_from"] == version.artifact_id
    running.deploy()
    assert len(deployments(lake, NAME)) == 2
    assert publish_roi(lake, environment, running.use_case, evaluation) == report, "it measured nothing new"

    pack = write_pack(lake, running.use_case, gather(lake, checkpoint), tmp_path / "after")
    assert problems_of(pack.folder) == []
    first = json.loads((pack.folder / "manifest.json").read_text())["deployments"][-1]
    assert first == {"id": version.id, **{key: record[key] for key in ("release", "target", "endpoint", "deployed_at")}}
    folder = pack.folder / "versions" / "deployment" / version.id.replace("@", "-")
    assert json.loads((folder / "deployment.json").read_text()) == record
    index = (pack.folder / "index.html").read_text()
    assert f"{folder.relative_to(pack.folder)}/{REPORT}" in index and "100.0 %" in index
    (folder / "deployment.json").write_text(json.dumps({**record, "cost_per_1000_requests": 0.0}))
    assert any("deployment.json was altered" in problem for problem in problems_of(pack.folder))


def going_back(running: Served, monkeypatch: pytest.MonkeyPatch, outcome: RunOutcome) -> tuple[int, list[dict]]:
    """Exit code of `ft rollback`, and what the server answered when the first run began: recording and comparing."""
    seen: list[dict] = []

    def run(*_: Any, **__: Any) -> RunOutcome:
        seen.append(running.answers())
        return outcome

    of = (running.environment, running.use_case, running.lake)
    accepted = SimpleNamespace(state=ACCEPTED)  # the decision of this installation is not one of the gate
    monkeypatch.setattr(releasing, "standing_of", lambda *_: accepted)
    monkeypatch.setattr("ft_platform.commands.opened", lambda name: of)
    monkeypatch.setattr("ft_platform.orchestration.execution.run_use_case", run)
    parser = argparse.ArgumentParser()
    rollback.add_arguments(parser)
    words = parser.parse_args([NAME, "--reason", "Incident 4711", "--json"])
    return rollback.run(argparse.Namespace(**vars(words), command="rollback")), seen


def test_a_way_back_gives_the_traffic_back_before_anything_else_is_run(
    running: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = running.releases[0]
    running.deploy()
    running.made.releases(running.made.another())
    second = running.releases[0]
    running.deploy()
    assert running.answers()[NAME] == second.id
    code, seen = going_back(running, monkeypatch, RunOutcome(error="It does not answer as it was evaluated"))
    assert code == 1 and [one[NAME] for one in seen] == [first.id]
    assert running.answers()[NAME] == first.id, "it keeps the traffic"
    said = capsys.readouterr().err
    assert f"local: {first.id} has the traffic" in said and f"{first.id} keeps the traffic of local" in said

    running.made.releases(running.made.checkpoint, back_to=first.id, back_from=second.id)
    third = running.releases[0]
    record = running.deploy(third)
    assert running.answers() == {NAME: third.id, f"{NAME}@previous": second.id}
    assert record["previous"] == second.id, "the release that was left, not the one that had the traffic meanwhile"


def test_a_way_back_that_is_refused_changes_no_traffic(running: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    running.deploy()
    with pytest.raises(DataError, match="no earlier release"):
        going_back(running, monkeypatch, RunOutcome(success=True))
    first = running.releases[0]
    running.made.releases(running.made.another())
    second = running.releases[0]
    running.deploy()
    with pytest.raises(ConfigError, match="the reason must have"):
        switch_back(running.lake, running.environment, running.use_case, first, reason="no")
    running.lake.add_verdict(first.version, STANDS, False, "s", {"by": "a", "reason": "A leak was reported"})
    with pytest.raises((VersionRefused, DataError)):
        going_back(running, monkeypatch, RunOutcome(success=True))
    assert running.answers()[NAME] == second.id


def test_a_model_that_was_taken_away_is_not_deployed_which_is_no_withdrawal(running: Served) -> None:
    running.deploy()
    take_away(running.lake, running.environment, running.use_case, "local")
    asked = {"model": NAME, "messages": [{"role": "user", "content": "Why?"}]}

    def error() -> dict[str, str]:
        answer = httpx2.post(f"{running.url}/v1/chat/completions", json=asked, trust_env=False)
        return answer.json().get("error", {}) | {"status": str(answer.status_code)}

    wait_until(lambda: error()["status"] == "404")
    assert error()["code"] == "model_not_deployed"
    assert f"ft deploy {NAME}" in error()["message"]
