import numpy as np
import pytest

from ft_platform.evaluation.comparison import paired_difference
from ft_platform.evaluation.intervals import figure, percentiles, resampled_sums
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.use_case.settings.evaluation import Evaluation

SETTINGS = Evaluation(bootstrap_samples=300)
LABELS = ["a", "b", "c"]


def simulated(rng: np.random.Generator, rows: int, accuracy: float = 0.75) -> LabelOutputs:
    truth = rng.choice(LABELS, rows, p=[0.5, 0.3, 0.2])
    wrong = np.array([LABELS[(LABELS.index(t) + 1) % 3] for t in truth])
    return LabelOutputs(LABELS, list(truth), list(np.where(rng.random(rows) < accuracy, truth, wrong)))


@pytest.mark.parametrize("name", ["accuracy", "macro_f1"])
def test_intervals_cover_the_true_score_about_as_often_as_they_say(name: str) -> None:
    found = metric(name)
    truth = found.value(simulated(np.random.default_rng(99), 200_000))
    figures = [figure(found, simulated(np.random.default_rng(seed), 200), SETTINGS) for seed in range(300)]
    covered = np.mean([f["low"] <= truth <= f["high"] for f in figures])
    # 0.95 wanted; the standard error over 300 trials is 0.013.
    assert 0.90 <= covered <= 0.985


def test_an_interval_holds_its_value_and_narrows_with_more_records() -> None:
    few, many = (figure(metric("accuracy"), simulated(np.random.default_rng(1), rows), SETTINGS) for rows in (50, 5000))
    for f in (few, many):
        assert f["low"] <= f["value"] <= f["high"]
    assert many["high"] - many["low"] < (few["high"] - few["low"]) / 5


def test_confidence_and_samples_change_the_interval() -> None:
    outputs = simulated(np.random.default_rng(1), 100)
    base = figure(metric("macro_f1"), outputs, SETTINGS)
    wide = figure(metric("macro_f1"), outputs, Evaluation(bootstrap_samples=300, confidence=0.99))
    assert wide["low"] < base["low"] < base["high"] < wide["high"]
    assert figure(metric("macro_f1"), outputs, Evaluation(bootstrap_samples=301)) != base
    assert figure(metric("macro_f1"), outputs, SETTINGS) == base


def test_resampling_by_distinct_rows_has_the_mean_and_spread_of_the_plain_bootstrap() -> None:
    rng = np.random.default_rng(4)
    statistics = rng.integers(0, 3, (80, 2)).astype(float)
    fast = resampled_sums(statistics, 4000, seed=1)
    plain = np.array([statistics[rng.integers(0, 80, 80)].sum(axis=0) for _ in range(4000)])
    assert fast.mean(axis=0) == pytest.approx(plain.mean(axis=0), rel=0.02)
    assert fast.std(axis=0) == pytest.approx(plain.std(axis=0), rel=0.06)


def test_a_label_that_a_resample_misses_does_not_pull_the_interval_down() -> None:
    labels = ["a", "b"]
    perfect = LabelOutputs(labels, ["a"] * 30 + ["b"], ["a"] * 30 + ["b"])
    assert figure(metric("macro_f1"), perfect, SETTINGS) == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_a_paired_difference_is_narrower_than_unpaired_ones_and_zero_for_equal_systems() -> None:
    rng = np.random.default_rng(5)
    a = simulated(rng, 300)
    flipped = [t if rng.random() < 0.1 else p for t, p in zip(a.truth, a.predicted, strict=True)]
    b = LabelOutputs(LABELS, a.truth, flipped)
    difference = paired_difference(metric("accuracy"), b, a, SETTINGS)
    single = figure(metric("accuracy"), a, SETTINGS)
    assert difference["value"] > 0
    assert difference["high"] - difference["low"] < (single["high"] - single["low"]) / 1.5
    expected = {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "detectable": 0.0}
    assert paired_difference(metric("accuracy"), a, a, SETTINGS) == expected


def test_an_interval_leaves_out_the_same_share_on_both_sides() -> None:
    assert percentiles(np.arange(101.0), 0.9) == pytest.approx((5, 95))
