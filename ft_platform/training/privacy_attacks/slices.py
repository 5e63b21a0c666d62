"""Membership label by label and group by group: a rare label can be known by heart while the whole looks harmless.

The threshold of each slice comes from the other records outside it, so that the slice's own records are compared by
Fisher's exact test. All slices share one error: each is held to its
part of it (Bonferroni)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ft_platform.training.privacy_attacks.true_positives import LOW, exact_low, threshold

LEAST_MEMBERS = 10
"""Of fewer training records a slice says nothing about a share of a few percent."""


def slices_of(
    members: np.ndarray,
    others: np.ndarray,
    kinds: Mapping[str, tuple[Sequence[str], Sequence[str]]],
    confidence: float,
) -> list[dict[str, Any]]:
    """`[{"kind", "name", "members", "found", "others", "mistaken", "low", "chance"}]`, the surest first.

    `found` of the slice's training records, and `mistaken` of its others, lie beyond the threshold; at least the
    share `low` of such training records does; `chance` is the p-value of finding that many by guessing. Both are
    corrected for the number of slices.

    Args:
        members, others: scores of training and of other records; a high one says "trained". Shapes `(rows,)`.
        kinds: `label`, or a feature -> its value for each training and each other record.
    """
    chosen = [
        (kind, name, np.array(of_members) == name, np.array(of_others) == name)
        for kind, (of_members, of_others) in kinds.items()
        for name in sorted(set(of_members))
    ]
    chosen = [one for one in chosen if one[2].sum() >= LEAST_MEMBERS and one[3].any() and not one[3].all()]
    found = [
        {"kind": kind, "name": name, **_found(members[m], others[o], others[~o], len(chosen), (1 - confidence) / 2)}
        for kind, name, m, o in chosen
    ]
    return sorted(found, key=lambda one: (-one["low"], one["chance"], one["kind"], one["name"]))


def _found(members: np.ndarray, others: np.ndarray, outside: np.ndarray, slices: int, error: float) -> dict[str, Any]:
    from scipy.stats import hypergeom

    limit = threshold(outside, LOW)
    found, mistaken = int((members > limit).sum()), int((others > limit).sum())
    chance = float(hypergeom.sf(found - 1, len(members) + len(others), found + mistaken, len(members)))
    return {
        "members": len(members),
        "found": found,
        "others": len(others),
        "mistaken": mistaken,
        "low": exact_low(found, len(members), error / slices),
        "chance": min(chance * slices, 1.0),
    }
