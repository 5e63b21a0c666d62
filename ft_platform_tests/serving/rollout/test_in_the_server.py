"""A rollout over HTTP: who is answered by the candidate, who never notices it, and how it loses its traffic."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from ft_platform.serving.api.app import build_app
from ft_platform.serving.api_keys import ApiKeys
from ft_platform.serving.catalog import GivenModels
from ft_platform.serving.engine.requests import Generation
from ft_platform.serving.rollout.under_way import UnderWay
from ft_platform.use_case.settings.rollout import Rollout
from ft_platform_tests.serving.fakes import FakeEngine, Kept, running, served, wait_until

CHAMPION, CANDIDATE = "release-1", "release-2"


class FaultyEngine(FakeEngine):
    """Does what a release does.

    Attributes:
        failing: weights whose requests raise.
        slow: weights -> seconds that their labels take.
        scores_of: weights -> their scores.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()
        self.slow: dict[str, float] = {}
        self.scores_of: dict[str, list[float]] = {}

    def scores(self, model: str, prompts: Any, on_done: Any, sharing: Any = None) -> Any:
        if model in self.failing:
            raise RuntimeError("planted")
        scored, self.scored = self.scored, self.scores_of.get(model, self.scored)

        def later(found: Any) -> None:
            time.sleep(self.slow.get(model, 0))
            on_done(found)

        try:
            return super().scores(model, prompts, later)
        finally:
            self.scored = scored

    def generate(self, request: Generation, on_event: Any) -> Any:
        if request.model in self.failing:
            raise RuntimeError("planted")
        return super().generate(request, on_event)


class Server:
    """A server of one use case with a champion and a candidate."""

    def __init__(self, url: str, engine: FaultyEngine, notes: Kept, stopped: list[Any]) -> None:
        self.url, self.engine, self.notes, self.stopped = url, engine, notes, stopped
        self.client = httpx2.Client(base_url=url, trust_env=False, timeout=30)

    def ask(self, text: str = "a card", model: str = "complaints", **body: Any) -> httpx2.Response:
        headers = body.pop("headers", {})
        return self.client.post("/v1/classify", json={"model": model, "input": text, **body}, headers=headers)

    def release(self, *of: Any, **body: Any) -> str:
        return self.ask(*of, **body).headers["X-FT-Release"]

    def shadows(self, count: int) -> list[Any]:
        wait_until(lambda: len(self.notes.kind("shadows")) >= count)
        return self.notes.kind("shadows")


@contextmanager
def rolling(kind: str = "label_head", keys: ApiKeys | None = None, **rules: Any) -> Iterator[Server]:
    name = "complaints" if kind == "label_head" else "support"
    one, other = served(name, kind), served(f"{name}@candidate", kind, CANDIDATE)  # pyright: ignore[reportArgumentType]
    catalog = GivenModels([one, other])
    rollout = UnderWay("local", CHAMPION, CANDIDATE, Rollout(**rules), "2026-01-01T00:00:00+00:00")
    catalog.rolling = {name: rollout}
    engine, notes, stopped = FaultyEngine(), Kept(), list[Any]()
    app = build_app(engine, catalog, keys or ApiKeys(None), notes, stop=lambda *of: stopped.append(of))
    with running(app) as server:
        made = Server(server.url, engine, notes, stopped)
        wait_until(lambda: len(engine.loaded) == 2)
        wait_until(lambda: made.client.get("/ready").is_success)
        yield made
        made.client.close()


def weights(release: str, name: str = "complaints") -> str:
    return f"{name}/checkpoint-of-{release}"


def test_a_caller_stays_with_one_release_and_the_share_is_kept() -> None:
    with rolling(mode="canary", share=0.2) as server:
        of = {
            f"customer-{number}": server.release(f"text {number}", user=f"customer-{number}") for number in range(400)
        }
        counts = Counter(of.values())
        assert 55 <= counts[CANDIDATE] <= 107, "outside of what 20 % of 400 are with a probability of 99.9 %"
        for caller in list(of)[:40]:
            for name in ({"user": caller}, {"metadata": {"subject": caller}}, {"headers": {"X-FT-Subject": caller}}):
                assert server.release("another text", **name) == of[caller]


def test_one_conversation_stays_with_one_release() -> None:
    def said(number: int, *more: str) -> str:
        messages = [{"role": "user", "content": f"question {number}"}]
        messages += [{"role": role, "content": text} for role, text in zip(("assistant", "user"), more, strict=False)]
        answer = server.client.post("/v1/chat/completions", json={"model": "complaints", "messages": messages})
        return answer.headers["X-FT-Release"]

    with rolling(mode="canary", share=0.5) as server:
        first = [said(number) for number in range(30)]
        assert first == [said(number, "Card", "are you sure?") for number in range(30)] and len(set(first)) == 2


def test_clients_of_a_canary_see_the_name_they_asked_for() -> None:
    with rolling(mode="canary", share=1.0) as server:
        answer = server.ask()
        assert answer.json()["model"] == "complaints" and answer.json()["release"] == CANDIDATE
        assert server.notes.kind("requests")[-1]["model"] == "complaints"
        given = {"request_id": answer.json()["id"], "correct_label": "Loan"}
        assert server.client.post("/v1/feedback", json=given).status_code == 200
        assert server.notes.kind("feedback")[-1]["release"] == CANDIDATE
        trial = {"headers": {"X-FT-Trial": "on"}}
        assert server.release(**trial) == CHAMPION, "a comparison with the evaluation asks what it names"
        assert server.release("a card", "complaints@candidate") == CANDIDATE


@pytest.mark.parametrize(
    ("fault", "told"),
    [("errors", "failed"), ("latency", "took longer than they may"), ("guardrails", "had a guardrail act on them")],
)
def test_a_candidate_that_does_harm_gets_no_traffic_within_a_minute(fault: str, told: str) -> None:
    with rolling(mode="canary", share=0.5) as server:
        for number in range(60):
            server.ask(f"warm {number}", user=f"customer-{number}")
        assert server.stopped == []
        if fault == "errors":
            server.engine.failing.add(weights(CANDIDATE))
        elif fault == "latency":
            server.engine.slow[weights(CANDIDATE)] = 0.3
        else:  # so unsure that it abstains
            server.engine.scores_of[weights(CANDIDATE)] = [-1.0, -1.0, -1.0]
        planted, number = time.monotonic(), 0
        while not server.stopped:
            assert time.monotonic() - planted < 60
            server.ask(f"more {number}", user=f"customer-{number}")
            number += 1
        print(f"{fault}: stopped after {time.monotonic() - planted:.1f} seconds, {number} requests")
        (use_case, rollout, why), *others = server.stopped
        assert (use_case, rollout.candidate, others) == ("complaints", CANDIDATE, [])
        assert why.endswith(told)
        assert {server.release(f"after {n}", user=f"customer-{n}") for n in range(50)} == {CHAMPION}


def test_a_shadow_is_asked_and_nobody_sees_it() -> None:
    with rolling(mode="shadow", share=1.0) as server:
        server.engine.scores_of[weights(CANDIDATE)] = [-4.0, -1.0, -3.0]
        answer = server.ask()
        assert answer.json()["data"][0]["label"] == "Card" and answer.json()["release"] == CHAMPION
        (row,) = server.shadows(1)
        assert row["request_id"] == answer.json()["id"] and row["release"] == CANDIDATE
        assert (row["champion_decisions"], row["decisions"], row["agrees"]) == (["Card"], ["Loan"], False)
        assert [one["release"] for one in server.notes.kind("requests")] == [CHAMPION]
        told = {"request_id": answer.json()["id"], "rating": "good"}
        assert server.client.post("/v1/feedback", json=told).status_code == 200
        assert server.notes.kind("feedback")[0]["release"] == CHAMPION, "feedback is on what was seen"


@pytest.mark.parametrize("fault", ["raises", "slow", "missing"])
def test_a_shadow_changes_delays_and_fails_no_answer(fault: str) -> None:
    with rolling(mode="shadow", share=1.0) as server:
        if fault == "raises":
            server.engine.failing.add(weights(CANDIDATE))
        elif fault == "slow":
            server.engine.slow[weights(CANDIDATE)] = 1.0
        else:
            server.engine.loaded.pop(weights(CANDIDATE))
        answers, seconds = [], []
        for number in range(30):
            begun = time.monotonic()
            answers.append(server.ask(f"text {number}"))
            seconds.append(time.monotonic() - begun)
        assert {one.status_code for one in answers} == {200}
        assert {one.json()["data"][0]["label"] for one in answers} == {"Card"}
        assert max(seconds) < 0.5, "the slow shadow takes a second"
        if fault == "raises":
            assert {row["code"] for row in server.shadows(4)} == {"internal_error"}
            wait_until(lambda: bool(server.stopped))
            assert "failed" in server.stopped[0][2]
        if fault == "slow":
            assert 'ft_serve_shadows_total{outcome="dropped"}' in server.client.get("/metrics").text


def test_a_stream_has_its_shadow_too() -> None:
    with rolling("open_answer", mode="shadow", share=1.0) as server:
        body = {"model": "support", "messages": [{"role": "user", "content": "hello"}], "stream": True}
        answer = server.client.post("/v1/chat/completions", json=body)
        assert "[DONE]" in answer.text
        (row,) = server.shadows(1)
        assert row["agrees"] is True and row["decisions"] == [None]
        server.client.post("/v1/chat/completions", json={**body, "stream": False, "temperature": 1.0})
        assert server.shadows(2)[1]["agrees"] is None, "answers that are drawn differ from themselves"


def test_only_the_share_is_asked_again() -> None:
    with rolling(mode="shadow", share=0.3) as server:
        inside = {
            f"customer-{n}"
            for n in range(20)
            if UnderWay("local", CHAMPION, CANDIDATE, Rollout(mode="shadow", share=0.3), "").includes(f"\ncustomer-{n}")
        }
        for number in range(20):
            server.ask(f"text {number}", user=f"customer-{number}")
            time.sleep(0.02)
        assert 0 < len(inside) < 20
        assert len(server.shadows(len(inside))) == len(inside)
