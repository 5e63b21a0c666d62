import numpy as np
import pytest
from scipy.stats import hypergeom, kstest, norm

from ft_platform.monitoring.draws import normal_scores

SHARES = np.array([0.5, 0.3, 0.1, 0.06, 0.03, 0.01])


def quiet_scores(reference: int, day: int, times: int = 3000) -> np.ndarray:
    rng = np.random.default_rng(5)
    draw = [(rng.multinomial(reference, SHARES), rng.multinomial(day, SHARES)) for _ in range(times)]
    return np.array([normal_scores(before, today, rng) for before, today in draw])


@pytest.mark.parametrize(("reference", "day"), [(40, 200), (300, 60), (1000, 3)])
def test_scores_are_standard_normal_whatever_the_size_of_the_reference(reference: int, day: int) -> None:
    scores = quiet_scores(reference, day)
    assert all(kstest(one, "norm").pvalue > 0.001 for one in scores.T)
    assert np.abs(np.corrcoef(scores.T) - np.eye(5)).max() < 0.08


def test_shares_of_the_reference_taken_for_true_ones_are_seen_by_the_same_check() -> None:
    """The plug-in test, which the scores are not: 200 requests of a day beside 40 of the reference."""
    rng = np.random.default_rng(5)
    before, day = rng.binomial(40, 0.5, 3000) / 40, rng.binomial(200, 0.5, 3000)
    plug_in = (day - 200 * before) / np.sqrt(200 * np.maximum(before * (1 - before), 1e-3))
    assert kstest(plug_in, "norm").pvalue < 1e-20
    assert kstest(quiet_scores(40, 200)[:, 0], "norm").pvalue > 0.001


def test_a_score_is_the_quantile_of_the_hypergeometric_probability() -> None:
    """Computed by scipy: 30 of 100 before and 18 of 40 today."""

    class Half(np.random.Generator):
        def random(self, size: int) -> np.ndarray:  # pyright: ignore[reportIncompatibleMethodOverride]
            return np.full(size, 0.5)

    found = normal_scores(np.array([30, 70]), np.array([18, 22]), Half(np.random.PCG64(1)))
    above = hypergeom.sf(18, 140, 48, 40) + 0.5 * hypergeom.pmf(18, 140, 48, 40)
    assert found == pytest.approx([norm.isf(above)], abs=1e-9)


def test_a_count_far_outside_gives_a_finite_score_with_its_sign() -> None:
    rng = np.random.default_rng(1)
    assert normal_scores(np.array([0, 100_000]), np.array([5000, 0]), rng)[0] == pytest.approx(37, abs=1)
    assert normal_scores(np.array([50_000, 50_000]), np.array([0, 5000]), rng)[0] == pytest.approx(-37, abs=1)


def test_empty_bins_and_empty_days_do_no_harm() -> None:
    rng = np.random.default_rng(1)
    assert np.isfinite(normal_scores(np.zeros(4, int), np.zeros(4, int), rng)).all()
    assert np.isfinite(normal_scores(np.array([0, 9, 0, 0]), np.array([0, 0, 3, 0]), rng)).all()
