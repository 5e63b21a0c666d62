"""The true positive rate at a low false positive rate: its interval is right as often as it says, on truths that are
known, and expected figures come from scipy's binomial test and from simulation."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm

from ft_platform.training.privacy_attacks.true_positives import (
    LOW,
    exact_low,
    promised_rate,
    records_for,
    threshold,
    true_positive_rate,
)


def drawn(rng: np.random.Generator, members: int, others: int, memorized: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of a model that knows a share of its training records for sure, and nothing about the rest. Its true
    positive rate is `memorized + (1 - memorized) * rate`."""
    known = rng.random(members) < memorized
    return rng.normal(size=members) + 20 * known, rng.normal(size=others)


@pytest.mark.parametrize("memorized", [0.0, 0.05, 0.5])
@pytest.mark.parametrize(("members", "others"), [(100, 100), (900, 300), (600, 600)])
def test_each_end_of_the_interval_is_wrong_no_more_often_than_it_says(
    members: int, others: int, memorized: float
) -> None:
    rng, truth = np.random.default_rng(7), memorized + (1 - memorized) * LOW
    found = [true_positive_rate(*drawn(rng, members, others, memorized), LOW, 0.9) for _ in range(400)]
    for wrong in (sum(one["high"] < truth for one in found), sum(one["low"] > truth for one in found)):
        assert wrong <= binom.ppf(0.999, 400, 0.05)


def test_ties_at_the_threshold_count_for_the_upper_end_alone() -> None:
    rounded, others = np.repeat([0.0, 1.0], [50, 950]), np.repeat([0.0, 1.0], [600, 400])
    found = true_positive_rate(rounded, others, LOW, 0.95)
    assert found["value"] == 0.0 == found["low"] and found["high"] > 0.95
    same = true_positive_rate(np.zeros(500), np.zeros(500), LOW, 0.95)
    assert (same["value"], same["low"], same["high"]) == (0.0, 0.0, 1.0)


def test_few_records_prove_nothing_and_say_which_rate_they_could() -> None:
    """With `n` others, none of them beyond the threshold, a false positive rate below 1 - 0.025^(1/n) is not proven."""
    found = true_positive_rate(np.arange(50.0) + 100, np.arange(30.0), LOW, 0.95)
    assert found["value"] == 1.0 and found["low"] == 0.0 and found["high"] == 1.0
    assert found["claimable"] == pytest.approx(binomtest(0, 30).proportion_ci(0.95).high, abs=1e-9)


def test_the_threshold_lets_no_more_others_through_than_it_may() -> None:
    others = np.random.default_rng(1).normal(size=700).round(1)
    for rate in (0.001, LOW, 0.1):
        assert (others > threshold(others, rate)).mean() <= rate
    assert threshold(np.arange(100.0), LOW) == 98.0, "1 of 100 may be beyond it"


def test_the_lower_end_of_a_share_is_that_of_clopper_and_pearson() -> None:
    assert exact_low(12, 80, 0.025) == pytest.approx(binomtest(12, 80).proportion_ci(0.95, "exact").low)
    assert exact_low(0, 80, 0.025) == 0.0


@pytest.mark.parametrize("ratio", [1.0, 3.25])
def test_the_records_that_are_needed_are_enough_for_an_attack_that_guesses_and_fewer_are_not(ratio: float) -> None:
    """Scores in the middle of what guessing gives: evenly spread."""
    needed = records_for(LOW, 0.05, LOW, 0.95, ratio)
    assert needed is not None
    members, others = needed
    ends = {
        rows: true_positive_rate(
            (np.arange(round(rows * ratio)) + 0.5) / (rows * ratio), (np.arange(rows) + 0.5) / rows, LOW, 0.95
        )["high"]
        for rows in (others, round(others * 0.9))
    }
    assert ends[others] <= 0.051 and ends[round(others * 0.9)] > 0.05
    assert members == round(others * ratio)


def test_an_attack_that_finds_more_needs_more_records_and_one_beyond_the_limit_has_no_number() -> None:
    one, two = records_for(LOW, 0.05, LOW, 0.95, 1.0), records_for(0.03, 0.05, LOW, 0.95, 1.0)
    assert one and two and one[1] < two[1]
    assert records_for(0.05, 0.05, LOW, 0.95, 1.0) is None and records_for(LOW, LOW, LOW, 0.95, 1.0) is None


def test_differential_privacy_bounds_every_attack() -> None:
    assert promised_rate(0.0, 0.0, LOW) == pytest.approx(LOW), "nothing was learned: guessing"
    assert promised_rate(np.log(5), 0.0, LOW) == pytest.approx(0.05)
    assert promised_rate(np.log(5), 1e-3, LOW) == pytest.approx(0.051)
    assert promised_rate(20.0, 0.0, LOW) <= 1.0


def test_the_limit_holds_where_the_model_was_chosen_by_some_of_the_others() -> None:
    """Of 20 models that leak as much as the limit allows, the one that knows the validation records best is attacked;
    they are half of the others."""
    drawn, limit, trials, models = np.random.default_rng(7), 0.05, 400, 20
    shift = norm.isf(LOW) - norm.isf(limit)  # of normal scores with this true positive rate
    proven = 0
    for _ in range(trials):
        validation = drawn.normal(size=(models, 300))
        chosen = validation[validation.mean(axis=1).argmax()]
        others = np.concatenate([drawn.normal(size=300), chosen])
        proven += true_positive_rate(drawn.normal(shift, size=1_000), others, LOW, 0.95)["high"] <= limit
    assert proven / trials <= 0.025
