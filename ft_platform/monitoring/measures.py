"""Columns of requests as counts of bins, which is all that the alarms know of a day.

Bins are chosen on one part of the reference and never counted on it: bounds that were chosen on the rows they count
would make the reference look more regular than traffic can be.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.errors import DataError

QUANTILES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Of the reference, between the bins of a number: finer at both ends, and a bin for what is above everything known."""
MOST_VALUES = 100
"""Further values of a name, the rarest, are one bin."""
FIT_EVERY = 5
"""One row of the reference in so many chooses bins, the others are counted."""

Column = Sequence[Any] | np.ndarray


@dataclass(frozen=True)
class Measure:
    """How one column is counted.

    Attributes:
        name: of the column.
        values: of names (labels, languages, true and false), the most frequent first; a bin for all others follows.
        bounds: of numbers, rising: bin `i` holds the numbers above `bounds[i - 1]`, up to `bounds[i]`. The first bin
            of numbers is for requests without one.
    """

    name: str
    values: tuple[str, ...] = ()
    bounds: tuple[float, ...] | None = None

    @property
    def bins(self) -> int:
        return len(self.values) + 1 if self.bounds is None else len(self.bounds) + 2

    def counts(self, column: Column) -> np.ndarray:
        """Requests in each bin, of shape `(bins,)`; those of two parts of a day add up."""
        if self.bounds is None:
            place = {value: i for i, value in enumerate(self.values)}
            codes = np.array([place.get(str(value), len(self.values)) for value in column], int)
        else:
            codes = self._number_bins(column)
        return np.bincount(codes, minlength=self.bins)

    def _number_bins(self, column: Column) -> np.ndarray:
        numbers = np.asarray(column, float)
        return np.where(np.isnan(numbers), 0, 1 + np.searchsorted(np.asarray(self.bounds), numbers))


def fit_rows(rows: int) -> np.ndarray:
    """Which rows of a reference choose bins; the others are counted. Shape `(rows,)`, true or false."""
    return np.arange(rows) % FIT_EVERY == 0


def measure_of(name: str, column: Column) -> Measure:
    """Bins for a column: numbers by quantiles, everything else by value.

    Args:
        column: the rows of `fit_rows`; None or NaN where a request has no value.

    Raises:
        DataError: the column has no rows.
    """
    if not len(column):
        raise DataError(f"{name}: no request of the reference to choose bins on", "Take a larger reference")
    known = [value for value in column if value is not None and value == value]
    if known and all(isinstance(v, int | float | np.number) and not isinstance(v, bool | np.bool_) for v in known):
        inner = np.quantile(np.asarray(known, float), QUANTILES, method="lower")
        return Measure(name, bounds=tuple(float(bound) for bound in np.unique(inner)))
    frequent = Counter(str(value) for value in column).most_common(MOST_VALUES)
    return Measure(name, values=tuple(value for value, _ in frequent))


def day_counts(measures: Sequence[Measure], columns: Mapping[str, Column]) -> dict[str, np.ndarray]:
    """Counts of a day, or of a part of it, for each measure. Add the counts of parts that share no `key`.

    Raises:
        DataError: a column is missing, or the columns differ in length.
    """
    if missing := [one.name for one in measures if one.name not in columns]:
        raise DataError(f"columns of the day are missing: {', '.join(missing)}", "Hand over every column monitored")
    if len({len(columns[one.name]) for one in measures}) > 1:
        raise DataError("columns of the day differ in length", "Hand over one value for each request, None if unknown")
    return {one.name: one.counts(columns[one.name]) for one in measures}


def first_of_each(keys: Sequence[str]) -> np.ndarray:
    """True for the first request with each key, shape `(rows,)`.

    The alarms take requests as drawn one by one. A retry or a load test is not; neither are the turns of one chat. So
    count one request a day for each key: a hash of the text, or the chat.
    """
    first = np.zeros(len(keys), bool)
    first[np.unique(np.asarray(keys, dtype=object).astype(str), return_index=True)[1]] = True
    return first
