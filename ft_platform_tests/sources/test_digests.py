"""Digests in arrays behave like ids in a set, also where numpy would drop a zero byte."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.errors import DataError
from ft_platform.sources.digests import DIGEST, DigestCounts, digests, from_hex, occurrences, places_in, to_hex

ZERO_AT_THE_END = np.array([b"abc", b"abc\0\0d", b"\0" * 12, b"\xff" * 11, b"z" * 12], DIGEST)


def test_hex_and_back_is_the_same_for_every_digest() -> None:
    values = np.concatenate([ZERO_AT_THE_END, digests(str(i).encode() for i in range(1000))])
    ids = to_hex(values)
    assert ids[0].as_py() == "616263" + "00" * 9 and all(len(i) == 24 for i in ids.to_pylist())
    assert (from_hex(ids) == values).all()
    assert (from_hex(ids.slice(3, 17)) == values[3:20]).all()
    assert len(from_hex(pa.array([], pa.string()))) == 0


@pytest.mark.parametrize("wrong", ["abc", "x" * 24, "A" * 24, None])
def test_what_is_no_record_id_is_an_error(wrong: str | None) -> None:
    with pytest.raises(DataError):
        from_hex(pa.array(["0" * 24, wrong], pa.string()))


def test_lookup_finds_what_is_there_and_nothing_else() -> None:
    values = np.unique(np.concatenate([ZERO_AT_THE_END, digests(str(i).encode() for i in range(100))]))
    wanted = np.concatenate([digests(str(i).encode() for i in range(50, 150)), ZERO_AT_THE_END])
    places, there = places_in(values, wanted)
    assert there.tolist() == [True] * 50 + [False] * 50 + [True] * 5
    assert (values[places[there]] == wanted[there]).all()
    assert not places_in(np.empty(0, DIGEST), wanted)[1].any()


def test_counts_are_those_of_a_counter() -> None:
    numbers = np.random.default_rng(7).integers(0, 300, 5000)
    values = digests(str(n).encode() for n in numbers)
    counts, counter = DigestCounts(), Counter()
    for start in range(0, 5000, 137):
        part = numbers[start : start + 137].tolist()
        expected = [counter[n] + part[:i].count(n) for i, n in enumerate(part)]
        found = counts.of(values[start : start + 137]) + occurrences(values[start : start + 137])
        assert found.tolist() == expected
        counts.add(values[start : start + 137])
        counter.update(part)
    assert len(counts.distinct()) == len(counter)
    assert counts.of(values).tolist() == [counter[n] for n in numbers.tolist()]
