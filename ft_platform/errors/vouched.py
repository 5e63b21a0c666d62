"""The texts that code of ours vouches for. The edge lets them through and withholds every other one."""

import logging
import math
from collections.abc import MutableMapping
from typing import Any

LIMIT = 200_000
"""Texts that are remembered; a run has about 500. Those longest ago are forgotten first."""
FIGURE = 100_000_000
"""Telephone, card, account and most identity numbers have nine digits or more (E.164, ISO/IEC 7812, ISO 13616); counts
of records seldom have."""

_vouched: dict[int, None] = {}


def vouch(text: str) -> str:
    """The same text, which may be shown from now on: it holds no value of a record."""
    for one in (text, text.strip()):
        _vouched.pop(hash(one), None)
        _vouched[hash(one)] = None
    while len(_vouched) > LIMIT:
        _vouched.pop(next(iter(_vouched)), None)
    return text


def is_vouched(text: str) -> bool:
    return hash(text) in _vouched


def few_digits(value: float) -> bool:
    """Whether a number has at most eight digits before the point, and so is a figure and not somebody's number."""
    return not math.isfinite(value) or abs(value) < FIGURE


class VouchedLog(logging.LoggerAdapter):
    """A log for code of ours, whose lines have figures and no values of records."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return vouch(str(msg)), kwargs


def shown(template: str, *figures: float) -> str:
    """A text of your own stage that may be shown in log and metadata: `context.log.info(shown("{} of {} rows kept",
    kept, rows))`.

    Args:
        template: a text that stands in the code.
        figures: numbers of at most eight digits; a longer one may be somebody's number.

    Raises:
        TypeError, ValueError: a figure is no number, or too long.
    """
    for place, figure in enumerate(figures):
        _require_figure(f"figure {place + 1}", figure)
    return vouch(template.format(*figures) if figures else template)


def figures(**values: float) -> dict[str, float]:
    """Metadata of your own stage, numbers only, as `dg.MaterializeResult(metadata=figures(rows=120, share=0.25))` takes
    it.

    Raises:
        TypeError, ValueError: a value is no number, or too long.
    """
    for name, value in values.items():
        _require_figure(name, value)
        vouch(name)
    return values


def _require_figure(name: str, value: Any) -> None:
    if not isinstance(value, (int, float)):
        raise TypeError(
            f"{name} must be a number, got {type(value).__name__}: texts may hold personal data. A text of the code is"
            " shown by `shown(...)`"
        )
    if not few_digits(value):
        raise ValueError(
            f"{name} has more than eight digits and may be somebody's number. Show it in thousands or millions"
        )
