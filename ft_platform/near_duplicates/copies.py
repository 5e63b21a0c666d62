"""Equal keys among many, from their hashes."""

import numpy as np

from ft_platform.key_hashes import KeyHashes

VALUES_AT_ONCE = 1 << 20
"""What is looked up at a time, so that the places found do not take more memory than the values."""


def first_of_equal(hashes: KeyHashes, order: np.ndarray | None = None) -> np.ndarray:
    """For each key the first place where an equal one stands, or -1 where that is its own. Shape `(n,)`, dtype int32.

    Args:
        order: rank of each place, shape `(n,)`; the first is the one of smallest rank. Default: the order of the places.
    """
    first = np.full(len(hashes), -1, np.int32)
    places = np.flatnonzero(more_than_once(hashes.high))
    rank = order[places] if order is not None else places
    places = places[np.lexsort((rank, hashes.low[places], hashes.high[places]))]
    new = starts_of_equal(hashes[places])
    first[places] = np.where(new, -1, places[np.flatnonzero(new)][np.cumsum(new) - 1])
    return first


def more_than_once(values: np.ndarray) -> np.ndarray:
    """Whether each value stands more than once. Shape `(n,)`. Most keys occur once, and need no sorting of more than one number."""
    ordered = np.sort(values)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    found = np.zeros(len(values), bool)
    for start in range(0, len(values) if len(twice) else 0, VALUES_AT_ONCE):
        part = values[start : start + VALUES_AT_ONCE]
        found[start : start + len(part)] = twice[np.minimum(np.searchsorted(twice, part), len(twice) - 1)] == part
    return found


def starts_of_equal(ordered: KeyHashes) -> np.ndarray:
    """Whether each of the sorted keys differs from the one before it. Shape `(n,)`."""
    new = np.ones(len(ordered), bool)
    new[1:] = (ordered.high[1:] != ordered.high[:-1]) | (ordered.low[1:] != ordered.low[:-1])
    return new
