"""The newest row of each source key, without holding a row, and sets of keys held as hashes."""

import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.records import key_hashes as module
from ft_platform.records.key_hashes import KeyHashes, KeyIndex, joined, key_hashes
from ft_platform.records.newest_rows import newest_rows
from ft_platform.records.rows import TableRows

START = datetime(2026, 1, 1, tzinfo=UTC)


def newest_by_hand(lines: list[tuple[str | None, int | None, int | None]]) -> list[bool]:
    """One dictionary: the definition in the docstring, row by row."""
    best: dict[str, tuple[tuple, int]] = {}
    for number, (key, hours, position) in enumerate(lines):
        if key is not None:
            age = (-1 if hours is None else hours, -1 if position is None else position, number)
            if key not in best or age > best[key][0]:
                best[key] = (age, number)
    keep = {number for _, number in best.values()}
    return [key is None or number in keep for number, (key, _, _) in enumerate(lines)]


def table_of(lines: list[tuple[str | None, int | None, int | None]]) -> pa.Table:
    times = [None if hours is None else START + timedelta(hours=hours) for _, hours, _ in lines]
    return pa.table(
        {
            "source_key": pa.array([key for key, _, _ in lines], pa.string()),
            "ingested_at": pa.array(times, pa.timestamp("us", tz="UTC")),
            "source_position": pa.array([position for _, _, position in lines], pa.int64()),
        }
    )


@pytest.mark.parametrize("keys", [2, 40, 100_000])
def test_it_is_what_a_dictionary_finds(keys: int) -> None:
    draw = random.Random(keys)
    lines = [
        (
            draw.choice([None, f"k{draw.randrange(keys)}"]),
            draw.choice([None, *range(4)]),
            draw.choice([None, *range(3)]),
        )
        for _ in range(3_000)
    ]
    assert newest_rows(TableRows(table_of(lines), 257)).tolist() == newest_by_hand(lines)


def test_of_no_rows_none_is_the_newest() -> None:
    assert newest_rows(TableRows(table_of([]))).tolist() == []


def test_keys_that_share_half_of_their_hash_are_still_different_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def collide(keys: pa.Array) -> KeyHashes:
        full = key_hashes(keys)
        return KeyHashes(np.zeros_like(full.high), full.low)

    monkeypatch.setattr("ft_platform.records.newest_rows.key_hashes", collide)
    lines = [(f"k{n % 7}", n % 3, n) for n in range(60)]
    assert newest_rows(TableRows(table_of(lines), 8)).tolist() == newest_by_hand(lines)


def test_keys_are_found_where_they_are_and_nowhere_else() -> None:
    known = pa.array(["b", "a", "", "c"])
    index = KeyIndex(joined([key_hashes(known.slice(0, 2)), key_hashes(known.slice(2))]))
    found = index.find(key_hashes(pa.array(["a", "x", "c", None, "b"])))
    assert [None if place < 0 else known[int(index.order[place])].as_py() for place in found] == [
        "a",
        None,
        "c",
        "",
        "b",
    ]
    assert len(index) == 4 and index.repeated == 0
    assert KeyIndex(joined([])).find(key_hashes(pa.array(["a"]))).tolist() == [-1]


@pytest.mark.parametrize(
    ("keys", "repeated"), [(["a", "b"], 0), (["a", "a"], 1), (["a"] * 4 + ["b"] * 2 + ["c"], 2), ([], 0)]
)
def test_repeated_keys_are_counted_once_each(keys: list[str], repeated: int) -> None:
    assert KeyIndex(key_hashes(pa.array(keys, pa.string()))).repeated == repeated


def test_keys_that_share_the_first_half_are_told_apart_by_the_second() -> None:
    full = key_hashes(pa.array([f"k{n}" for n in range(50)]))
    known = KeyHashes(np.repeat(np.arange(5, dtype=np.uint64), 10), full.low)
    index = KeyIndex(known)
    assert index.order[index.find(known)].tolist() == list(range(50))
    strangers = KeyHashes(known.high, full.low + np.uint64(1))
    assert (index.find(strangers) == -1).all()
    assert module.DIGEST_BYTES * 8 == 128
