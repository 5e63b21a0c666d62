"""The attacks on losses that are made up: their scores and areas."""

import numpy as np

from ft_platform.privacy_attacks.membership import ATTACKS, SideLosses, membership, scores
from ft_platform.settings.attacks import Attacks

SETTINGS = Attacks(bootstrap_samples=200)


def losses(rows: int, mean: float, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.gamma(2.0, mean / 2, rng.integers(3, 20)) for _ in range(rows)]


def side(rows: int, before: float, after: float, seed: int) -> SideLosses:
    return SideLosses(losses(rows, before, seed), losses(rows, after, seed + 1))


def test_scores_follow_their_definitions() -> None:
    one = SideLosses([np.array([1.0, 3.0, 2.0, 2.0, 7.0])], [np.array([0.5, 4.0, 1.0, 0.0, 2.0])])
    found = scores(one, 0.4)
    assert found["loss"][0][0] == -1.5 and found["loss"][1][0] == -3.0
    assert found["reference"][0][0] == 1.5 and found["reference"][1][0] == 0.0
    assert found["min_k"][0][0] == -3.0 and found["min_k"][1][0] == -5.0, "the two least likely of five tokens"
    assert scores(one, 0.01)["min_k"][0][0] == -4.0, "one token at least"


def test_records_that_were_learned_by_heart_are_told_apart_and_others_are_not() -> None:
    heart = membership(side(60, 2.0, 0.1, 1), side(60, 2.0, 2.0, 11), SETTINGS)
    assert all(heart["attacks"][name]["auc"]["low"] > 0.9 for name in ATTACKS)
    fresh = membership(side(60, 2.0, 1.0, 1), side(60, 2.0, 1.0, 11), SETTINGS)
    assert all(one["auc"]["low"] < 0.5 < one["auc"]["high"] for one in fresh["attacks"].values())


def test_records_that_differ_before_any_training_are_no_memory() -> None:
    """Test records are harder for the untrained model already, and training changed nothing about that."""
    train, test = losses(80, 1.0, 1), losses(80, 3.0, 2)
    found = membership(SideLosses(train, train), SideLosses(test, test), SETTINGS)
    assert (
        found["attacks"]["loss"]["auc"]["low"] > 0.65
        and found["attacks"]["loss"]["control_auc"] == found["attacks"]["loss"]["auc"]
    )
    assert found["attacks"]["loss"]["excess"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert found["attacks"]["reference"]["auc"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert found["strongest"] == max(ATTACKS, key=lambda name: found["attacks"][name]["auc"]["value"]) != "reference"


def test_too_few_records_have_no_figure() -> None:
    found = membership(side(19, 2.0, 0.1, 1), side(19, 2.0, 2.0, 11), SETTINGS)
    assert found["attacks"] is None and found["strongest"] is None and found["status"] == "too few records: 19 per side"
