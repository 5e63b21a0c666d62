"""loop.story with a tiny random model: a real server, its spool, reports and decisions."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ft_platform.monitoring.traffic.shipping import spool_path
from ft_platform.monitoring.traffic.spool import Spool
from ft_platform.onboarding.rehearsal.loop.case import PURPOSE, ROLLOUT
from ft_platform.onboarding.rehearsal.loop.story import Day, Plan, Story, to_dict
from ft_platform.onboarding.rehearsal.loop.stream import Asked, Stream
from ft_platform.reporting.loop_summary import closed
from ft_platform.reporting.publishing.deploying import chosen_release, deploy
from ft_platform.serving import catalog
from ft_platform.serving.api.app import build_app
from ft_platform.serving.api_keys import ApiKeys
from ft_platform.serving.installation import engine_and_catalog
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.serving.fakes import running, wait_until
from ft_platform_tests.serving.installations import Installation

pytestmark = pytest.mark.integration
NAME = "complaints"
SECTIONS: dict[str, Any] = {
    "monitoring": {"capture": {"share": 1.0, "purpose": PURPOSE}},
    "retraining": {
        "mode": "by_reasons",
        "when": {"cool_down_days": 0, "min_new_records": 0, "drift_days": 2, "new_records": 1_000_000},
    },
}


class Complaints(Stream):
    """Requests like the records; after the change they are ten times as long."""

    def __init__(self) -> None:
        self._rng, self._asked, self.labelled = random.Random(3), 0, []

    def day(self, count: int, changed: bool) -> list[Asked]:
        made = []
        for _ in range(count):
            self._asked += 1
            kind = self._rng.randrange(2)
            text = f"Case {self._asked % 60} zanzibar-canary-4711: my {('swipe', 'house')[kind]} was handled badly."
            made.append(Asked(text * (10 if changed else 1), ("card", "loan")[kind], f"p{self._asked}", changed))
        return made

    def learned(self) -> None:
        """Nothing is trained here."""


class Played:
    """A story, and the stages that it asked for."""

    def __init__(self, made: Installation, url: str, plan: Plan) -> None:
        self.made, self.stages = made, list[Sequence[str] | None]()
        targets = {"targets": {"local": {"kind": "local", "url": url}}, "parity_records": 12, "rollout": ROLLOUT}
        attributes = {**made.attributes, **SECTIONS, "serving": targets}
        write_use_case(made.environment.defs, NAME, attributes)
        use_case = NamedUseCase(name=NAME, settings=UseCase.model_validate(attributes))
        of = (made.lake, made.environment, use_case, plan, self._run, print)
        self.plan, self.story = plan, Story(*of, stream=Complaints())

    def _run(self, stages: Sequence[str] | None, overrides: dict[str, Any]) -> None:
        self.stages.append(stages)
        assert not overrides or set(overrides) == {"training.continue_from"}, "the gate and a deployment go by the file"
        if stages == ["deployment/local"]:
            changed = load_use_case(self.made.environment.defs / NAME, None, self.made.environment)
            deploy(self.made.lake, self.made.environment, changed, "local", chosen_release(self.made.lake, NAME))

    @property
    def told(self) -> dict[str, Any]:
        return to_dict(self.plan, self.story.days, self.story.starts)


@contextmanager
def playing(home: Path, plan: Plan) -> Iterator[Played]:
    made = Installation(home, "label_head")
    made.attributes |= SECTIONS
    write_use_case(made.environment.defs, NAME, made.attributes)
    engine, models = engine_and_catalog(made.environment, [NAME])
    notes = Spool(spool_path(made.environment))
    notes.start()
    try:
        with running(build_app(engine, models, ApiKeys(None), notes)) as server:
            wait_until(lambda: bool(httpx2.get(f"{server.url}/v1/models", trust_env=False).json().get("data")), 60)
            yield Played(made, server.url, plan)
    finally:
        notes.stop()


def test_without_a_change_nothing_is_started(tmp_path: Path) -> None:
    with playing(tmp_path, Plan(days=4, requests=40, share=0.0)) as played:
        days = played.story.play()
        assert len(days) == 4 and all(sum(day.by_release.values()) == 40 for day in days)
        assert all(day.measured["low"] <= day.accuracy <= day.measured["high"] for day in days)
        assert closed(played.told) and played.stages == []


def test_a_new_release_gets_the_traffic_by_shadow_and_canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "REFRESH_SECONDS", 0.1)
    with playing(tmp_path, Plan(days=6, requests=60, share=0.0)) as played:
        made, story, weigh = played.made, played.story, played.story._weigh
        deploy(made.lake, made.environment, story.use_case, "local", chosen_release(made.lake, NAME))

        def release_another(day: Day) -> None:
            weigh(day)
            if len(story.days) == 1:  # in place of a training that the gate accepts
                made.releases(made.another(), released_at="2026-04-01T00:00:00+00:00")
                story._tried("shadow")

        monkeypatch.setattr(story, "_weigh", release_another)
        days = story.play()
        events = [kind for day in days for kind in day.events]
        assert events == ["canary", "switch"]
        champion, candidate = next(iter(days[0].by_release)), next(iter(days[-1].by_release))
        assert champion != candidate and list(days[1].by_release) == [champion], "nobody sees a shadow"
        assert set(days[2].by_release) == {champion, candidate} and list(days[-1].by_release) == [candidate]
