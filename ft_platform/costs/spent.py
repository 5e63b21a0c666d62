"""What program runs cost together."""

from collections.abc import Iterable, Mapping
from typing import Any


def spent(rows: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
    """Currency -> cost of runs of the ledger. None: no run had a price, so nobody knows, which is not 0."""
    sums: dict[str, float] = {}
    for row in rows:
        sums[row["currency"]] = round(sums.get(row["currency"], 0.0) + row["money"], 4)
    return {currency: money or None for currency, money in sums.items()}
