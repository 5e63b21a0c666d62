"""How fast an endpoint answers: questions of the golden set, several at a time."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ft_platform.errors import EndpointFailed, EndpointUnavailable
from ft_platform.serving.causes import Asked, Golden

CONCURRENT = (1, 4, 16)
ROUNDS = 3
"""Requests of each client, after one that is not counted."""
LEAST = 12


def load_test(
    ask: Callable[[list[dict[str, str]]], Asked],
    golden: Sequence[Golden],
    on_request: Callable[[int, int], None] = lambda done, total: None,
    levels: Sequence[int] = CONCURRENT,
) -> list[dict[str, Any]]:
    """Asks at each level that many questions at once.

    Args:
        on_request: requests done, and all of them.

    Returns:
        Of each level `{"concurrent", "requests", "refused", "median_seconds", "p95_seconds", "requests_per_second",
        "prompt_tokens_per_second"}`. `refused`: too busy, not counted elsewhere.

    Raises:
        EndpointFailed: it answers nothing at a level, or fails.
    """
    total = sum(_requests(level) for level in levels)
    done, found = 0, []
    ask(golden[0].messages)  # what is loaded and compiled at the first request
    for level in levels:
        questions = [golden[number % len(golden)] for number in range(_requests(level))]
        started = time.monotonic()
        answers: list[Asked | None] = []
        with ThreadPoolExecutor(level, "load-test") as clients:
            for said in clients.map(lambda one: _asked(ask, one), questions):
                answers.append(said)
                done += 1
                on_request(done, total)
        wall = time.monotonic() - started
        answered = [one for one in answers if one is not None]
        if not answered:
            raise EndpointFailed(f"nothing was answered with {level} requests at once: too busy")
        seconds = sorted(one.seconds for one in answered)
        found.append(
            {
                "concurrent": level,
                "requests": len(questions),
                "refused": len(questions) - len(answered),
                "median_seconds": round(statistics.median(seconds), 4),
                "p95_seconds": round(seconds[min(len(seconds) - 1, int(0.95 * len(seconds)))], 4),
                "requests_per_second": round(len(answered) / wall, 3),
                "prompt_tokens_per_second": round(sum(one.prompt_tokens for one in answered) / wall, 1),
            }
        )
    return found


def cost_per_1000(load: Sequence[dict[str, Any]], cost_per_day: float | None) -> float | None:
    """What 1,000 requests cost while as many are asked as it answered at most; None: the cost is unknown."""
    if cost_per_day is None:
        return None
    fastest = max(one["requests_per_second"] for one in load)
    return round(cost_per_day / 86_400 / fastest * 1000, 6)


def _requests(level: int) -> int:
    return max(LEAST, ROUNDS * level)


def _asked(ask: Callable[[list[dict[str, str]]], Asked], one: Golden) -> Asked | None:
    try:
        return ask(one.messages)
    except EndpointUnavailable:
        return None
