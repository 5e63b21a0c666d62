"""Fits `loss(n) = c + a * n^-b`, the shape that validation losses have in the number of training records.

Source: Hestness et al., "Deep Learning Scaling is Predictable, Empirically", arXiv:1712.00409, section 3; c is what no
amount of records removes. `a` may come out negative, so that an interval can say that more data is not told apart from
no gain."""

from dataclasses import dataclass
from typing import Any

import numpy as np

EXPONENTS = np.linspace(0.05, 2.0, 391)
"""Tried for b: Hestness et al. measured 0.07 to 0.35 over whole domains, fine-tuning on one task falls more steeply."""


@dataclass(frozen=True)
class PowerLaw:
    """One fit, or many at once: arrays of equal shape `(samples,)`."""

    a: Any
    b: Any
    c: Any

    def at(self, n: float) -> Any:
        """The loss with n training records."""
        return self.c + self.a * np.power(float(n), -self.b)


def fit(rows: np.ndarray, losses: np.ndarray) -> PowerLaw:
    """Least squares with c >= 0, exactly in a and c for each b of a grid.

    Args:
        rows: training records `(shares,)`.
        losses: `(samples, shares)`.

    Returns:
        Parameters `(samples,)`.
    """
    best = np.full(len(losses), np.inf)
    a, b, c = (np.zeros(len(losses)) for _ in range(3))
    for exponent in EXPONENTS:
        x = np.power(rows.astype(float), -exponent)
        centred = x - x.mean()
        slope = losses @ centred / (centred @ centred)
        level = losses.mean(axis=1) - slope * x.mean()
        below = level < 0
        slope = np.where(below, losses @ x / (x @ x), slope)
        level = np.where(below, 0.0, level)
        error = ((losses - level[:, None] - slope[:, None] * x) ** 2).sum(axis=1)
        better = error < best
        best, a, c = np.where(better, error, best), np.where(better, slope, a), np.where(better, level, c)
        b = np.where(better, exponent, b)
    return PowerLaw(a, b, c)
