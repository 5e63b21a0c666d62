from itertools import pairwise

import numpy as np
import pytest

from ft_platform.records.profiling.lengths import EDGES, Lengths, bin_end


def lengths(values: list[int] | np.ndarray) -> Lengths:
    made = Lengths()
    made.add(np.asarray(values))
    return made


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 0.99])
def test_quantiles_are_within_nine_percent_of_those_of_numpy(share: float) -> None:
    values = np.random.default_rng(0).lognormal(5, 1.5, 20_000).astype(int)
    assert lengths(values).quantile(share) == pytest.approx(np.quantile(values, share), rel=0.09)


def test_short_lengths_are_exact() -> None:
    found = lengths([0, 1, 1, 2, 15])
    assert (found.smallest, found.quantile(0.5), found.largest, found.mean) == (0, 1, 15, 3.8)
    assert found.histogram == {0: 1, 1: 2, 2: 1, 15: 1}


def test_batches_add_up_to_the_whole() -> None:
    values = np.random.default_rng(1).integers(0, 5_000, 3_000)
    made = Lengths()
    for part in np.array_split(values, 7):
        made.add(part)
    assert made == lengths(values)
    assert made.total == values.sum() and made.rows == sum(made.histogram.values())


def test_a_quantile_is_never_beyond_the_longest_and_shortest() -> None:
    found = lengths([1_000_003] * 5)
    assert {found.quantile(share) for share in (0, 0.5, 1)} == {1_000_003}


def test_without_rows_everything_is_zero() -> None:
    found = lengths(np.empty(0, np.int64))
    assert (found.rows, found.mean, found.quantile(0.5)) == (0, 0.0, 0)


def test_bins_are_at_most_nine_percent_wide_and_leave_no_gap() -> None:
    assert all(bin_end(edge) == following for edge, following in pairwise(EDGES.tolist()))
    wide = EDGES[EDGES >= 64]
    assert ((wide[1:] - wide[:-1]) / wide[:-1]).max() < 0.105
    assert list(EDGES[:18]) == [*range(16), 16, 18]
