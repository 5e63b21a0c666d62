"""Figures and moments as people write them."""

import math
from datetime import datetime


def number(value: float | int | None) -> str:
    """A score with three places after the point, a count with thousands separated."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def amount(value: float | None) -> str:
    """A number as people write it: the larger, the fewer places after the point; two digits of one below 0.01."""
    if value is None:
        return "–"
    size = abs(value)
    return (
        f"{value:,.0f}"
        if size >= 1000
        else f"{value:,.1f}"
        if size >= 10
        else f"{value:,.2f}"
        if size >= 1
        else f"{value:,.3f}"
        if size >= 0.01 or size == 0
        else f"{value:.{1 - math.floor(math.log10(size))}f}"
    )


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def day(written_at: str) -> str:
    """A moment of a manifest as people write it: `27 November 2026, 21:42 UTC`; any other text as it is."""
    try:
        moment = datetime.fromisoformat(written_at)
    except ValueError:
        return written_at
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"
