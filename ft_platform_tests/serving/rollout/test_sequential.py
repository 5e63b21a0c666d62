"""The tests of a rollout keep their error rates, however often they are looked at."""

import math
from collections import Counter
from statistics import median

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ft_platform.serving.rollout.sequential import (
    EFFECTS,
    FEWEST,
    Arm,
    Counts,
    Verdict,
    judged,
    log_e_above,
    log_e_difference,
)
from ft_platform.use_case.settings.rollout import Rollout

RUNS = 200
CHAMPION = 0.85
JUDGED = 0.2
"""Share of answers that people judge."""


class Traffic:
    """A rollout with answers that are drawn.

    Args:
        right: share of the candidate's answers that are right.
    """

    def __init__(self, rules: Rollout, right: float, seed: int) -> None:
        self.rules, self.right, self.random = rules, right, np.random.default_rng(seed)
        self.of = {name: Counter() for name in ("champion", "candidate")}
        self.pairs, self.slow = Counter(), 0

    def answers(self, requests: int) -> None:
        draw, share = self.random.binomial, self.rules.share
        shadow = self.rules.mode == "shadow"
        tried = draw(requests, share)
        for name, count, right in (
            ("champion", tried if shadow else requests - tried, CHAMPION),
            ("candidate", tried, self.right),
        ):
            said = 0 if shadow else draw(count, JUDGED)
            known = draw(said, right)
            self.of[name].update(
                requests=count, errors=draw(count, 0.005), acted=draw(count, 0.02), right=known, wrong=said - known
            )
        self.slow += draw(tried, 0.03)
        if shadow:  # one label in ten is another one
            gain = self.right - CHAMPION
            better, worse, _ = self.random.multinomial(draw(tried, JUDGED), [0.05 + gain / 2, 0.05 - gain / 2, 0.9])
            self.pairs.update(better=better, worse=worse, compared=tried, agreeing=draw(tried, 0.9))

    def outcome(self) -> tuple[Verdict, int]:
        """The verdict that ended it, and the requests of the candidate until then."""
        for minute in range(10_000):
            self.answers(200 if self.rules.mode == "shadow" else 1000)
            candidate = Arm(**self.of["candidate"])
            counts = Counts(Arm(**self.of["champion"]), candidate, self.slow, candidate.requests, **self.pairs)
            found = judged(counts, self.rules, minute / 1440)
            if found.decision != "go_on":
                return found, candidate.requests
        raise AssertionError("it never ended")


RULES = {"canary": Rollout(mode="canary", share=0.1), "shadow": Rollout(mode="shadow", share=1.0)}


@pytest.mark.parametrize("mode", RULES)
@pytest.mark.parametrize(("points", "decision"), [(-0.05, "roll_back"), (0.05, "promote")])
def test_a_difference_of_five_points_is_found(mode: str, points: float, decision: str) -> None:
    found = [Traffic(RULES[mode], CHAMPION + points, seed).outcome() for seed in range(RUNS)]
    as_expected, requests = sum(one.decision == decision for one, _ in found), median(count for _, count in found)
    print(f"{mode} {points:+.2f}: {as_expected} of {RUNS} {decision}, median {requests:,.0f} requests of the candidate")
    assert as_expected >= 0.95 * RUNS
    assert all(count <= RULES[mode].max_requests + 1000 for _, count in found)


@pytest.mark.parametrize("mode", RULES)
def test_an_equal_candidate_is_promoted_at_the_limit_and_seldom_rolled_back(mode: str) -> None:
    rules = RULES[mode].model_copy(update={"max_requests": 20_000})
    runs = RUNS // 2  # each looks at its traffic until the limit
    found = [Traffic(rules, CHAMPION, seed).outcome() for seed in range(runs)]
    because = Counter(one.because for one, _ in found)
    print(f"{mode} equal: {dict(because)}")
    assert sum(one.decision == "roll_back" for one, _ in found) <= 0.05 * runs
    assert because["better"] <= 0.1 * runs and because["no_harm"] >= 0.85 * runs


@pytest.mark.parametrize("rate", [0.02, 0.15, 0.5])
def test_looking_at_every_answer_does_not_raise_the_share_of_false_alarms(rate: float) -> None:
    random, alarms = np.random.default_rng(7), 0
    for _ in range(400):
        hits = np.cumsum(random.random((2, 3000)) < rate, axis=1)
        of = range(FEWEST, 3000, 50)
        alarms += any(log_e_difference((int(hits[0, n]), n + 1), (int(hits[1, n]), n + 1)) > math.log(20) for n in of)
    assert alarms / 400 <= 0.05, "the test of two rates is only asymptotically valid"


def test_a_rate_above_its_limit_is_told_by_the_average_likelihood() -> None:
    above = quad(lambda rate: rate**7 * (1 - rate) ** 93 / 0.98, 0.02, 1)[0] / (0.02**7 * 0.98**93)
    assert log_e_above(7, 100, 0.02) == pytest.approx(math.log(above))
    assert log_e_above(0, 0, 0.02) == pytest.approx(0)
    assert log_e_above(3, 3, 0.02) > math.log(100) > log_e_above(1, 1, 0.02)


def test_two_rates_are_told_apart_by_the_average_likelihood() -> None:
    rates, of = (31 / 102, 21 / 202), (102, 202)
    spread = math.sqrt(sum(rate * (1 - rate) / count for rate, count in zip(rates, of, strict=True)))
    found = rates[0] - rates[1] - 0.05

    def likelihood(difference: float) -> float:
        mixture = sum(2 * norm.pdf(difference, 0, effect) for effect in EFFECTS) / len(EFFECTS)
        return float(norm.pdf(found, difference, spread) * mixture)

    average = quad(likelihood, 0, 3, points=[0.1, 0.5])[0] / norm.pdf(found, 0, spread)
    assert log_e_difference((30, 100), (20, 200), 0.05) == pytest.approx(math.log(average), rel=1e-4)
    assert log_e_difference((49, 49), (0, 1000)) == 0.0, "too few for a test that is valid for many"


MANY = Arm(1000, right=80, wrong=20)


@pytest.mark.parametrize(
    ("counts", "decision", "because"),
    [
        (Counts(MANY, Arm(600, errors=40)), "roll_back", "errors"),
        (Counts(MANY, Arm(600, errors=12)), "go_on", ""),
        (Counts(MANY, Arm(600, acted=150)), "roll_back", "guardrails"),
        (Counts(MANY, Arm(600, acted=40)), "go_on", ""),
        (Counts(MANY, Arm(600), slow=80, timed=600), "roll_back", "latency"),
        (Counts(MANY, Arm(600), slow=30, timed=600), "go_on", ""),
        (Counts(MANY, Arm(600, right=50, wrong=50)), "roll_back", "feedback"),
        (Counts(MANY, Arm(600, right=99, wrong=1)), "promote", "better"),
        (Counts(MANY, Arm(400, right=99, wrong=1)), "go_on", ""),
        (Counts(MANY, Arm(2000)), "promote", "no_harm"),
    ],
)
def test_each_kind_of_harm_ends_a_canary(counts: Counts, decision: str, because: str) -> None:
    found = judged(counts, Rollout(mode="canary", max_requests=2000), 1.0)
    assert (found.decision, found.because) == (decision, because)


def test_a_shadow_that_seldom_agrees_is_rolled_back() -> None:
    rules = Rollout(mode="shadow")
    assert judged(Counts(candidate=Arm(500), agreeing=350, compared=500), rules, 1.0).because == "agreement"
    assert judged(Counts(candidate=Arm(500), agreeing=410, compared=500), rules, 1.0).decision == "go_on"
    assert judged(Counts(candidate=Arm(500), better=2, worse=20), rules, 1.0).because == "feedback"
    assert judged(Counts(candidate=Arm(500), better=20, worse=2), rules, 1.0).because == "better"


def test_too_little_traffic_promotes_nobody() -> None:
    rules = Rollout(mode="canary")
    assert judged(Counts(MANY, Arm(499)), rules, 13.9).decision == "go_on"
    last = judged(Counts(MANY, Arm(499)), rules, 14.0)
    assert (last.decision, last.because) == ("roll_back", "too_few")
    assert judged(Counts(MANY, Arm(500)), rules, 14.0).because == "no_harm"
