"""traffic.spool: what was taken is on the disk, and a disk that is full stops no server."""

import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ft_platform.errors import TransientError
from ft_platform.monitoring.traffic import spool as module
from ft_platform.monitoring.traffic.spool import Spool, opened, reading


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serving" / "spool.sqlite"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    made = Spool(path)
    made.start()
    yield made
    made.stop()


def kept(path: Path) -> list[tuple[str, str, dict]]:
    with reading(path) as reader:
        assert reader
        return [(one.use_case, one.kind, one.record) for one in reader.batch(10_000)]


def test_what_was_acknowledged_is_on_the_disk_in_its_order(spool: Spool, path: Path) -> None:
    waiting = [spool.append("complaints", {"requests": {"n": n}, "texts": {"said": "é"}}) for n in range(100)]
    assert all(one.result(10) for one in waiting)
    assert kept(path)[:2] == [("complaints", "requests", {"n": 0}), ("complaints", "texts", {"said": "é"})]
    assert [record["n"] for _, kind, record in kept(path) if kind == "requests"] == list(range(100))


def test_nobody_else_may_read_it(spool: Spool, path: Path) -> None:
    spool.append("complaints", {"requests": {}}).result(10)
    files = list(path.parent.iterdir())
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_removed_is_gone_from_the_disk(spool: Spool, path: Path) -> None:
    for said in ("Alda Quirrow", "somebody else"):
        texts = {"subject": said, "conversations": f"I am {said}"}
        assert spool.append("complaints", {"requests": {"n": 1}, "texts": texts}).result(10)
    with reading(path) as reader:
        assert reader and reader.remove_texts_of("complaints", "Alda Quirrow") == 1
        assert reader.remove_texts_of("another", "somebody else") == 0
    bytes_there = b"".join(one.read_bytes() for one in path.parent.iterdir())
    assert b"Alda Quirrow" not in bytes_there and b"somebody else" in bytes_there
    assert [kind for _, kind, _ in kept(path)] == ["requests", "requests", "texts"]


def test_a_number_is_never_used_twice(spool: Spool, path: Path) -> None:
    spool.append("complaints", {"requests": {}}).result(10)
    with reading(path) as reader:
        assert reader
        (first,) = reader.batch(10)
        reader.remove(first.number)
        assert reader.waiting() == 0
    spool.append("complaints", {"requests": {}}).result(10)
    with reading(path) as reader:
        assert reader and reader.batch(10)[0].number > first.number


def limited(monkeypatch: pytest.MonkeyPatch, pages: Callable[[], int]) -> None:
    """A disk that takes so many pages of SQLite, which then says what it says of a full disk (SQLITE_FULL)."""

    def small(path: Path) -> sqlite3.Connection:
        connection = opened(path)
        connection.execute(f"PRAGMA max_page_count={pages()}")
        return connection

    monkeypatch.setattr(module, "opened", small)


def test_a_full_disk_turns_it_off_loudly_and_it_goes_on_when_there_is_room(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    room = [20]
    limited(monkeypatch, lambda: room[0])
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.2)
    spool = Spool(path)
    spool.start()
    big = {"requests": {"said": "x" * 3000}}
    results = [spool.append("complaints", big).result(10) for _ in range(100)]
    assert results[0] and not results[-1]
    assert "full" in spool.off and spool.lost == results.count(False)
    assert caplog.text.count("TRAFFIC IS NOT NOTED") == 1
    room[0] = 100_000
    time.sleep(0.25)
    assert spool.append("complaints", big).result(10)
    spool.stop()
    assert spool.off == "" and "traffic is noted again" in caplog.text
    assert len(kept(path)) == results.count(True) + 1


def test_more_than_can_wait_is_counted_and_nobody_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    spool = Spool(path)  # not started: a disk that hangs
    waiting = [spool.append("complaints", {"requests": {}}) for _ in range(10)]
    assert [one.done() for one in waiting] == [False] * 3 + [True] * 7
    assert spool.lost == 7
    spool.start()
    spool.stop()
    assert [one.result() for one in waiting] == [True] * 3 + [False] * 7


def test_what_is_no_record_is_refused_alone(spool: Spool) -> None:
    assert not spool.append("complaints", {"requests": {"a": object()}}).result(10)
    assert spool.append("complaints", {"requests": {"a": 1}}).result(10)
    assert spool.lost == 1


def test_half_a_surrogate_pair_is_refused_alone(spool: Spool) -> None:
    assert not spool.append("complaints", {"texts": {"said": "\ud800"}}).result(10)
    assert spool.append("complaints", {"texts": {"said": "é"}}).result(10)


def test_texts_that_another_process_keeps_in_the_log_are_told(
    spool: Spool, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    spool.append("complaints", {"texts": {"subject": "Alda"}}).result(10)
    other = opened(path)
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM records").fetchone()
    with reading(path) as reader:
        assert reader
        with pytest.raises(TransientError, match="still on the disk"):
            reader.remove_texts_of("complaints", "Alda")
    other.close()
    with reading(path) as reader:
        assert reader and reader.remove_texts_of("complaints", "Alda") == 0


def test_a_file_that_is_no_spool_is_told(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else, long enough to be looked at as a database" * 100)
    with pytest.raises(TransientError, match=r"spool\.sqlite cannot be read"), reading(path):
        pass


def test_without_a_spool_no_folder_is_made(path: Path) -> None:
    with reading(path) as reader:
        assert reader is None
    assert not path.parent.exists()


KILLED = """
import os, sys
from pathlib import Path
from ft_platform.monitoring.traffic.spool import Spool
spool = Spool(Path(sys.argv[1]))
spool.start()
for number in range(10**9):
    if spool.append("complaints", {"requests": {"n": number}, "texts": {"n": number}}).result(10):
        os.write(1, b"%d\\n" % number)
"""


def test_a_server_that_is_killed_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """`benchmarks/capture.py` does it 200 times, with the shipping too."""
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        for _ in range(50):
            process.stdout.readline()
        process.kill()
        told = [line for line in process.stdout.read().split("\n") if line]
        process.wait()
        there = [record["n"] for _, kind, record in kept(path) if kind == "requests"]
        texts = [record["n"] for _, kind, record in kept(path) if kind == "texts"]
        assert (int(told[-1]) if told else 49) in there
        assert sorted(there) == list(range(len(there))) and texts == there
        with reading(path) as reader:
            assert reader
            reader.remove(reader.batch(100_000)[-1].number)


def test_records_that_wait_for_the_lake_are_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db")
    assert spool.waiting() is None, "there is no file yet"
    spool.start()
    for _ in range(3):
        assert spool.append("letters", {"requests": {"id": "a"}, "texts": {"id": "a"}}).result(10)
    assert spool.waiting() == 6
    with reading(spool.path) as reader:
        assert reader is not None and reader.waiting() == 6
        reader.remove(reader.batch(4)[-1].number)
        assert reader.waiting() == spool.waiting() == 2
        reader.remove(6)
    assert spool.waiting() == 0
    spool.stop()
