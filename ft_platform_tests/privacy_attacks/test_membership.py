"""The attacks on losses that are made up: their scores, and what they find in a model that knows some records by
heart."""

import numpy as np
import pytest

from ft_platform.training.privacy_attacks.membership import ATTACKS, SideLosses, log_odds, membership, scores
from ft_platform.use_case.settings.attacks import Attacks

SETTINGS = Attacks(bootstrap_samples=200)
NONE: dict = {}


def answers(rows: int, difficulty: float, after: float, seed: int) -> SideLosses:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 20, rows)
    return SideLosses(*([rng.gamma(2.0, mean / 2, length) for length in lengths] for mean in (difficulty, after)))


def test_scores_follow_their_definitions() -> None:
    one = SideLosses([np.array([1.0, 3.0, 2.0, 2.0, 7.0])], [np.array([0.5, 4.0, 1.0, 0.0, 2.0])])
    found = scores(one, of_labels=False)
    assert found["loss"][0] == -1.5 and found["calibrated"][0] == 1.5
    label = SideLosses([-np.log([0.2])], [-np.log([0.9])])
    found = scores(label, of_labels=True)
    assert found["calibrated"][0] == pytest.approx(np.log(0.9 / 0.1) - np.log(0.2 / 0.8))
    assert np.isfinite(log_odds(np.array([0.0, 1e-9, 400.0]))).all(), "a probability of 1 or 0 in 32 bits"


def test_records_that_were_learned_by_heart_are_told_apart_and_others_are_not() -> None:
    heart = membership(answers(60, 2.0, 0.1, 1), answers(60, 2.0, 2.0, 11), SETTINGS, NONE, of_labels=False)
    assert all(heart["attacks"][name]["auc"]["low"] > 0.9 for name in ATTACKS)
    assert all(heart["attacks"][name]["at_1_percent"]["value"] > 0.5 for name in ATTACKS)
    fresh = membership(answers(60, 2.0, 1.0, 1), answers(60, 2.0, 1.0, 11), SETTINGS, NONE, of_labels=False)
    assert all(one["auc"]["low"] < 0.5 < one["auc"]["high"] for one in fresh["attacks"].values())


def test_records_that_are_harder_are_no_memory() -> None:
    """Test records are harder for everybody, and training changed nothing about that."""
    train, test = answers(80, 1.0, 1.0, 1).after, answers(80, 3.0, 3.0, 2).after
    found = membership(SideLosses(train, train), SideLosses(test, test), SETTINGS, NONE, of_labels=False)
    assert found["attacks"]["loss"]["auc"]["low"] > 0.65
    assert found["attacks"]["calibrated"]["auc"] == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_who_knows_how_hard_a_record_is_finds_those_known_by_heart_where_the_loss_hides_them() -> None:
    """Most labels are easy, so a low loss is no sign; one in twenty is hard, and the model knows it by heart."""
    rng = np.random.default_rng(5)

    def side(rows: int, memorized: float) -> SideLosses:
        odds = rng.normal(2.5, 2.0, rows)
        after = odds + rng.normal(0.0, 1.0, rows)
        by_heart = rng.random(rows) < memorized
        odds[by_heart], after[by_heart] = -2.0, 6.0
        return SideLosses(*(list(np.log1p(np.exp(-one)).reshape(-1, 1)) for one in (odds, after)))

    found = membership(side(1000, 0.05), side(1000, 0.0), SETTINGS, NONE, of_labels=True)["attacks"]
    assert found["calibrated"]["at_1_percent"]["low"] > 0.02 > found["loss"]["at_1_percent"]["value"]
    assert found["calibrated"]["at_01_percent"]["value"] > 0.04


def test_sides_may_differ_in_size_and_too_few_records_have_no_figure() -> None:
    found = membership(answers(90, 2.0, 1.0, 1), answers(30, 2.0, 1.0, 11), SETTINGS, NONE, of_labels=False)
    assert (found["members"], found["others"], found["status"]) == (90, 30, "measured")
    found = membership(answers(90, 2.0, 0.1, 1), answers(19, 2.0, 2.0, 11), SETTINGS, NONE, of_labels=False)
    assert found["attacks"] is None and found["slices"] == []
    assert found["status"] == "too few records: 90 of training and 19 others"
