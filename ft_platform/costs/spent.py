"""What program runs cost together."""

from collections.abc import Iterable, Mapping
from typing import Any


def spent(rows: Iterable[Mapping[str, Any]]) -> dict[str, float | None]:
    """Currency -> cost of runs of the ledger, of those that had a price. None: none had one, so nobody knows, which is
    not 0."""
    sums: dict[str, float | None] = {}
    for row in rows:
        sums.setdefault(row["currency"], None)
        if row["money"] is not None:
            sums[row["currency"]] = round((sums[row["currency"]] or 0.0) + row["money"], 4)
    return sums
