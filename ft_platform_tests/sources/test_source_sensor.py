"""The sensor reports each change of a source once, whatever the kind of source."""

import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.errors import SourceError
from ft_platform.governance import feedback_releases
from ft_platform.lake.opening import open_lake
from ft_platform.orchestration.sensors import source_sensor
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.aws_server import s3_bucket
from ft_platform_tests.tables import use_case

HEADER = "id,text,label,consent,region\n"


class Sensor:
    """Ticks of a sensor, each with the cursor that the one before left, as the daemon does it."""

    def __init__(self, environment: Environment, **source: Any) -> None:
        case = use_case(source=source)
        self._environment = environment
        self._uri = case.settings.source.uri
        self._sensor = source_sensor(case)
        self._definitions = dg.Definitions(assets=[dg.AssetSpec([case.name, "source"])])
        self.cursor: str | None = None
        self.skipped = ""

    def tick(self, settled: bool = True) -> list[str]:
        """Data versions that were reported.

        Args:
            settled: the files were written a while ago.
        """
        for path in Path(self._uri).parent.rglob("*.csv") if settled and self._uri.startswith("/") else []:
            os.utime(path, (time.time() - 60, time.time() - 60))
        with dg.build_sensor_context(
            cursor=self.cursor,
            definitions=self._definitions,
            resources={"environment": self._environment, "lake": open_lake(self._environment)},
        ) as context:
            data = self._sensor.evaluate_tick(context)
        assert not data.run_requests, "what runs is the automation's decision"
        self.cursor, self.skipped = data.cursor, data.skip_message or ""
        return [
            event.tags["dagster/data_version"]
            for event in data.asset_events
            if isinstance(event, dg.AssetMaterialization) and event.tags
        ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "a.csv"
    path.parent.mkdir()
    path.write_text(HEADER + "1,a text,card,yes,north\n")
    return path


def test_feedback_that_was_released_or_taken_back_is_a_change(
    environment: Environment, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor, released = Sensor(environment, uri=str(file)), dict[str, str]()
    monkeypatch.setattr(feedback_releases, "released_batches", lambda lake, use_case: dict(released))
    first = sensor.tick()
    released["traffic://2026-03-01-0a1b2c3d"] = "a hash"
    second = sensor.tick()
    assert len(second) == 1 and second != first and sensor.tick() == []
    released.clear()
    assert sensor.tick() == first


def test_each_change_of_a_folder_is_reported_once(environment: Environment, file: Path) -> None:
    sensor = Sensor(environment, uri=str(file.parent))
    first = sensor.tick()
    assert len(first) == 1 and sensor.tick() == sensor.tick() == []
    file.touch()
    assert sensor.tick() == [], "the same bytes are no change"
    text = file.read_text()
    file.with_name("b.csv").write_text(HEADER + "2,a text,card,yes,north\n")
    second = sensor.tick()
    assert len(second) == 1 and second != first and sensor.tick() == []
    file.write_text(text.replace("yes", "no"))
    assert len(sensor.tick()) == 1 and sensor.tick() == []
    file.write_text(text)
    file.with_name("b.csv").unlink()
    assert sensor.tick() == first, "an earlier content is the earlier version again"


def test_a_file_that_is_being_written_is_reported_once_and_complete(
    environment: Environment, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ft_platform.sources.source_file.SETTLED_SECONDS", 30
    )  # a busy machine may need more than two for one tick
    sensor = Sensor(environment, uri=str(file.parent))
    first = sensor.tick()
    for i in range(2, 5):
        with open(file, "a") as growing:
            growing.write(f"{i},a text,card,yes,north\n")
        assert sensor.tick(settled=False) == [] and "written completely" in sensor.skipped
    second = sensor.tick()
    assert len(second) == 1 and second != first and sensor.tick() == []


def test_a_lost_cursor_reports_the_same_version_which_changes_nothing(environment: Environment, file: Path) -> None:
    sensor = Sensor(environment, uri=str(file))
    first = sensor.tick()
    for lost in (None, "not JSON"):
        sensor.cursor = lost
        assert sensor.tick() == first


def test_a_broken_or_missing_source_fails_its_tick_and_is_no_event(environment: Environment, file: Path) -> None:
    sensor = Sensor(environment, uri=str(file))
    sensor.tick()
    cursor, text = sensor.cursor, file.read_text()
    file.unlink()
    with pytest.raises(SourceError, match="there is no file or folder"):
        sensor.tick()
    assert sensor.cursor == cursor
    file.write_text(text)
    assert sensor.tick() == []


def test_a_table_is_watched_by_its_high_water_column_or_whole(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    def execute(statement: str) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute(statement)

    execute("CREATE TABLE t (id INTEGER, text TEXT, changed INTEGER)")
    execute("INSERT INTO t VALUES (1, 'a', 1)")
    by_mark = Sensor(environment, uri=f"sqlite:///{path}", table="t", high_water_column="changed")
    whole = Sensor(environment, uri=f"sqlite:///{path}", table="t")
    assert len(by_mark.tick()) == len(whole.tick()) == 1
    execute("UPDATE t SET text = 'b'")
    assert by_mark.tick() == [] and len(whole.tick()) == 1
    execute("UPDATE t SET text = 'c', changed = 2")
    assert len(by_mark.tick()) == len(whole.tick()) == 1 and by_mark.tick() == whole.tick() == []


@pytest.mark.integration
def test_a_bucket_is_listed_and_read_only_when_an_object_was_written(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_bucket("watched", monkeypatch) as client:
        put: Callable[[str, str], Any] = lambda key, text: client.put_object(  # noqa: E731
            Bucket="watched", Key=key, Body=text.encode()
        )
        put("in/a.csv", HEADER + "1,a text,card,yes,north\n")
        for uri in ("s3://watched/in", "s3://watched/in/*.csv", "s3://watched/in/a.csv"):
            put("in/a.csv", HEADER + "1,a text,card,yes,north\n")
            sensor = Sensor(environment, uri=uri)
            first = sensor.tick()
            assert len(first) == 1 and json.loads(sensor.cursor or "")["listing"]
            assert sensor.tick() == [] and "no object of the bucket was written" in sensor.skipped
            put("in/notes.txt", uri)
            put("in/a.csv", HEADER + "1,a text,card,yes,north\n")
            assert sensor.tick() == [], "no data, and the same bytes"
            put("in/a.csv", HEADER + "1,a text,card,no,north\n")
            second = sensor.tick()
            assert len(second) == 1 and second != first and sensor.tick() == []


def test_a_bucket_that_is_not_allowed_fails_its_tick(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_bucket("watched", monkeypatch):
        sensor = Sensor(environment, uri="s3://nowhere/in")
        assert sensor.tick() == [] and "cannot be listed" in sensor.skipped
        monkeypatch.setenv("FT_SOURCES_ALLOWED", "s3://other")
        with pytest.raises(SourceError, match="not on the list of allowed sources"):
            sensor.tick()
