"""A candidate that does harm is stopped within a minute, and one at its limits is not."""

import random

import pytest

from ft_platform.serving.rollout.last_minute import LastMinute, is_above
from ft_platform.serving.rollout.under_way import UnderWay
from ft_platform.use_case.settings.rollout import Rollout

RULES = Rollout(mode="canary", share=0.5, max_error_rate=0.02)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def minute(clock: Clock) -> LastMinute:
    return LastMinute(UnderWay("local", "release-1", "release-2", RULES, "2026-01-01T00:00:00+00:00"), clock)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((0.1, True, False), "4 of 4 answers within a minute failed"),
        ((0.9, False, False), "5 of 5 answers within a minute took longer than they may"),
        ((0.1, False, True), "6 of 6 answers within a minute had a guardrail act on them"),
    ],
)
def test_a_few_bad_answers_stop_it_and_the_reason_is_told(answer: tuple[float, bool, bool], why: str) -> None:
    clock = Clock()
    seen = minute(clock)
    for _ in range(40):
        seen.champion(0.1, False, False)
    said = [seen.candidate(*answer) for _ in range(8)]
    assert next(filter(None, said)) == why


def test_one_at_its_limits_is_not_stopped() -> None:
    clock, drawn = Clock(), random.Random(5)
    seen = minute(clock)
    for _ in range(20_000):
        clock.now += 0.05
        seen.champion(drawn.expovariate(10), drawn.random() < 0.02, drawn.random() < 0.1)
        assert seen.candidate(drawn.expovariate(10), drawn.random() < 0.02, drawn.random() < 0.12) == ""


def test_what_lies_longer_back_is_forgotten() -> None:
    clock = Clock()
    seen = minute(clock)
    for _ in range(10):
        assert [seen.candidate(0.1, failed, False) for failed in (True, True, True)] == ["", "", ""]
        clock.now += 61


def test_without_answers_of_the_champion_nothing_is_too_slow_or_too_guarded() -> None:
    seen = minute(Clock())
    assert not any(seen.candidate(100.0, False, True) for _ in range(50))


def test_the_bound_is_hoeffdings() -> None:
    assert is_above(4, 4, 0.02) and not is_above(3, 3, 0.02)
    assert is_above(30, 100, 0.05) and not is_above(15, 100, 0.05) and not is_above(1, 100, 0.02)
