"""What answering takes: seconds and money per 1,000 requests, as measured on the test records.

All test records are answered one after the other in full batches; a server that answers single requests needs longer.
"""

from collections.abc import Mapping
from typing import Any

from ft_platform.costs.prices import cost_of
from ft_platform.use_case.settings.compute_profile import ComputeProfile


def taken(one: Mapping[str, Any]) -> str:
    """What 1,000 requests take, in words: `40.0 seconds (0.50 EUR)`.

    Args:
        one: of `per_thousand`.
    """
    money = "" if one["money"] is None else f" ({_shown(one['money'], 2)} {one['currency']})"
    return f"{_shown(one['seconds'], 1)} seconds{money}"


def _shown(value: float, digits: int) -> str:
    """Small values with two digits that count: a baseline answers 1,000 requests in less than 0.1 seconds."""
    return f"{value:,.{digits}f}" if value == 0 or value >= 10**-digits else f"{value:.2g}"


def per_thousand(
    answer_seconds: Mapping[str, float], rows: int, profile: ComputeProfile, info: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """`{system: {"seconds", "money", "currency"}}` per 1,000 requests; money is None where the compute profile names no
    price.

    Args:
        info: what is known of single systems (`Evaluated.info`); an endpoint costs what its provider takes for the
            tokens it counted.
    """
    found = {}
    for system, seconds in answer_seconds.items():
        each = 1000 * seconds / rows
        money, currency = cost_of(each, profile).money, profile.currency
        if system.startswith("endpoint_") and info:
            money, currency = info[system]["money_per_1000"], info[system]["currency"]
        found[system] = {"seconds": round(each, 3), "money": money, "currency": currency}
    return found
