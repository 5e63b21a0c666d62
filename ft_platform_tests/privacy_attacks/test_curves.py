"""Expected figures come from scikit-learn on the same scores, and from the binomial distribution."""

import numpy as np
import pytest

from ft_platform.training.privacy_attacks.curves import area, areas, resamples, roc
from ft_platform.training.privacy_attacks.shares import newcombe, wilson
from ft_platform.use_case.settings.attacks import Attacks


def drawn(seed: int, shift: float, rows: int = 80, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    members, others = rng.normal(shift, 1, rows), rng.normal(0, 1, rows + 7)
    return (members.round(1), others.round(1)) if ties else (members, others)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.5, 3.0])
def test_area_and_curve_equal_scikit_learn(shift: float, ties: bool) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    members, others = drawn(3, shift, ties=ties)
    truth, scores = np.r_[np.ones(len(members)), np.zeros(len(others))], np.r_[members, others]
    assert areas(members, others)[0] == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    mine = roc(members, others)
    assert np.allclose(mine[0], false) and np.allclose(mine[1], true)


def test_each_resample_equals_scikit_learn_on_its_records() -> None:
    from sklearn.metrics import roc_auc_score

    members, others = drawn(5, 0.7, rows=30, ties=True)
    weights = next(resamples(len(members), len(others), 20, 1))
    for of_members, of_others, found in zip(*weights, areas(members, others, weights), strict=True):
        again = np.r_[np.repeat(members, of_members.astype(int)), np.repeat(others, of_others.astype(int))]
        truth = np.r_[np.ones(int(of_members.sum())), np.zeros(int(of_others.sum()))]
        assert found == pytest.approx(roc_auc_score(truth, again), abs=1e-12)


def test_scores_that_are_all_equal_are_exactly_chance() -> None:
    assert areas(np.zeros(30), np.zeros(40))[0] == 0.5


def test_the_interval_holds_the_true_area_about_as_often_as_it_says() -> None:
    """Two normals that are 0.5 apart have the area Phi(0.5 / sqrt 2) = 0.638."""
    held, settings = 0, Attacks(bootstrap_samples=200, confidence=0.9)
    for seed in range(100):
        figure = area(*drawn(seed, 0.5), settings)
        held += figure["low"] <= 0.6382 <= figure["high"]
    assert 80 <= held <= 98, "90 of 100 are expected; a binomial stays in between in 99.8 % of cases"


def test_shares_have_the_intervals_of_the_literature() -> None:
    """Newcombe 1998, tables I and II: 15 of 148 (Wilson), and 56 of 70 against 48 of 80 (method 10)."""
    assert [round(wilson(15, 148, 0.95)[end], 4) for end in ("low", "high")] == [0.0624, 0.1605]
    found = [round(newcombe((56, 70), (48, 80), 0.95)[end], 4) for end in ("value", "low", "high")]
    assert found == [0.2, 0.0524, 0.3339]
    assert wilson(0, 40, 0.95)["high"] == pytest.approx(1.959964**2 / (40 + 1.959964**2), rel=1e-5)
