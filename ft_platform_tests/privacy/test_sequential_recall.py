"""The interval of a recall that is looked at after each record. What is found and missed is simulated."""

import math

import numpy as np
import pytest

from ft_platform.privacy.annotated import LEAST_TEXTS
from ft_platform.privacy.evaluation import wilson
from ft_platform.privacy.sequential_recall import Seen, capital, interval, records_to_go

RUNS, RECORDS, FLOOR = 2_000, 300, 0.9
WON = math.log(40)


def runs(recall: float, seed: int, rare_recall: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Shares and sizes of simulated samples, shape `(runs, records)`: a third of the records has no personal data, the
    others one to four places that are found or missed together more often than apart. One record in ten is of a rare
    kind, which is drawn three times as often."""
    rng = np.random.default_rng(seed)
    shape = (RUNS, RECORDS)
    rare = rng.random(shape) < 0.3
    truth = np.where(rare, recall if rare_recall is None else rare_recall, recall)
    places = rng.integers(1, 5, shape)
    apart = rng.binomial(places, truth) / places
    together = rng.random(shape) < truth
    shares = np.where(rng.random(shape) < 0.5, together, apart)
    weights = np.where(rare, 0.1 / 0.3, 0.9 / 0.7)
    sizes = np.where(rng.random(shape) < 1 / 3, 0.0, weights / (0.9 / 0.7))
    return shares, sizes


@pytest.mark.parametrize(("common", "rare"), [(0.895, 0.895), (0.93, 0.59)])
def test_a_recall_just_below_the_floor_is_proven_above_it_in_few_runs_however_often_one_looks(
    common: float, rare: float
) -> None:
    assert common * 0.9 + rare * 0.1 < FLOOR
    shares, sizes = runs(common, 1, rare)
    wrong = (capital(shares, sizes, FLOOR, lower=True).max(axis=-1) >= WON).mean()
    assert 0 < wrong <= 0.025


def test_the_interval_of_a_fixed_sample_is_wrong_far_more_often_when_one_looks_after_each_record() -> None:
    found = np.random.default_rng(5).random((300, RECORDS)) < 0.895
    shares = np.cumsum(found, axis=-1) / np.arange(1, RECORDS + 1)
    ever = [
        any(wilson(run[number - 1], number)[0] >= FLOOR for number in range(LEAST_TEXTS, RECORDS + 1)) for run in shares
    ]
    assert np.mean(ever) > 0.07
    ours = capital(found.astype(float), np.ones_like(found, float), FLOOR, lower=True).max(axis=-1) >= WON
    assert ours.mean() <= 0.025


def test_a_recall_above_the_floor_is_shown_to_be_below_it_in_few_runs() -> None:
    shares, sizes = runs(0.905, 2)
    assert (capital(shares, sizes, FLOOR, lower=False).max(axis=-1) >= WON).mean() <= 0.025


def test_what_is_clearly_above_or_below_is_shown_with_few_records() -> None:
    shares, sizes = runs(1.0, 3)
    above = (capital(shares, sizes, FLOOR, lower=True) >= WON).argmax(axis=-1)
    assert np.median(above) < 110
    shares, sizes = runs(0.6, 4)
    assert np.median((capital(shares, sizes, FLOOR, lower=False) >= WON).argmax(axis=-1)) < 30


def test_the_interval_is_what_the_capital_excludes_and_never_widens() -> None:
    seen = [Seen(1.0)] * 30 + [Seen(None)] * 5 + [Seen(0.5)] + [Seen(1.0)] * 40
    found = interval(seen)
    assert found.value == pytest.approx(1 - 0.5 / 71)
    assert found.low < 1 - 0.5 / 71 < found.high == 1.0
    counted = np.array([one.share for one in seen if one.share is not None])
    at_low = capital(counted, np.ones(71), found.low, lower=True).max()
    assert at_low == pytest.approx(WON, abs=0.01)
    lows = [interval(seen[:number]).low for number in range(1, len(seen) + 1)]
    assert lows == sorted(lows)
    assert interval([Seen(None)] * 50) == interval([])


def test_many_names_in_one_record_are_one_observation_and_a_light_record_counts_less() -> None:
    assert interval([Seen(1.0)] * 46).low >= FLOOR
    assert interval([Seen(1.0, weight=0.25)] * 46).low < FLOOR
    assert interval([Seen(1.0)] * 46 + [Seen(0.0, weight=0.25)]).value == pytest.approx(46 / 46.25)


def test_how_many_records_are_left_is_told_and_true_where_nothing_is_missed() -> None:
    seen = [Seen(1.0), Seen(None)] * 10
    left = records_to_go(seen, FLOOR)
    assert left is not None
    assert 60 < left < 100
    assert interval(seen + [Seen(1.0), Seen(None)] * math.ceil(left / 2)).low >= FLOOR
    assert records_to_go([Seen(1.0)] * 60, FLOOR) == 0
    assert records_to_go([], FLOOR) is None
    assert records_to_go([Seen(0.0)] * 200, FLOOR) is None
