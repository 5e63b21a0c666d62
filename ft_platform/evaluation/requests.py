"""What answering takes: seconds and money per 1,000 requests, as measured on the test records.

All test records are answered one after the other in full batches; a server that answers single requests needs longer.
"""

from collections.abc import Mapping
from typing import Any

from ft_platform.costs.prices import cost_of
from ft_platform.environment import ComputeProfile


def per_thousand(answer_seconds: Mapping[str, float], rows: int, profile: ComputeProfile) -> dict[str, dict[str, Any]]:
    """`{system: {"seconds", "money", "currency"}}` per 1,000 requests; money is None where the compute profile names no price."""
    found = {}
    for system, seconds in answer_seconds.items():
        each = 1000 * seconds / rows
        money = cost_of(each, profile).money if profile.price_per_hour else None
        found[system] = {"seconds": round(each, 3), "money": money, "currency": profile.currency}
    return found
