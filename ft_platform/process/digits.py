"""Which numbers are figures, and which may be somebody's number."""

import math

MOST = 100_000_000
"""Telephone, card, account and most identity numbers have nine digits or more (E.164, ISO/IEC 7812, ISO 13616); counts
of records seldom have."""


def few_digits(value: float) -> bool:
    """Whether a number has at most eight digits before the point."""
    return not math.isfinite(value) or abs(value) < MOST
