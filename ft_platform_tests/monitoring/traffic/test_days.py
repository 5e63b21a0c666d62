"""traffic.days and `ft traffic`: requests by day."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ft_platform.commands import traffic
from ft_platform.errors import ConfigError
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.days import summary
from ft_platform.monitoring.traffic.shipping import ship, spool_path
from ft_platform_tests.monitoring.traffic.test_shipping import noted, request, texts


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def environment(tmp_path: Path) -> Any:
    return SimpleNamespace(home=tmp_path)


def answered(number: int, day: int, seconds: float, **more: Any) -> dict[str, Any]:
    at = datetime(2026, 3, day, 12, tzinfo=UTC)
    return {**request(number, at), "seconds": seconds, "captured": False, "key": None, **more}


def opinion(number: int, label: str, day: int = 9) -> dict[str, Any]:
    at = datetime(2026, 3, day, 12, tzinfo=UTC).isoformat()
    return {
        "request_id": request(number)["request_id"],
        "at": at,
        "feedback_id": str(number),
        "index": 0,
        "label": label,
    }


@pytest.fixture
def shipped(lake: Lake, environment: Any) -> Path:
    path = spool_path(environment)
    noted(
        path,
        *({"requests": answered(n, 1, 0.1 * (n + 1))} for n in range(4)),
        {"requests": answered(4, 1, 9.0, status=503, answers=[])},
        {"requests": answered(5, 1, 9.0, trial=True)},
        {"requests": answered(6, 2, 0.5, captured=True), "texts": texts(6, "Alda")},
        {"feedback": opinion(0, "Card")},
        {"feedback": opinion(1, "Loan")},
        {"feedback": opinion(6, "Loan")},
        {"feedback": opinion(5, "Loan")},
    )
    return path


def test_a_day_has_its_requests_and_what_came_of_them_later(lake: Lake, shipped: Path) -> None:
    ship(lake, shipped)
    first, second = summary(lake, "complaints", 7)
    assert (first["day"], first["requests"], first["errors"], first["texts"]) == ("2026-03-01", 5, 1, 0)
    assert first["p50"] == pytest.approx(0.25) and first["p95"] == pytest.approx(0.385)
    assert (first["feedback"], first["judged"], first["right"]) == (2, 2, 0.5)
    assert (second["requests"], second["texts"], second["right"]) == (1, 1, 0.0)
    assert [one["day"] for one in summary(lake, "complaints", 1)] == ["2026-03-02"]
    assert summary(lake, "claims", 7) == []


def given(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    traffic.add_arguments(parser)
    return parser.parse_args(words)


def test_the_command_ships_and_shows(
    lake: Lake, environment: Any, shipped: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SimpleNamespace(monitoring=SimpleNamespace(logs=[]))
    use_case = SimpleNamespace(name="complaints", settings=settings)
    monkeypatch.setattr("ft_platform.commands.opened", lambda name: (environment, use_case, lake))
    assert traffic.run(given("complaints", "--json")) == 0
    assert [one["requests"] for one in json.loads(capsys.readouterr().out)["days"]] == [5, 1]
    assert traffic.run(given("complaints")) == 0
    said = capsys.readouterr().out
    assert "2026-03-01" in said and "50% of 2 judged" in said and "Alda" not in said


def test_shipping_alone(
    lake: Lake, environment: Any, shipped: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ft_platform.use_case.environment.load_environment", lambda: environment)
    monkeypatch.setattr("ft_platform.lake.opening.open_lake", lambda _: lake)
    assert traffic.run(given("--ship")) == 0
    assert capsys.readouterr().out == "complaints: 7 requests, 1 texts, 4 feedback\n"
    assert traffic.run(given("--ship")) == 0
    assert capsys.readouterr().out == "nothing new\n"


@pytest.mark.parametrize("words", [(), ("complaints", "--ship")])
def test_it_wants_one_or_the_other(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="name a use case, or --ship"):
        traffic.run(given(*words))
