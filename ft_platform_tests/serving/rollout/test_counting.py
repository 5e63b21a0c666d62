"""What of the noted requests counts for a rollout, and what does not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.lake.store import Lake
from ft_platform.monitoring.rollout.counting import counted, differences
from ft_platform.monitoring.traffic.tables import SCHEMAS, TrafficTables
from ft_platform.serving.rollout.sequential import Arm
from ft_platform.serving.rollout.under_way import UnderWay
from ft_platform.use_case.settings.rollout import Rollout

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHAMPION, CANDIDATE, NAME = "release-1", "release-2", "complaints"


def rollout(mode: str) -> UnderWay:
    return UnderWay("local", CHAMPION, CANDIDATE, Rollout.model_validate({"mode": mode}), BEGAN.isoformat())


class Noted:
    """Tables with rows, from a minute after the beginning on."""

    def __init__(self, home: Path) -> None:
        self.lake = Lake(str(home / "lake"))
        self.rows: dict[str, list[dict[str, Any]]] = {"requests": [], "feedback": [], "shadows": []}

    def _add(self, kind: str, at: datetime, row: dict[str, Any]) -> str:
        number = len(self.rows[kind])
        about = {"request_id": f"classify-{number:032x}", "at": at, "day": at.date().isoformat()}
        self.rows[kind].append({**about, **row})
        return str({**about, **row}["request_id"])

    def request(self, release: str, at: datetime = BEGAN + timedelta(minutes=1), **more: Any) -> str:
        answer = {"decision": "Card", "abstained": False, "reason": "stop", "characters": 4}
        row = {"release": release, "model": NAME, "status": 200, "code": "", "seconds": 0.1, "guardrails": []}
        return self._add("requests", at, {**row, "answers": [answer], "trial": False, **more})

    def feedback(self, request: str, **said: Any) -> None:
        about = {"request_id": request, "feedback_id": str(len(self.rows["feedback"])), "index": 0}
        self._add("feedback", BEGAN + timedelta(days=1), {**about, **said})

    def shadow(self, request: str, decision: str, **more: Any) -> None:
        row = {"release": CANDIDATE, "champion": CHAMPION, "code": "", "seconds": 0.1, "champion_seconds": 0.1}
        row |= {"acted": False, "champion_acted": False, "decisions": [decision], "champion_decisions": ["Card"]}
        agrees = None if more.get("code") else decision == "Card"
        self._add("shadows", BEGAN + timedelta(minutes=2), {**row, "agrees": agrees, "request_id": request, **more})

    def counted(self, mode: str) -> Any:
        for kind, rows in self.rows.items():
            if rows:
                table = pa.Table.from_pylist(rows, schema=SCHEMAS[kind])
                TrafficTables(self.lake, NAME).append(kind, table, "test", 1)
        return counted(self.lake, NAME, rollout(mode))


@pytest.fixture
def noted(tmp_path: Path) -> Noted:
    return Noted(tmp_path)


def test_nothing_noted_is_nothing_counted(noted: Noted) -> None:
    assert noted.counted("canary").candidate == noted.counted("shadow").candidate == Arm()


def test_each_release_of_a_canary_is_counted_for_itself(noted: Noted) -> None:
    for number in range(60):
        noted.request(CHAMPION, seconds=0.1 + number / 1000)
    ids = [noted.request(CANDIDATE, seconds=seconds) for seconds in (0.1, 0.22, 0.24, 9.0)]
    noted.request(CANDIDATE, status=500, code="internal_error")
    noted.request(CANDIDATE, code="engine_failed")  # in the middle of a stream
    noted.request(CANDIDATE, guardrails=["personal_data:replaced"])
    noted.request(CANDIDATE, guardrails=["abstained:told"])
    noted.feedback(ids[0], rating="good")
    noted.feedback(ids[1], label="Loan")
    left_out: list[dict[str, Any]] = [
        {"trial": True},
        {"model": f"{NAME}@candidate"},
        {"status": 400, "code": "invalid_value"},
        {"status": 499, "code": "went_away"},
        {"status": 429, "code": "engine_full"},
        {"at": BEGAN - timedelta(minutes=1)},
        {"at": BEGAN - timedelta(days=2)},
    ]
    for one in left_out:
        noted.request(CANDIDATE, **one)
    noted.request("release-0")
    found = noted.counted("canary")
    assert found.champion == Arm(requests=60)
    assert found.candidate == Arm(requests=8, errors=2, acted=1, right=1, wrong=1)
    assert (found.slow, found.timed) == (2, 6), "longer than 1.5 times 0.156 seconds"


def test_a_slow_candidate_is_not_told_before_the_champion_is_known(noted: Noted) -> None:
    for _ in range(49):
        noted.request(CHAMPION)
    noted.request(CANDIDATE, seconds=100.0)
    assert noted.counted("canary").timed == 0


def test_a_shadow_is_judged_by_the_labels_that_people_gave_the_champion(noted: Noted) -> None:
    for decision, label in (("Loan", "Loan"), ("Loan", "Card"), ("Card", "Card"), ("Card", "Loan"), ("Loan", "Other")):
        request = noted.request(CHAMPION)
        noted.shadow(request, decision)
        noted.feedback(request, label=label)
    unknown = noted.request(CHAMPION)
    noted.shadow(unknown, "Loan")
    noted.feedback(unknown, rating="bad")
    noted.shadow(noted.request(CHAMPION), "Card", code="engine_failed", champion_acted=True)
    noted.shadow(noted.request(CHAMPION), "Card", code="engine_full")
    noted.shadow(noted.request(CHAMPION), "Loan", agrees=None, acted=True)
    noted.shadow(noted.request(CHAMPION), "Loan", release="release-3")
    found = noted.counted("shadow")
    assert (found.better, found.worse) == (1, 1)
    assert (found.agreeing, found.compared) == (2, 6)
    assert (found.candidate.requests, found.candidate.errors, found.candidate.acted) == (8, 1, 1)
    assert (found.champion.requests, found.champion.acted) == (8, 1)
    told = differences(noted.lake, NAME, rollout("shadow"))
    assert len(told) == 4 and told[0]["champion"] == ["Card"] and told[0]["candidate"] == ["Loan"]
    assert unknown in {one["request_id"] for one in told}
