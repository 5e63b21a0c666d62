"""The external asset `served_traffic` and its sensor: what servers noted gets to the lake, and days that changed are
told."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.assets.served_traffic import served_traffic
from ft_platform.errors import DiskFull
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic import shipping
from ft_platform.monitoring.traffic.shipping import spool_path
from ft_platform.monitoring.traffic.tables import TrafficTables
from ft_platform.orchestration.loading import load_definitions
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.monitoring.traffic.log_lines import chat, otlp
from ft_platform_tests.monitoring.traffic.test_shipping import noted, request, texts
from ft_platform_tests.tables import use_case

NOW = datetime.now(UTC)


class Ticks:
    """Ticks of the sensor, each with the cursor that the one before left."""

    def __init__(self, home: Path, **sections: Any) -> None:
        self.environment = Environment(home=home)
        self.lake = Lake(str(home / "lake"))
        self.case = use_case(**sections)
        self.spec, self._sensor = served_traffic(self.case)
        self.cursor: str | None = None
        self.skipped = ""

    def tick(self) -> dict[str, int]:
        """Day -> requests, of the days that were told."""
        given: Any = {"lake": self.lake, "environment": self.environment}
        assets = dg.Definitions(assets=[self.spec])
        with dg.build_sensor_context(cursor=self.cursor, definitions=assets, resources=given) as context:
            data = self._sensor.evaluate_tick(context)
        assert not data.run_requests
        self.cursor, self.skipped = data.cursor, data.skip_message or ""
        return {event.partition: event.metadata["requests"].value for event in data.asset_events}

    def noted(self, *records: dict[str, Any]) -> None:
        noted(spool_path(self.environment), *records, use_case=self.case.name)


@pytest.fixture
def ticks(tmp_path: Path) -> Ticks:
    return Ticks(tmp_path)


def day(ago: int) -> str:
    return (NOW - timedelta(ago)).date().isoformat()


def test_a_day_is_told_when_requests_of_it_came_and_not_again(ticks: Ticks) -> None:
    assert ticks.tick() == {} and ticks.skipped == "no new request"
    ticks.noted({"requests": request(1, NOW)}, {"requests": request(2, NOW - timedelta(1))})
    assert ticks.tick() == {day(1): 1, day(0): 1}
    assert ticks.tick() == {}
    ticks.noted({"requests": request(3, NOW)})
    assert ticks.tick() == {day(0): 2}


def test_texts_are_deleted_once_a_day(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    old = NOW - timedelta(31)
    ticks.noted({"requests": request(1, old), "texts": texts(1, "Alda", old)})
    ticks.tick()
    tables = TrafficTables(ticks.lake, ticks.case.name)
    assert tables.rows_of_days("texts") == {} and tables.rows_of_days() == {day(31): 1}
    monkeypatch.setattr(shipping, "tidy", lambda *_: pytest.fail("a second time"))
    ticks.noted({"requests": request(2, NOW)})
    assert ticks.tick() == {day(0): 1}


def test_a_lake_that_is_full_is_told_and_tried_again(ticks: Ticks, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks.noted({"requests": request(1, NOW)})

    def full(*_: Any) -> None:
        raise DiskFull("no space left for traffic", "Free some space")

    with monkeypatch.context() as disk:
        disk.setattr(shipping, "ship", full)
        assert ticks.tick() == {} and "no space left" in ticks.skipped
    assert ticks.tick() == {day(0): 1}


def test_logs_of_other_servers_are_read(tmp_path: Path) -> None:
    log = {"uri": str(tmp_path / "spans.jsonl"), "format": "otel", "target": "local"}
    ticks = Ticks(tmp_path, monitoring={"logs": [log]})
    assert ticks.tick() == {} and ticks.skipped == "no new request", "a log that is not there stops nothing"
    (tmp_path / "spans.jsonl").write_text(f"{otlp(chat(1, NOW))}\n")
    ticks.noted({"requests": request(2, NOW)})
    assert ticks.tick() == {day(0): 2}


def test_it_follows_every_target_and_is_made_by_no_run(environment: Environment) -> None:
    targets = {"local": {"kind": "local"}, "far": {"kind": "openai_endpoint", "url": "http://h", "model": "m"}}
    attributes = {**minimal_attributes("records.csv"), "serving": {"targets": targets}}
    write_use_case(environment.defs, "complaints", attributes)
    graph = load_definitions(environment, only="complaints").get_repository_def().asset_graph
    node = graph.get(dg.AssetKey(["complaints", "served_traffic"]))
    assert {key.path[-1] for key in node.parent_keys} == {"local", "far"}
    assert not node.is_executable and node.partitions_def is not None
