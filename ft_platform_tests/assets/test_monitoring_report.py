"""The asset `monitoring_report` and its sensor."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.assets import monitoring_report as asset_file
from ft_platform.assets.monitoring_report import NO_ALARM, monitoring_report
from ft_platform.assets.version_io import VersionIOManager
from ft_platform.orchestration.loading import load_definitions
from ft_platform_tests.monitoring.made_up import MadeUp, day, made_up

CHANGED = (0.1, 0.1, 0.8)


@pytest.fixture
def made(tmp_path: Path) -> MadeUp:
    return made_up(tmp_path)


def given(made: MadeUp) -> dict[str, Any]:
    return {"lake": made.lake, "environment": made.environment, "versions": VersionIOManager()}


def materialized(made: MadeUp, partition: str) -> tuple[Any, Any]:
    """Metadata of the asset, and its check."""
    asset, check, *_ = monitoring_report(made.use_case)
    result = dg.materialize([asset, check], partition_key=partition, resources=given(made))
    (event,) = result.asset_materializations_for_node("complaints__monitoring_report")
    (check,) = result.get_asset_check_evaluations()
    assert event.partition == partition
    return event.metadata, check


def test_a_day_has_pictures_a_link_and_a_check_that_blocks_nothing(made: MadeUp) -> None:
    for number in (1, 2):
        made.asked(number)
    made.asked(3, shares=CHANGED)
    metadata, check = materialized(made, day(2))
    assert check.passed and check.check_name == NO_ALARM
    assert {"plot/days", "plot/watched", "plot/labels", "report"} <= set(metadata)
    assert metadata["records"].value == "150" and "Nothing is unusual" in metadata["verdict"].value
    metadata, check = materialized(made, day(3))
    assert not check.passed and check.severity == dg.AssetCheckSeverity.WARN and not check.blocking
    assert "label" in check.metadata["alarms"].value and metadata["alarms"].value != "0"


def test_a_day_without_requests_fails_and_says_what_to_look_at(made: MadeUp) -> None:
    with pytest.raises(dg.Failure, match="nobody asked complaints"):
        materialized(made, day(1))


class Clock(datetime):
    moment = datetime(2026, 3, 3, 0, 5, tzinfo=UTC)

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return cls.moment


def test_a_day_is_made_when_it_is_over_today_every_six_hours_and_again_for_late_labels(
    made: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset_file, "datetime", Clock)
    asset, _, job, sensor = monitoring_report(made.use_case)
    graph = dg.Definitions(assets=[asset], jobs=[job], sensors=[sensor], resources=given(made))
    cursor: list[Any] = [None]

    def tick(at: datetime) -> list[str]:
        Clock.moment = at
        with dg.build_sensor_context(
            cursor=cursor[0], resources={"lake": made.lake}, repository_def=graph.get_repository_def()
        ) as context:
            data = sensor.evaluate_tick(context)
        cursor[0] = data.cursor
        return [one.partition_key for one in data.run_requests or []]

    yesterday = made.asked(1)
    second_day = datetime(2026, 3, 3, 0, 5, tzinfo=UTC)
    assert tick(second_day) == [], "servers may still ship"
    assert tick(second_day + timedelta(minutes=15)) == [day(1)]
    assert tick(second_day + timedelta(minutes=20)) == []
    made.asked(2)
    assert tick(second_day + timedelta(minutes=25)) == [day(2)]
    made.asked(2, writer="more")
    assert tick(second_day + timedelta(minutes=30)) == [] and tick(second_day + timedelta(hours=6)) == [day(2)]
    made.judged(yesterday[:3], on=2)
    assert tick(second_day + timedelta(hours=7)) == [day(1)] and tick(second_day + timedelta(hours=7)) == []


def test_it_follows_traffic_and_evaluation_and_no_job_of_the_use_case_has_days(made: MadeUp) -> None:
    repository = load_definitions(made.environment, only="complaints").get_repository_def()
    node = repository.asset_graph.get(dg.AssetKey(["complaints", "monitoring_report"]))
    assert {one.path[-1] for one in node.parent_keys} == {"served_traffic", "evaluation_report"}
    partitioned = {job.name for job in repository.get_all_jobs() if job.partitions_def and job.name[0] != "_"}
    assert partitioned == {"complaints_monitoring"}
