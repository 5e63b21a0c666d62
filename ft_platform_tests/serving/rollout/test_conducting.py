"""A rollout from `ft deploy` to its end, at a real server with a tiny model."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ft_platform.errors import ConfigError, DataError, VersionRefused
from ft_platform.evaluation.abstaining import Abstaining
from ft_platform.lake.deployments import ROLLED_OUT, deployments, had_traffic
from ft_platform.lake.releases import STANDS, Release, block_of, releases
from ft_platform.monitoring.rollout import conducting
from ft_platform.monitoring.rollout.conducting import end_by_person, last_outcome, newest_rollout, step, unblock
from ft_platform.monitoring.rollout.counting import differences
from ft_platform.monitoring.traffic.shipping import spool_path
from ft_platform.monitoring.traffic.spool import Spool
from ft_platform.orchestration.alert_watch import rolled_back
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.reporting.publishing.deploying import deploy
from ft_platform.reporting.report_page import REPORT
from ft_platform.serving import catalog as catalog_module
from ft_platform.serving.api.app import build_app
from ft_platform.serving.api.server import ApiServer
from ft_platform.serving.api_keys import ApiKeys
from ft_platform.serving.installation import engine_and_catalog
from ft_platform.serving.live import read_live, stop_rollout
from ft_platform.serving.upkeep import check_live
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.serving.fakes import wait_until
from ft_platform_tests.serving.installations import Installation, copied

pytestmark = pytest.mark.integration
NAME = "complaints"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("label_head"), "label_head")


class Served:
    """An installation with a server that notes its requests; the first release has the traffic.

    Attributes:
        failing: checkpoints whose requests raise.
        reversing: checkpoints whose likeliest label becomes the least likely one.
    """

    def __init__(self, made: Installation, url: str, engine: Any, **rules: Any) -> None:
        self.made, self.lake, self.environment, self.url = made, made.lake, made.environment, url
        self.failing: set[str] = set()
        self.reversing: set[str] = set()
        self.scores, engine.scores = engine.scores, self._scores
        serving = {"targets": {"local": {"kind": "local", "url": url}}, "parity_records": 10}
        attributes = {**made.attributes, "serving": {**serving, "rollout": rules}}
        write_use_case(self.environment.defs, NAME, attributes)
        self.use_case = NamedUseCase(name=NAME, settings=UseCase.model_validate(attributes))
        self.of = (self.lake, self.environment, self.use_case)
        self.client = httpx2.Client(base_url=url, trust_env=False, timeout=30)

    def _scores(self, model: str, prompts: Any, on_done: Any, sharing: Any) -> Any:
        checkpoint = model.partition("/")[2]
        if checkpoint in self.failing:
            raise RuntimeError("planted")

        def reversed_scores(found: Any) -> None:
            rows = tuple(tuple(-one for one in row) for row in found.log_probabilities)
            on_done(replace(found, log_probabilities=rows))

        return self.scores(model, prompts, reversed_scores if checkpoint in self.reversing else on_done, sharing)

    @property
    def newest(self) -> Release:
        return releases(self.lake, NAME)[0]

    def deploy(self, release: Release) -> Any:
        deploy(*self.of, "local", release)
        return deployments(self.lake, NAME, "local")[0]

    def rolls_out(self) -> tuple[Release, Release]:
        """Champion and candidate of a rollout that has reached the server."""
        champion = self.newest
        self.deploy(champion)
        self.made.releases(self.made.another())
        candidate = self.newest
        deployment = self.deploy(candidate)
        assert deployment.record["rollout"]["mode"] == self.use_case.settings.serving.rollout.mode
        assert not had_traffic(self.lake, deployment)
        if deployment.record["rollout"]["mode"] == "canary":
            wait_until(lambda: candidate.id in {self.ask(f"c-{n}").headers.get("X-FT-Release") for n in range(8)})
        return champion, candidate

    def is_stopped(self) -> bool:
        """Whether the server has noted that it gives the candidate no more traffic."""
        live = read_live(self.environment.home, NAME)
        return bool(live and live.rollout and live.rollout.stopped)

    def ask(self, user: str, text: str = "a card") -> httpx2.Response:
        return self.client.post("/v1/classify", json={"model": NAME, "input": text, "user": user})

    def answers(self) -> dict[str, str]:
        return {one["id"]: one["release"] for one in self.client.get("/v1/models").json()["data"]}


@contextmanager
def serving(made: Installation, home: Path, **rules: Any) -> Iterator[Served]:
    installation = copied(made, home)
    engine, catalog = engine_and_catalog(installation.environment, [NAME])
    notes = Spool(spool_path(installation.environment))
    notes.start()
    app = build_app(engine, catalog, ApiKeys(None), notes, stop=partial(stop_rollout, home))
    server = ApiServer(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    found = Served(installation, server.url, engine, **rules)
    try:
        wait_until(lambda: server.started and NAME in found.answers(), 30)
        yield found
    finally:
        found.client.close()
        server.stop()
        thread.join(20)
        notes.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog_module, "REFRESH_SECONDS", 0.1)


def test_planted_errors_end_a_rollout_and_block_the_release_until_a_person_looks(
    made: Installation, tmp_path: Path
) -> None:
    with serving(made, tmp_path / "home", mode="canary", share=0.5) as served:
        champion, candidate = served.rolls_out()
        with pytest.raises(VersionRefused, match="is being rolled out to local"):
            served.deploy(champion)
        assert step(*served.of).verdict.decision == "go_on"  # pyright: ignore[reportOptionalMemberAccess]
        assert check_live(*served.of, "local", 5)[0], "the champion has the traffic"

        served.failing.add(candidate.checkpoint)
        statuses = [served.ask(f"c-{n}").status_code for n in range(40)]
        assert 4 <= statuses.count(500) <= 6 and set(statuses[-20:]) == {200}, "the server stops it by itself"
        wait_until(served.is_stopped)

        seen = step(*served.of)
        assert seen and seen.verdict.because == "stopped" and "answers within a minute failed" in seen.reason
        assert seen.counts.candidate.errors == statuses.count(500)
        assert served.answers()[NAME] == champion.id
        assert step(*served.of) is None, "it is decided once"
        outcome = last_outcome(served.lake, NAME)
        assert outcome and outcome["release"] == candidate.id and not outcome["promoted"]
        assert outcome["reason"] == seen.reason and check_live(*served.of, "local", 5)[0]

        served.failing.clear()
        with pytest.raises(
            VersionRefused, match=f"was rolled back automatically: .* failed.*\n?.*--unblock {candidate.id}"
        ):
            served.deploy(candidate)
        checkpoint = served.lake.artifact(NAME, "adapter_checkpoint", candidate.checkpoint)
        assert checkpoint
        served.made.releases(checkpoint, note="again")
        with pytest.raises(VersionRefused, match="was rolled back automatically"):
            served.deploy(served.newest)  # the same checkpoint under another id
        with pytest.raises(ConfigError, match="reason"):
            unblock(served.lake, served.use_case, candidate.id, reason="ok")
        with pytest.raises(DataError, match="no blocked release"):
            unblock(served.lake, served.use_case, champion.id, reason="the disk was full")
        (told,) = rolled_back(served.lake, served.use_case, "")
        assert candidate.id in told.what and "failed" in told.text
        unblock(served.lake, served.use_case, candidate.id, reason="the disk was full", by="Ana@example.org")
        assert rolled_back(served.lake, served.use_case, "") == []
        assert block_of(served.lake, candidate) is None
        noted = [*AuditLog(served.lake).entries()][-1]
        assert (noted.what, noted.person) == ("unblocked a release", "ana@example.org")
        again = served.deploy(candidate)
        assert again.record["rollout"]["share"] == 0.5 and not had_traffic(served.lake, again)
        assert b"On 50 % of it this one answers in its place" in served.lake.read_file(again.version, REPORT)
        wait_until(lambda: candidate.id in {served.ask(f"c-{n}").headers["X-FT-Release"] for n in range(8)})


def test_a_better_candidate_is_promoted_and_stays(made: Installation, tmp_path: Path) -> None:
    with serving(made, tmp_path / "home", mode="canary", share=0.5, min_requests=50) as served:
        champion, candidate = served.rolls_out()
        for number in range(260):
            answer = served.ask(f"c-{number}", f"text {number}")
            right = answer.json()["data"][0]["label"] if answer.json()["release"] == candidate.id else None
            given = {"rating": "good"} if right or number % 2 else {"rating": "bad"}
            served.client.post("/v1/feedback", json={"request_id": answer.json()["id"], **given})
        seen = step(*served.of)
        assert seen and (seen.verdict.decision, seen.verdict.because) == ("promote", "better")
        assert seen.counts.candidate.wrong == 0 < seen.counts.champion.wrong
        assert served.answers() == {NAME: candidate.id, f"{NAME}@previous": champion.id}
        assert had_traffic(served.lake, deployments(served.lake, NAME, "local")[0])
        assert check_live(*served.of, "local", 5)[0] and step(*served.of) is None
        assert served.deploy(champion).record.get("rollout") is None, "a way back does not wait"


def test_a_shadow_tells_its_differences_and_a_person_ends_it(made: Installation, tmp_path: Path) -> None:
    with serving(made, tmp_path / "home", mode="shadow", share=1.0, min_agreement=0.01) as served:
        champion, candidate = served.rolls_out()
        wait_until(lambda: _rolls(served, candidate))
        before = step(*served.of)
        assert before and before.counts.agreeing == before.counts.compared, "it is the same model"
        served.reversing.add(candidate.checkpoint)
        ids = {served.ask(f"c-{n}", f"text {n}").json()["id"] for n in range(10)}
        wait_until(lambda: ids <= {one["request_id"] for one in _differences(served)}, 30)
        seen = step(*served.of)
        assert seen and seen.counts.compared - seen.counts.agreeing == len(ids)
        for one in _differences(served):
            assert one["champion"] != one["candidate"]
        with pytest.raises(ConfigError, match="reason"):
            end_by_person(*served.of, promote=True, reason="ok")
        assert end_by_person(*served.of, promote=False, reason="looks no better to us", by=" Ana@example.org")
        noted, outcome = [*AuditLog(served.lake).entries()][-1], last_outcome(served.lake, NAME)
        assert (noted.what, noted.person) == ("took the traffic from a release", "ana@example.org")
        assert outcome and outcome["by"] == "ana@example.org"
        assert served.answers()[NAME] == champion.id and block_of(served.lake, candidate) is None
        assert end_by_person(*served.of, promote=True, reason="looks no better to us") is None
        assert ids <= {one["request_id"] for one in _differences(served)}, "they can be reviewed afterwards too"


def _differences(served: Served) -> list[dict[str, Any]]:
    step(*served.of)
    newest = newest_rollout(served.lake, NAME)
    assert newest
    return differences(served.lake, NAME, newest)


def _rolls(served: Served, candidate: Release) -> bool:
    served.ask("somebody")
    metrics = served.client.get("/metrics").text
    return 'ft_serve_shadows_total{outcome="answered"}' in metrics


def test_what_was_decided_before_a_kill_is_carried_out_and_not_decided_again(
    made: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(made, tmp_path / "home", mode="canary", share=0.5) as served:
        _, candidate = served.rolls_out()
        newest = deployments(served.lake, NAME, "local")[0]
        served.lake.add_verdict(newest.version, ROLLED_OUT, True, "s", {"reason": "promoted, then killed"})
        monkeypatch.setattr(conducting, "judged", lambda *_: conducting.Verdict("roll_back", "errors", {}))
        step(*served.of)
        assert served.answers()[NAME] == candidate.id and block_of(served.lake, candidate) is None


def test_a_withdrawn_candidate_loses_its_share(made: Installation, tmp_path: Path) -> None:
    with serving(made, tmp_path / "home", mode="canary", share=0.5) as served:
        champion, candidate = served.rolls_out()
        served.lake.add_verdict(candidate.version, STANDS, False, "s", {"by": "ana", "reason": "a leak"})
        wait_until(lambda: {served.ask(f"c-{n}").headers["X-FT-Release"] for n in range(8)} == {champion.id})
        seen = step(*served.of)
        assert seen and seen.reason == f"{candidate.id} was withdrawn" and step(*served.of) is None


def test_an_incident_does_not_wait_for_a_rollout(made: Installation, tmp_path: Path) -> None:
    with serving(made, tmp_path / "home", mode="canary", share=0.5) as served:
        champion, candidate = served.rolls_out()
        served.made.releases(served.made.checkpoint, back_to=champion.id)
        back = served.newest
        assert served.deploy(back).record.get("rollout") is None
        assert served.answers()[NAME] == back.id
        assert {served.ask(f"c-{n}").headers["X-FT-Release"] for n in range(8)} == {back.id}
        outcome = last_outcome(served.lake, NAME)
        assert outcome and outcome["reason"] == f"rolled back to {back.id}" and outcome["release"] == candidate.id


def test_a_candidate_may_abstain_more_often_by_as_much_as_the_evaluations_say(
    made: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = copied(made, tmp_path / "home")
    champion = releases(case.lake, NAME)[0]
    case.releases(case.another())
    candidate = releases(case.lake, NAME)[0]
    attributes = {**case.attributes, "serving": {"rollout": {"mode": "canary", "max_guardrail_increase": 0.05}}}
    use_case = NamedUseCase(name=NAME, settings=UseCase.model_validate(attributes))

    def allowed(before: float | None, after: float) -> float:
        def found_of(_: object, release: Release, __: object) -> Abstaining:
            share = {champion.id: before, candidate.id: after}[release.id]
            if share is None:
                raise VersionRefused("its evaluation is gone")
            return Abstaining(0.5, share, "")

        monkeypatch.setattr(conducting, "abstaining_of", found_of)
        found = conducting.rollout_for(case.lake, use_case, "local", candidate, champion.id, [])
        assert found is not None
        return found.rules.max_guardrail_increase

    assert allowed(before=1.0, after=0.8) == pytest.approx(0.25)
    assert allowed(before=0.8, after=1.0) == allowed(before=0.9, after=0.9) == 0.05
    assert allowed(before=1.0, after=0.0) == 1.0
    assert allowed(before=None, after=0.8) == 0.05, "an erasure of the champion's evaluation stops no deployment"
