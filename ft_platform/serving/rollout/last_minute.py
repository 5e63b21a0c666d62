"""What a candidate did within the last minute, in the memory of a server: a candidate that fails, is too slow or is
withheld loses its traffic at once, before anybody counts what was noted."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ft_platform.serving.guardrails import abstaining, answer_form, answer_scan
from ft_platform.serving.rollout.under_way import SLOW, UnderWay

SECONDS = 60.0
BY_CHANCE = 1e-6
"""Probability with which a candidate at a limit shows as much within a minute."""
FEWEST = 20
"""Answers of the champion within the minute that a candidate is compared with."""
FAILED = ("internal_error", "engine_failed", "timeout")
"""Codes of answers that fail because of the release, or of its server, and not of the client."""
OF_ANSWERS = (abstaining.NAME, answer_form.NAME, answer_scan.NAME)
"""Guardrails that act on what a release answers."""


def acted_on_answer(guardrails: Iterable[str]) -> bool:
    """Args: guardrails: names of those that did something."""
    return any(one in OF_ANSWERS for one in guardrails)


@dataclass(frozen=True)
class Answered:
    """One request that was answered, or failed."""

    at: float
    seconds: float
    failed: bool
    acted: bool
    slow: bool = False


class LastMinute:
    """The last minute of one rollout.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, rollout: UnderWay, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules, self._clock = rollout.rules, clock
        self._champion, self._candidate = deque[Answered](), deque[Answered]()
        self._longest, self._looked = math.inf, -math.inf

    def champion(self, seconds: float, failed: bool, acted: bool) -> None:
        now = self._clock()
        self._champion.append(Answered(now, seconds, failed, acted))
        _forget(self._champion, now)

    def candidate(self, seconds: float, failed: bool, acted: bool) -> str:
        """Why the candidate must be stopped; empty: nothing speaks against it."""
        now = self._clock()
        if now - self._looked >= 1.0:
            self._look(now)
        self._candidate.append(Answered(now, seconds, failed, acted, seconds > self._longest))
        _forget(self._champion, now)
        _forget(self._candidate, now)
        of, known = len(self._candidate), len(self._champion)
        usual = (sum(one.acted for one in self._champion) + 1) / (known + 2) + self._rules.max_guardrail_increase
        checks = [
            ("failed", sum(one.failed for one in self._candidate), self._rules.max_error_rate),
            ("took longer than they may", sum(one.slow for one in self._candidate), SLOW),
        ]
        if known >= FEWEST and usual < 1:
            checks.append(("had a guardrail act on them", sum(one.acted for one in self._candidate), usual))
        for what, hits, limit in checks:
            if is_above(hits, of, limit):
                return f"{hits} of {of} answers within a minute {what}"
        return ""

    def _look(self, now: float) -> None:
        """How long an answer may take; sorting is not for every request."""
        self._looked = now
        times = sorted(one.seconds for one in self._champion if not one.failed)
        self._longest = math.inf
        if len(times) >= FEWEST:
            self._longest = times[math.ceil(0.95 * len(times)) - 1] * self._rules.max_p95_ratio


def _forget(seen: deque[Answered], now: float) -> None:
    while seen and now - seen[0].at > SECONDS:
        seen.popleft()


def is_above(hits: int, of: int, limit: float) -> bool:
    """Whether so many hits come with a probability of less than `BY_CHANCE` at a rate of `limit` (Hoeffding,
    "Probability inequalities for sums of bounded random variables", JASA 58, 1963, theorem 1)."""
    rate = hits / of
    if rate <= limit:
        return False
    divergence = rate * math.log(rate / limit)
    if rate < 1:
        divergence += (1 - rate) * math.log((1 - rate) / (1 - limit))
    return of * divergence > -math.log(BY_CHANCE)
