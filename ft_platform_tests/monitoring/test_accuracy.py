"""Measured accuracy raises an alarm where it fell, and not by the luck of a day."""

import numpy as np
import pytest

from ft_platform.monitoring.accuracy import fallen
from ft_platform.monitoring.day_reports import Accuracy
from ft_platform.monitoring.labelled_accuracy import from_volunteers

TESTED, ANSWERED, RATE = 400, 120, 0.05


def alarms(now: float, judged_share: float, days: int) -> int:
    """Alarms of so many days, each with an evaluation of its own that measured 0.85 up to luck."""
    rng, found = np.random.default_rng(7), 0
    for _ in range(days):
        right = rng.random(ANSWERED) < now
        told = from_volunteers(right[rng.random(ANSWERED) < judged_share].astype(float), ANSWERED)
        of = rng.binomial(TESTED, 0.85) / TESTED
        known = Accuracy(value=told.value, low=told.low, high=told.high, of=of, answers=told.judged)
        found += len(fallen("measured_accuracy", known, RATE, "2026-03-01", TESTED))
    return found


@pytest.mark.parametrize("judged_share", [0.8, 1.0])
def test_without_a_decline_there_are_no_more_alarms_than_stated(judged_share):
    """Stated: `RATE` in 90 days, so 11 in 20,000; bounds without the luck of a day had 307 and 1,387."""
    assert alarms(0.85, judged_share, 20_000) <= 22


def test_a_decline_is_seen_where_all_answers_are_judged():
    assert alarms(0.60, 1.0, 200) > 180
