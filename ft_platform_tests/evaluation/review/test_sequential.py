"""A review may end when its interval says so, and is wrong no more often than it claims at however many looks."""

import math

import numpy as np
import pytest

from ft_platform.evaluation.proportions import share
from ft_platform.evaluation.review.sequential import bets, interval_of, log_capital, standing, too_close

CONFIDENCE, LEAST = 0.95, 0.5


def drawn(reviews: int, records: int, wins: float, ties: float, seed: int = 1) -> np.ndarray:
    chance = np.random.default_rng(seed).random((reviews, records))
    return np.where(chance < wins * (1 - ties), 1.0, np.where(chance < 1 - ties, 0.0, 0.5))


def ever_says(points: np.ndarray, most: int, rate: float) -> np.ndarray:
    """Whether each review ever excludes the rate. Shape `(reviews,)`."""
    sizes, won = bets(points, most, CONFIDENCE), math.log(2 / (1 - CONFIDENCE))
    halves = [log_capital(points, sizes, rate, higher=higher).max(axis=-1) >= won for higher in (True, False)]
    return halves[0] | halves[1]


@pytest.mark.parametrize(("rate", "ties"), [(0.5, 0.0), (0.5, 0.4), (0.7, 0.0), (0.9, 0.0)])
def test_the_true_rate_is_excluded_at_any_look_by_at_most_one_review_in_twenty(rate: float, ties: float) -> None:
    reviews = 4000
    points = drawn(reviews, 120, rate, ties)
    wrong = float(ever_says(points, 120, rate * (1 - ties) + ties / 2).mean())
    assert wrong <= 0.05, wrong
    # Far more looks than were planned: the bets stay small, and the error with them.
    beyond = float(ever_says(drawn(1000, 600, rate, ties), 120, rate * (1 - ties) + ties / 2).mean())
    assert beyond <= 0.05 + 1.96 * math.sqrt(0.05 * 0.95 / 1000), beyond


def test_the_interval_of_a_sheet_looked_at_after_each_record_is_wrong_far_more_often() -> None:
    """Why a review in the portal needs an interval of its own."""
    points = drawn(300, 120, 0.5, 0.0)
    looks = np.arange(10, 121)
    totals = np.cumsum(points, axis=1)[:, looks - 1]
    ends = [[share(total, rows, CONFIDENCE) for total, rows in zip(row, looks.tolist(), strict=True)] for row in totals]
    wrong = np.mean([any(not one["low"] <= 0.5 <= one["high"] for one in row) for row in ends])
    assert wrong > 0.2


def test_capital_is_that_of_the_formula() -> None:
    """By hand: three records, bets for at most 50."""
    points = np.array([1.0, 0.5, 0.0])
    sizes = bets(points, 50, CONFIDENCE)
    first = math.sqrt(2 * math.log(40) / 50) / 0.5
    assert sizes[0] == pytest.approx(first)
    # Before the second: mean (1 + 0.5) / 2, variance ((1 - 0.75)^2 + 0.25) / 2.
    second = math.sqrt(2 * math.log(40) / 50) / math.sqrt((0.0625 + 0.25) / 2)
    assert sizes[1] == pytest.approx(second)
    capital = np.exp(log_capital(points, sizes, 0.6, higher=True))
    assert capital[0] == pytest.approx(1 + min(first, 0.75 / 0.6) * 0.4)
    assert capital[1] == pytest.approx(capital[0] * (1 - min(second, 0.75 / 0.6) * 0.1))


def test_no_bet_knows_the_record_that_it_is_about() -> None:
    points = drawn(1, 40, 0.6, 0.2)[0]
    other = points.copy()
    other[20:] = 1 - other[20:]
    assert (bets(points, 60, CONFIDENCE)[:21] == bets(other, 60, CONFIDENCE)[:21]).all()
    assert not (bets(points, 60, CONFIDENCE)[21:] == bets(other, 60, CONFIDENCE)[21:]).all()


@pytest.mark.parametrize("wins", [0.0, 0.3, 0.5, 0.95, 1.0])
def test_the_interval_holds_exactly_the_rates_that_are_not_excluded(wins: float) -> None:
    points = drawn(1, 60, wins, 0.1, seed=4)[0]
    found = interval_of(points, 80, CONFIDENCE)
    sizes, won = bets(points, 80, CONFIDENCE), math.log(2 / (1 - CONFIDENCE))
    rates = np.arange(1, 1000)[:, None] / 1000
    kept = np.full(999, True)
    for higher in (True, False):
        kept &= log_capital(points, sizes, rates, higher=higher)[:, -1] < won
    inside = rates[kept, 0]
    assert found["low"] <= inside[0] <= found["low"] + 0.0011
    assert found["high"] - 0.0011 <= inside[-1] <= found["high"]
    assert found["low"] <= found["value"] <= found["high"]


def test_a_review_ends_for_each_of_its_reasons_and_not_before() -> None:
    def ends(points: list[float], least: float = LEAST, most: int = 60) -> tuple[str, int]:
        for looks in range(1, len(points) + 1):
            if end := standing(points[:looks], most, CONFIDENCE, least).end:
                return end, looks
        return "", len(points)

    assert standing([], 60, CONFIDENCE, LEAST).win_rate is None
    reached, after = ends([1.0] * 60)
    assert reached == "reached" and 5 < after < 20
    assert ends([0.0] * 60) == ("missed", after)
    assert ends([1.0, 0.0] * 30)[0] == "too_close" and ends([1.0, 0.0] * 30)[1] < 60
    assert ends([0.5] * 60)[0] == "too_close"
    assert ends([1.0, 1.0, 0.0] * 20)[0] in ("reached", "all")
    # A rate that is asked for and is not 50 %: 2 of 3 wins reach 0.4 soon, and 0.9 never.
    assert ends([1.0, 1.0, 0.0] * 20, least=0.4)[0] == "reached"
    assert ends([1.0, 1.0, 0.0] * 20, least=0.9)[0] == "missed"


def test_a_review_does_not_end_as_too_close_where_the_rate_is_far_away() -> None:
    points = drawn(500, 120, 0.5 + 3.3 * 0.5 / math.sqrt(120), 0.0)
    ever = np.stack([too_close(points[:, :look], 120, CONFIDENCE, LEAST) for look in range(1, 121)]).any(axis=0)
    assert ever.mean() < 0.2
