"""A day's counts as independent standard normal scores, exactly, although the reference is finite.

If the day's requests are drawn as all those before them, then, given how many requests of both together fall into each
bin, the day's counts are multivariate hypergeometric (Fisher's argument for two-by-two tables, 1935). Bin after bin,
each count is hypergeometric given those before it, and its distribution function at the count, made uniform with a
random share of the last step, is uniform and independent of the others (Rosenblatt, Remarks on a multivariate
transformation, 1952; Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005, ch. 8, for the
independence of one day's scores and the next). No share of the reference is taken for the true one.
"""

import numpy as np
from scipy.special import gammaln, ndtri

REACH = 10
"""Standard deviations after which a tail adds nothing that a float could hold."""
SMALLEST = 1e-300


def normal_scores(before: np.ndarray, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One score for each bin but the last: independent standard normal where nothing changed, above 0 where the day
    has more requests in the bin, among this and later bins, than there were before.

    Args:
        before: requests in each bin, `(bins,)`: the reference and earlier days.
        day: the same of the day.
        rng: draws the random shares of steps.

    Returns:
        Scores of shape `(bins - 1,)`.
    """
    of_bin = (before + day)[:-1].astype(float)
    rest = np.cumsum((before + day)[::-1])[::-1][:-1].astype(float)
    drawn = np.cumsum(day[::-1])[::-1][:-1].astype(float)
    found = day[:-1].astype(float)
    share = rng.random(len(found))
    mean = drawn * of_bin / np.maximum(rest, 1)
    side = np.where(found >= mean, 1.0, -1.0)
    deviation = np.sqrt(mean * (1 - of_bin / np.maximum(rest, 1)))
    steps = np.arange(int(REACH * deviation.max(initial=0)) + 20)
    tail = np.exp(_log_share(found[:, None] + side[:, None] * steps, rest, of_bin, drawn))
    beyond = tail[:, 1:].sum(axis=1) + share * tail[:, 0]
    return -side * ndtri(np.clip(beyond, SMALLEST, 1 - 1e-16))


def _log_share(count: np.ndarray, rest: np.ndarray, of_bin: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Log of the hypergeometric probability; -inf outside its range. `count` of shape `(bins, steps)`."""
    rest, of_bin, drawn = rest[:, None], of_bin[:, None], drawn[:, None]
    inside = (count >= np.maximum(0, drawn - rest + of_bin)) & (count <= np.minimum(of_bin, drawn))
    kept = np.where(inside, count, np.maximum(0, drawn - rest + of_bin))
    log = _choose(of_bin, kept) + _choose(rest - of_bin, drawn - kept) - _choose(rest, drawn)
    return np.where(inside, log, -np.inf)


def _choose(of: np.ndarray, taken: np.ndarray) -> np.ndarray:
    return gammaln(of + 1) - gammaln(taken + 1) - gammaln(of - taken + 1)
