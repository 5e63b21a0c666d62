"""Equal keys, found in parts: the answer does not depend on how many."""

import random

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.records.key_hashes import KeyHashes, collected
from ft_platform.records.near_duplicates import copies

KEYS = [random.Random(5).choice("abcdefghij") * random.Random(row).randrange(1, 40) for row in range(500)]


def hashes_of(keys: list[str]) -> KeyHashes:
    return collected([pa.array(keys[:7]), pa.array(keys[7:], pa.string())], len(keys))


@pytest.fixture(params=[3, 50, 1000])
def places_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(copies, "PLACES_AT_ONCE", request.param)
    return request.param


def test_the_first_of_equal_keys(places_at_once: int) -> None:
    first = copies.first_of_equal(hashes_of(KEYS))
    assert first.tolist() == [place if (place := KEYS.index(key)) < row else -1 for row, key in enumerate(KEYS)]


def test_the_first_by_another_order(places_at_once: int) -> None:
    order = np.random.default_rng(1).permutation(len(KEYS)).astype(np.int32)
    best = {
        key: min((row for row, other in enumerate(KEYS) if other == key), key=lambda row: order[row])
        for key in set(KEYS)
    }
    assert copies.first_of_equal(hashes_of(KEYS), order).tolist() == [
        -1 if best[key] == row else best[key] for row, key in enumerate(KEYS)
    ]


def test_ranges_hold_every_place_once_and_equal_keys_together(places_at_once: int) -> None:
    ranges = [places.tolist() for places in copies.key_ranges(hashes_of(KEYS))]
    assert len(ranges) == max(1, len(KEYS) // places_at_once)
    assert sorted(place for places in ranges for place in places) == list(range(len(KEYS)))
    of_range = [{KEYS[place] for place in places} for places in ranges]
    assert sum(len(keys) for keys in of_range) == len(set(KEYS))


def test_no_keys(places_at_once: int) -> None:
    nothing = collected([], 0)
    assert copies.first_of_equal(nothing).tolist() == [] and [
        places.tolist() for places in copies.key_ranges(nothing)
    ] == [[]]


@pytest.mark.parametrize("rows", [499, 501])
def test_another_number_of_keys_than_announced_is_refused(rows: int) -> None:
    with pytest.raises(ValueError, match=f"500 keys instead of the {rows} rows"):
        collected([pa.array(KEYS)], rows)
