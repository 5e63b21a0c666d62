"""Expected figures come from scikit-learn on the same scores, and from the binomial distribution."""

import numpy as np
import pytest

from ft_platform.privacy_attacks.curves import curve, figures_of, resamples, roc
from ft_platform.privacy_attacks.shares import newcombe, wilson


def drawn(seed: int, shift: float, rows: int = 80, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    members, others = rng.normal(shift, 1, rows), rng.normal(0, 1, rows + 7)
    return (members.round(1), others.round(1)) if ties else (members, others)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.5, 3.0])
def test_area_and_rate_equal_scikit_learn(shift: float, ties: bool) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    members, others = drawn(3, shift, ties=ties)
    truth, scores = np.r_[np.ones(len(members)), np.zeros(len(others))], np.r_[members, others]
    found = curve(members, others)
    assert found.auc[0] == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert found.tpr[0] == pytest.approx(true[false <= 0.01].max(), abs=1e-12)
    mine = roc(members, others)
    assert np.allclose(mine[0], false) and np.allclose(mine[1], true)


def test_each_resample_equals_scikit_learn_on_its_records() -> None:
    from sklearn.metrics import roc_auc_score

    members, others = drawn(5, 0.7, rows=30, ties=True)
    weights = next(resamples(len(members), len(others), 20, 1))
    areas = curve(members, others, weights).auc
    for of_members, of_others, area in zip(*weights, areas, strict=True):
        again = np.r_[np.repeat(members, of_members.astype(int)), np.repeat(others, of_others.astype(int))]
        truth = np.r_[np.ones(int(of_members.sum())), np.zeros(int(of_others.sum()))]
        assert area == pytest.approx(roc_auc_score(truth, again), abs=1e-12)


def test_scores_that_are_all_equal_are_exactly_chance() -> None:
    found = curve(np.zeros(30), np.zeros(40))
    assert found.auc[0] == 0.5 and found.tpr[0] == 0.0


def test_the_interval_holds_the_true_area_about_as_often_as_it_says() -> None:
    """Two normals that are 0.5 apart have the area Phi(0.5 / sqrt 2) = 0.638."""
    held = 0
    for seed in range(100):
        figure = figures_of(drawn(seed, 0.5), drawn(seed, 0.0), 200, 0.9, seed)["auc"]
        held += figure["low"] <= 0.6382 <= figure["high"]
    assert 80 <= held <= 98, "90 of 100 are expected; a binomial stays in between in 99.8 % of cases"


def test_the_excess_over_the_control_is_paired() -> None:
    attack = drawn(2, 0.6)
    same = figures_of(attack, attack, 200, 0.95, 1)
    assert (same["excess"]["low"], same["excess"]["high"]) == (0.0, 0.0) and same["auc"]["low"] < same["auc"][
        "value"
    ] < same["auc"]["high"]


def test_shares_have_the_intervals_of_the_literature() -> None:
    """Newcombe 1998, tables I and II: 15 of 148 (Wilson), and 56 of 70 against 48 of 80 (method 10)."""
    assert [round(wilson(15, 148, 0.95)[end], 4) for end in ("low", "high")] == [0.0624, 0.1605]
    found = [round(newcombe((56, 70), (48, 80), 0.95)[end], 4) for end in ("value", "low", "high")]
    assert found == [0.2, 0.0524, 0.3339]
    assert wilson(0, 40, 0.95)["high"] == pytest.approx(1.959964**2 / (40 + 1.959964**2), rel=1e-5)
