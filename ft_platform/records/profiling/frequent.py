"""The most frequent values of a column of any number of values, in bounded memory.

Misra and Gries 1982 in its mergeable form (Agarwal, Cormode, Huang, Phillips, Wei, Yi, "Mergeable summaries", PODS
2012): counts that are shown are at most `undercount` too low, never too high, and every value above `undercount` is
there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping


class FrequentValues:
    """Counts of values.

    Args:
        capacity: how many values are kept; with fewer different ones all counts are exact.

    Attributes:
        counts: value -> count.
        undercount: how much too low a count may be.
    """

    def __init__(self, capacity: int) -> None:
        self.counts: Counter[str] = Counter()
        self.undercount = 0
        self._capacity = capacity

    def add(self, values: Iterable[str] | Mapping[str, int]) -> None:
        self.counts.update(values)
        if len(self.counts) > 2 * self._capacity:
            self._prune()

    def most_common(self, number: int, at_least: int = 1) -> dict[str, int]:
        """The most frequent values with their counts, the first by name among equal ones."""
        ordered = sorted(
            ((value, count) for value, count in self.counts.items() if count >= at_least),
            key=lambda item: (-item[1], item[0]),
        )
        return dict(ordered[:number])

    def _prune(self) -> None:
        loss = sorted(self.counts.values(), reverse=True)[self._capacity]
        self.undercount += loss
        self.counts = Counter({value: count - loss for value, count in self.counts.items() if count > loss})
