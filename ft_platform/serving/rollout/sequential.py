"""Whether a candidate is promoted, rolled back or tried on, from counts alone.

The tests are always valid: they may be looked at as often as one likes, and stopped at any time (Ramdas et al.,
"Game-theoretic statistics and safe anytime-valid inference", Statistical Science 38(4), 2023). Each is an e-process:
while its null hypothesis holds, it ever exceeds 1/a with a probability of at most a (Ville 1939).

A candidate that does no harm is rolled back by mistake in at most 5 % of rollouts: 1 % for each of five tests. One that
is no better is promoted early in at most 5 %. Not covered: answers that depend on one another, e.g. the same question
asked a thousand times."""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ft_platform.serving.rollout.under_way import SLOW
from ft_platform.use_case.settings.rollout import Rollout

HARM = 0.01
"""For each test of harm."""
GAIN = 0.05
EFFECTS = (0.05, 0.25)
"""Sizes of differences at which the test of two rates is quickest: standard deviations of its two mixtures."""
FEWEST = 50
"""Of each of two rates that are compared: the test is valid for many. Simulated with rates of 0.02 to 0.5."""

Decision = Literal["promote", "roll_back", "go_on"]


@dataclass(frozen=True)
class Arm:
    """What one release answered.

    Attributes:
        errors: of the requests, that failed.
        acted: of the requests, on whose answer a guardrail acted.
        right, wrong: answers that people judged.
    """

    requests: int = 0
    errors: int = 0
    acted: int = 0
    right: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class Counts:
    """What was counted since a rollout began.

    Attributes:
        slow: answers of the candidate, of those `timed`, that took longer than they may.
        agreeing: labels of a shadow, of those `compared`, that are the champion's.
        better, worse: judged requests that only the shadow, or only the champion, answered right.
    """

    champion: Arm = field(default_factory=Arm)
    candidate: Arm = field(default_factory=Arm)
    slow: int = 0
    timed: int = 0
    agreeing: int = 0
    compared: int = 0
    better: int = 0
    worse: int = 0


@dataclass(frozen=True)
class Verdict:
    """Attributes:
    because: the test that decided, `better`, `no_harm` or `too_few`; empty while it goes on.
    evidence: test -> probability in [0, 1] with which chance alone would ever show as much.
    """

    decision: Decision
    because: str
    evidence: dict[str, float]


def judged(counts: Counts, rules: Rollout, days: float) -> Verdict:
    """Args: days: since it began."""
    candidate, champion = counts.candidate, counts.champion
    differing, wrong = counts.better + counts.worse, (candidate.wrong, candidate.right + candidate.wrong)
    wrong_before = (champion.wrong, champion.right + champion.wrong)
    is_shadow = rules.mode == "shadow"
    harm = {
        "errors": log_e_above(candidate.errors, candidate.requests, rules.max_error_rate),
        "guardrails": log_e_difference(
            (candidate.acted, candidate.requests), (champion.acted, champion.requests), rules.max_guardrail_increase
        ),
        "latency": log_e_above(counts.slow, counts.timed, SLOW),
        "feedback": log_e_above(counts.worse, differing, 0.5) if is_shadow else log_e_difference(wrong, wrong_before),
    }
    if is_shadow:
        harm["agreement"] = log_e_above(counts.compared - counts.agreeing, counts.compared, 1 - rules.min_agreement)
    gain = log_e_above(counts.better, differing, 0.5) if is_shadow else log_e_difference(wrong_before, wrong)
    evidence = {name: math.exp(min(0.0, -found)) for name, found in {**harm, "better": gain}.items()}
    worst = min(harm, key=lambda name: evidence[name])
    if evidence[worst] <= HARM:
        return Verdict("roll_back", worst, evidence)
    enough = candidate.requests >= rules.min_requests
    if enough and evidence["better"] <= GAIN:
        return Verdict("promote", "better", evidence)
    if days < rules.max_days and candidate.requests < rules.max_requests:
        return Verdict("go_on", "", evidence)
    # The gate has shown on test records that it is good enough, and a rollout looks for harm: an equal one is promoted.
    return Verdict("promote", "no_harm", evidence) if enough else Verdict("roll_back", "too_few", evidence)


def log_e_above(hits: int, of: int, limit: float) -> float:
    """Logarithm of the evidence that a rate is above a limit: the likelihood, averaged over all rates above it alike,
    over that of the limit (Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of
    Mathematical Statistics 41(5), 1970). Exact for every number of observations."""
    from scipy.special import betaln, xlog1py, xlogy
    from scipy.stats import beta  # a second, which going back does not wait for

    misses = of - hits
    above = betaln(hits + 1, misses + 1) + beta.logsf(limit, hits + 1, misses + 1) - math.log1p(-limit)
    return float(above - xlogy(hits, limit) - xlog1py(misses, -limit))


def log_e_difference(one: tuple[int, int], other: tuple[int, int], margin: float = 0.0) -> float:
    """Logarithm of the evidence that one rate is above another by more than a margin, each `(hits, of)`: the mixture
    sequential probability ratio test with half-normal mixtures (Johari et al., "Always valid inference", Operations
    Research 70(3), 2022, eq. 12, for one side). 0 below `FEWEST`: it is valid for many observations (Waudby-Smith et
    al., "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52(6), 2024)."""
    if min(one[1], other[1]) < FEWEST:
        return 0.0
    # One hit and one miss more for each: a rate of 0 would have no variance (Agresti and Caffo 2000).
    rates = [(hits + 1) / (of + 2) for hits, of in (one, other)]
    variance = sum(rate * (1 - rate) / (of + 2) for rate, (_, of) in zip(rates, (one, other), strict=True))
    found = rates[0] - rates[1] - margin
    mixed = [_mixed(found, variance, effect**2) for effect in EFFECTS]
    return float(np.logaddexp.reduce(mixed)) - math.log(len(EFFECTS))


def _mixed(found: float, variance: float, spread: float) -> float:
    """Logarithm of the likelihood of a difference, averaged over a half-normal of this variance, over that of none."""
    from scipy.special import log_ndtr

    both = variance + spread
    mixed = 0.5 * math.log(variance / both) + spread * found**2 / (2 * variance * both)
    return float(mixed + math.log(2) + log_ndtr(found * math.sqrt(spread / (variance * both))))
