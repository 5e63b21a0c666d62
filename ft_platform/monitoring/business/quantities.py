"""Numbers that know where they come from and how uncertain they are: measured ones by bootstrap, assumed ones within a
declared range."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.use_case.settings.evaluation import Evaluation

LEAST_MEASUREMENTS = 5
"""Fewer values of one period show no interval that means anything, and count as not measured."""


@dataclass(frozen=True)
class Quantity:
    """One number.

    Attributes:
        draws: values it may as well have, shape `(samples,)`.
        source: id of an artifact, `sha256:<hash of the file>`, `assumption: business.<setting>`, several separated by
            `; `.
        low, high: the ends that the sensitivity moves it to.
    """

    value: float
    draws: np.ndarray
    source: str
    low: float
    high: float

    def figure(self, confidence: float) -> dict[str, Any]:
        """`{"value", "low", "high", "source"}`."""
        return {**interval(self.value, self.draws, confidence), "source": self.source}


def assumed(
    setting: str, value: float, uncertainty: float, samples: int, seed: int, *, share: bool = False
) -> Quantity:
    """A declared number, as likely anywhere within `value * (1 +- uncertainty)`.

    Args:
        setting: field of `business`; with the seed it decides the draws.
        share: it stays in [0, 1].
    """
    factors = np.random.default_rng([seed, *setting.encode()]).uniform(1 - uncertainty, 1 + uncertainty, samples)
    ends = np.array([value * (1 - uncertainty), value * (1 + uncertainty)])
    draws = value * factors
    if share:
        draws, ends = np.clip(draws, 0, 1), np.clip(ends, 0, 1)
    return Quantity(value, draws, f"assumption: business.{setting}", float(ends[0]), float(ends[1]))


def measured_mean(values: np.ndarray, source: str, settings: Evaluation, place: int) -> Quantity:
    """The mean of measured values, resampled.

    Args:
        place: which of the measured quantities, so that two do not share their resamples.
    """
    draws = resampled_sums(values[:, None], settings.bootstrap_samples, [settings.seed, place])[:, 0] / len(values)
    return _measured(float(values.mean()), draws, source, settings.confidence)


def _measured(value: float, draws: np.ndarray, source: str, confidence: float) -> Quantity:
    ends = interval(value, draws, confidence)
    return Quantity(value, draws, source, ends["low"], ends["high"])


def known(value: float, draws: np.ndarray, source: str, confidence: float) -> Quantity:
    """A number of an artifact with its resamples; constant draws where it was measured once."""
    return _measured(value, draws, source, confidence)


def sources(quantities: Sequence[Quantity | None]) -> str:
    """The sources of several quantities, each once, separated by `; `."""
    parts = [part for quantity in quantities if quantity for part in quantity.source.split("; ")]
    return "; ".join(dict.fromkeys(parts))
