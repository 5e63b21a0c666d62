"""traffic.shipping and traffic.tables: each record once, and deleted for real."""

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic import shipping
from ft_platform.monitoring.traffic.shipping import forget_subject, ship, tidy
from ft_platform.monitoring.traffic.spool import Reader, Spool, opened
from ft_platform.monitoring.traffic.tables import SCHEMAS, TrafficTables
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.monitoring import Capture, Monitoring


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(Environment(home=tmp_path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serving" / "spool.sqlite"


def request(number: int, at: datetime | None = None) -> dict[str, Any]:
    answer = {"decision": "Card", "confidence": 0.9, "entropy": 0.3, "abstained": False, "reason": "stop"}
    return {
        "request_id": f"classify-{number:032x}",
        "at": (at or datetime(2026, 3, 1, 12, tzinfo=UTC)).isoformat(),
        "release": "release-1",
        "status": 200,
        "answers": [{**answer, "characters": 4}],
        "trial": False,
    }


def texts(number: int, subject: str, at: datetime | None = None) -> dict[str, Any]:
    return {
        **{name: request(number, at)[name] for name in ("request_id", "at", "release")},
        "subject": subject,
        "conversations": "[]",
        "answers": [f"answer to {subject}"],
    }


def opinion(number: int, at: datetime | None = None) -> dict[str, Any]:
    told = {name: request(number, at)[name] for name in ("request_id", "at", "release")}
    return {**told, "feedback_id": str(number), "index": 0, "rating": "good"}


def noted(path: Path, *records: dict[str, dict[str, Any]], use_case: str = "complaints") -> None:
    spool = Spool(path)
    spool.start()
    waiting = [spool.append(use_case, one) for one in records]
    assert all(one.result(10) for one in waiting)
    spool.stop()


def ids(lake: Lake, kind: str = "requests", use_case: str = "complaints") -> list[str]:
    return sorted(TrafficTables(lake, use_case).read(kind)["request_id"].to_pylist())


def test_every_record_gets_to_the_table_of_its_use_case_and_leaves_the_spool(lake: Lake, path: Path) -> None:
    noted(path, {"requests": request(1), "texts": texts(1, "Alda")}, {"requests": request(2)})
    noted(path, {"requests": request(3)}, use_case="claims")
    assert ship(lake, path) == {"complaints": {"requests": 2, "texts": 1}, "claims": {"requests": 1}}
    assert ids(lake) == [request(1)["request_id"], request(2)["request_id"]] and len(ids(lake, use_case="claims")) == 1
    row = TrafficTables(lake, "complaints").read("requests", days=["2026-03-01"]).to_pylist()[0]
    assert row["answers"][0]["decision"] == "Card" and row["answers"][0]["confidence"] == 0.9
    assert TrafficTables(lake, "complaints").rows_of_days() == {"2026-03-01": 2}
    assert row["day"] == "2026-03-01" and row["at"] == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert ship(lake, path) == {}
    assert TrafficTables(lake, "complaints").read("feedback").schema.equals(SCHEMAS["feedback"])


def test_without_a_spool_there_is_nothing_to_ship(lake: Lake, path: Path) -> None:
    assert ship(lake, path) == {} and TrafficTables(lake, "complaints").rows_of_days() == {}


@pytest.mark.parametrize("commits", [0, 1, 2, 3])
def test_one_that_is_killed_between_commits_adds_nothing_twice(
    lake: Lake, path: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    noted(path, *({"requests": request(n), "texts": texts(n, "Alda")} for n in range(5)))
    append, left = TrafficTables.append, [commits]

    class Killed(BaseException):
        pass

    def until_killed(self: TrafficTables, *of: Any) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        append(self, *of)

    def killed(self: Reader, last: int) -> None:
        raise Killed

    with monkeypatch.context() as kill:
        kill.setattr(TrafficTables, "append", until_killed)
        if commits >= 2:
            kill.setattr(Reader, "remove", killed)
        with pytest.raises(Killed):
            ship(lake, path)
    noted(path, {"requests": request(5)})
    ship(lake, path)
    assert len(ids(lake)) == len(set(ids(lake))) == 6 and len(ids(lake, "texts")) == 5


def test_many_records_are_shipped_in_parts(lake: Lake, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "BATCH", 3)
    noted(path, *({"requests": request(n), "texts": texts(n, "Alda")} for n in range(5)))
    assert ship(lake, path) == {"complaints": {"requests": 5, "texts": 5}}
    assert len(ids(lake)) == 5


@pytest.mark.parametrize(
    "damaged",
    [
        {"unknown": request(9)},
        {"requests": {"at": "2026-03-01"}},
        {"requests": {**request(9), "status": 10**9}},
        {"requests": {**request(9), "answers": "none"}},
        {"requests": {**request(9), "at": "yesterday"}},
        {"requests": {"status": 200}},
    ],
)
def test_a_record_that_fits_no_table_holds_up_no_other(
    lake: Lake, path: Path, damaged: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    noted(path, {"requests": request(1)}, damaged, {"requests": request(2)})
    ship(lake, path)
    assert {request(1)["request_id"], request(2)["request_id"]} <= set(ids(lake))
    assert "fit no table" in caplog.text and "yesterday" not in caplog.text
    with closing(opened(path)) as spool:
        assert spool.execute("SELECT count(*) FROM damaged").fetchone()[0] == 1
        assert spool.execute("SELECT count(*) FROM records").fetchone()[0] == 0
    assert ship(lake, path) == {}


def test_what_is_older_than_allowed_is_deleted_from_the_disk(lake: Lake, path: Path) -> None:
    now = datetime.now(UTC)
    for number, days in enumerate((0, 29, 31, 800)):
        at = now - timedelta(days)
        given = {**opinion(number, at), "comment": f"comment of day {days}"}
        noted(path, {"requests": request(number, at), "texts": texts(number, f"subject of day {days}", at)})
        noted(path, {"feedback": given})
    ship(lake, path)
    monitoring = Monitoring(capture=Capture(share=1, purpose="to retrain"))
    gone = tidy(lake, "complaints", monitoring)
    assert gone == {"texts": 2, "feedback": 1, "requests": 1, "words": 1, "shadows": 0}
    there = b"".join(one.read_bytes() for one in Path(lake.root).rglob("*") if one.is_file())
    assert b"subject of day 29" in there
    assert b"subject of day 31" not in there and b"subject of day 800" not in there
    assert b"comment of day 29" in there and b"comment of day 31" not in there and b"comment of day 800" not in there
    assert len(TrafficTables(lake, "complaints").read("feedback")) == 3, "opinions stay"
    assert set(tidy(lake, "complaints", monitoring).values()) == {0}


def test_texts_go_from_the_disk_though_the_clock_was_set_back_or_a_process_was_killed(
    lake: Lake, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    for number, days in enumerate((0, 31, 32)):
        noted(path, {"texts": texts(number, f"subject of day {days}", now - timedelta(days))})
    ship(lake, path)
    folder = Path(lake.root) / "restricted/complaints/traffic/texts"
    monitoring = Monitoring(capture=Capture(share=1, purpose="to retrain"))
    monkeypatch.setattr(DeltaTable, "vacuum", lambda *args, **settings: [])  # as if nothing was old enough
    DeltaTable(folder).delete(f"day = '{(now - timedelta(32)).date()}'")  # and then the process was killed
    left = {one.name for one in folder.rglob("*.parquet")}
    tidy(lake, "complaints", monitoring)
    there = b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())
    assert b"subject of day 0" in there and b"subject of day 31" not in there
    for one in folder.rglob("*.parquet"):
        if one.name in left:
            os.utime(one, (0, 0))
    tidy(lake, "complaints", monitoring)
    there = b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())
    assert b"subject of day 0" in there, "it is still named, however old"
    assert b"subject of day 32" not in there


def test_a_table_and_a_spool_from_before_there_were_features_go_on(lake: Lake, path: Path) -> None:
    yesterday = datetime.now(UTC) - timedelta(1)
    folder, older = Path(lake.root) / "restricted/complaints/traffic/texts", SCHEMAS["texts"].names
    older.remove("features")
    row = {**texts(1, "Alda", yesterday), "at": yesterday, "day": yesterday.date().isoformat()}
    write_deltalake(folder, pa.Table.from_pylist([row], SCHEMAS["texts"]).select(older), partition_by=["day"])
    tables = TrafficTables(lake, "complaints")
    assert tables.read("texts").to_pylist() == [{**dict.fromkeys(SCHEMAS["texts"].names), **row}]
    noted(path, {"texts": {**texts(2, "Berta", yesterday), "features": '{"region": "north"}'}})
    noted(path, {"texts": texts(3, "Berta", yesterday)})
    for _ in range(2):  # as it was shipped, and in one file
        ship(lake, path)
        found = {one["request_id"][-1]: one["features"] for one in tables.read("texts").to_pylist()}
        assert found == {"1": None, "2": '{"region": "north"}', "3": None}
        tidy(lake, "complaints", Monitoring(capture=Capture(share=1, purpose="to retrain")))
    assert len(list(folder.rglob("*.parquet"))) == 1


def test_what_a_person_said_of_a_feature_is_deleted_with_the_texts(lake: Lake, path: Path) -> None:
    for number in (1, 2):
        noted(path, {"texts": {**texts(number, f"person {number}"), "features": f'{{"region": "region {number}"}}'}})
        if number == 1:
            ship(lake, path)
    places = (Path(lake.root), path.parent)
    for number, left in ((1, True), (2, False)):
        assert forget_subject(lake, path, "complaints", f"person {number}") == 1
        there = b"".join(one.read_bytes() for place in places for one in place.rglob("*") if one.is_file())
        assert b"region 1" not in there and (b"region 2" in there) is left


def test_past_days_have_one_file(lake: Lake, path: Path) -> None:
    now = datetime.now(UTC)
    for number in range(6):
        noted(path, {"requests": request(number, now - timedelta(number % 2))})
        ship(lake, path)
    files = lambda: sorted(one.parent.name for one in Path(lake.root).rglob("requests/day=*/*.parquet"))  # noqa: E731
    today, yesterday = (f"day={(now - timedelta(ago)).date()}" for ago in (0, 1))
    assert files() == [yesterday] * 3 + [today] * 3
    tidy(lake, "complaints", Monitoring())
    assert files() == [yesterday] + [today] * 3
    noted(path, {"requests": request(6, now)})
    ship(lake, path)
    assert len(ids(lake)) == 7


def test_texts_of_a_person_are_deleted_where_they_wait_and_where_they_are(lake: Lake, path: Path) -> None:
    noted(path, {"requests": request(1), "texts": texts(1, "O'Hara")}, {"texts": texts(2, "Alda")})
    noted(path, {"feedback": {**opinion(1), "comment": "O'Hara called again"}})
    noted(path, {"feedback": {**opinion(2), "comment": "all is well"}})
    ship(lake, path)
    noted(path, {"requests": request(3), "texts": texts(3, "O'Hara")})
    noted(path, {"feedback": {**opinion(3), "answer": "Tell O'Hara"}})
    assert forget_subject(lake, path, "complaints", "O'Hara") == 2
    assert ids(lake, "texts") == [texts(2, "")["request_id"]] and len(ids(lake)) == 2
    files = [one for folder in (Path(lake.root), path.parent) for one in folder.rglob("*") if one.is_file()]
    assert not [one for one in files if b"O'Hara" in one.read_bytes()]
    comments = TrafficTables(lake, "complaints").read("feedback")["comment"].to_pylist()
    assert sorted(comments, key=str) == [None, None, "all is well"]


def test_a_time_lapse_ships_records_under_a_later_day(lake: Lake, path: Path) -> None:
    noted(path, {"requests": request(1), "feedback": opinion(1)})
    ship(lake, path, timedelta(days=3))
    for kind in ("requests", "feedback"):
        row = TrafficTables(lake, "complaints").read(kind).to_pylist()[0]
        assert row["day"] == "2026-03-04" and row["at"] == datetime(2026, 3, 4, 12, tzinfo=UTC)
