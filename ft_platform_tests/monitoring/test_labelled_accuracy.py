import numpy as np
import pytest

from ft_platform.errors import DataError
from ft_platform.evaluation.calibration import wilson
from ft_platform.monitoring.labelled_accuracy import from_random_share, from_volunteers


def test_answers_all_drawn_alike_have_wilsons_interval() -> None:
    found = from_random_share(np.arange(50) < 40, np.full(50, 0.1))
    expected = wilson(40, 50, 0.95)
    assert (found.value, found.low, found.high) == pytest.approx(tuple(expected.values()))
    assert (found.kind, found.bias) == ("interval", "")


def test_unequal_chances_of_being_asked_are_weighted_and_the_interval_holds() -> None:
    """Unsure answers are asked about four times as often and are right less often: 0.9 and 0.5, so 0.8 of all."""
    held, plain = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        unsure = rng.random(4000) < 0.25
        right = rng.random(4000) < np.where(unsure, 0.5, 0.9)
        chance = np.where(unsure, 0.2, 0.05)
        asked = rng.random(4000) < chance
        found = from_random_share(right[asked], chance[asked])
        assert found.low is not None and found.high is not None
        held.append(found.low <= 0.8 <= found.high)
        plain.append(right[asked].mean())
    assert 0.91 <= np.mean(held) <= 0.99
    assert np.mean(plain) < 0.75, "without weights the share is wrong"


def test_volunteers_give_a_biased_share_and_bounds_that_hold() -> None:
    """Of 100 answers 70 are right; 20 wrong and 20 right ones are judged."""
    found = from_volunteers(np.arange(40) < 20, 100)
    low, high = wilson(20, 100, 0.95)["low"], wilson(80, 100, 0.95)["high"]
    assert (found.value, found.low, found.high) == pytest.approx((0.5, low, high)) and found.kind == "bounds"
    assert "may differ from all" in found.bias


def test_little_feedback_claims_nothing() -> None:
    assert from_random_share(np.ones(5), np.ones(5)).value is None
    assert from_volunteers(np.ones(5), 100).kind == "too_little_feedback"


def test_impossible_feedback_is_refused() -> None:
    for chances in (np.zeros(40), np.full(40, 1.5), np.full(39, 0.5), np.full(40, np.nan)):
        with pytest.raises(DataError, match="probability"):
            from_random_share(np.ones(40), chances)
    with pytest.raises(DataError, match="40 answers judged, 10 given"):
        from_volunteers(np.ones(40), 10)
