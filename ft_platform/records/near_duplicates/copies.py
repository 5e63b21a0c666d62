"""Equal keys among many, from their hashes."""

from collections.abc import Iterator

import numpy as np

from ft_platform.records.key_hashes import KeyHashes

PLACES_AT_ONCE = 1 << 20
VALUES_AT_ONCE = 1 << 20
"""What is looked up at a time, so that the places found do not take more memory than the values."""


def first_of_equal(hashes: KeyHashes, order: np.ndarray | None = None) -> np.ndarray:
    """For each key the first place where an equal one stands, or -1 where that is its own. Shape `(n,)`, dtype int32.

    Args:
        order: rank of each place, shape `(n,)`; the first is the one of smallest rank. Default: the order of the
            places.
    """
    first = np.full(len(hashes), -1, np.int32)
    for places in repeated_keys(hashes):
        rank = order[places] if order is not None else places
        places = places[np.lexsort((rank, hashes.low[places], hashes.high[places]))]
        new = starts_of_equal(hashes[places])
        first[places] = np.where(new, -1, places[np.flatnonzero(new)][np.cumsum(new) - 1])
    return first


def repeated_keys(hashes: KeyHashes) -> Iterator[np.ndarray]:
    """The places of the keys that may stand more than once, as `key_ranges` gives them."""
    for places in key_ranges(hashes):
        yield places[more_than_once(hashes.high[places])]


def key_ranges(hashes: KeyHashes) -> Iterator[np.ndarray]:
    """The places of all keys, ascending, in parts of about `PLACES_AT_ONCE`: equal keys are in one part."""
    parts = max(1, len(hashes) // PLACES_AT_ONCE)
    edges = [(1 << 64) * part // parts for part in range(parts)]
    for part, edge in enumerate(edges):
        inside = hashes.high >= np.uint64(edge)
        if part + 1 < parts:
            inside &= hashes.high < np.uint64(edges[part + 1])
        yield np.flatnonzero(inside)


def more_than_once(values: np.ndarray) -> np.ndarray:
    """Whether each value stands more than once. Shape `(n,)`. Most keys occur once, and need no sorting of more than
    one number."""
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
