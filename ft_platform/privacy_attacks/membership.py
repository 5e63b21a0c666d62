"""Membership inference: can training records be told from test records by how sure the model is of their answers?

Three attacks: the loss (Yeom et al., arXiv:1709.01604), the loss below that of the untrained model
(reference-calibrated: Carlini et al., arXiv:2012.07805, section 5.2; Mireshghallah et al., arXiv:2203.03929), and the
least likely tokens (min-k % probability: Shi et al., arXiv:2310.16789).

Covered: the answers that training learned. Not covered: the words of users, of which no loss was taken, and attackers
who train models of their own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.privacy_attacks.curves import figures_of
from ft_platform.settings.attacks import Attacks

LEAST_ROWS = 20
"""Below, an interval of the area covers almost everything: with 20 and 20 records at chance 0.32 to 0.68 (Hanley and
McNeil 1982, Radiology 143)."""

ATTACKS = ("loss", "reference", "min_k")
Losses = Sequence[np.ndarray]


@dataclass(frozen=True)
class SideLosses:
    """Losses per supervised token of the records of one side.

    Attributes:
        before, after: by the untrained and by the trained model, one array for each record.
    """

    before: Losses
    after: Losses


def scores(losses: SideLosses, min_k: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Attack -> scores of each record by the trained and by the untrained model; a high score says "trained on it".
    Shapes `(rows,)`.

    The reference attack on the untrained model compares it with itself: every score is 0, and its area is 0.5 by
    construction."""
    before, after = _means(losses.before), _means(losses.after)
    return {
        "loss": (-after, -before),
        "reference": (before - after, np.zeros(len(before))),
        "min_k": (_least_likely(losses.after, min_k), _least_likely(losses.before, min_k)),
    }


def _means(losses: Losses) -> np.ndarray:
    return np.array([row.mean() for row in losses])


def _least_likely(losses: Losses, share: float) -> np.ndarray:
    """Mean log-probability of the least likely `share` of each row's tokens, one token at least."""
    return np.array([-np.sort(row)[-math.ceil(share * len(row)) :].mean() for row in losses])


def membership(train: SideLosses, test: SideLosses, settings: Attacks) -> dict[str, Any]:
    """`{"rows", "attacks": {attack: figures}, "strongest": attack, "status"}`.

    With fewer than 20 records a side there are no figures: `attacks` and `strongest` are None and `status` says why.
    """
    rows = len(train.after)
    if rows < LEAST_ROWS:
        return {"rows": rows, "attacks": None, "strongest": None, "status": f"too few records: {rows} per side"}
    of_train, of_test = scores(train, settings.min_k), scores(test, settings.min_k)
    found = {
        name: figures_of(
            (of_train[name][0], of_test[name][0]),
            (of_train[name][1], of_test[name][1]),
            settings.bootstrap_samples,
            settings.confidence,
            settings.seed,
        )
        for name in ATTACKS
    }
    strongest = max(ATTACKS, key=lambda name: found[name]["auc"]["value"])
    return {"rows": rows, "attacks": found, "strongest": strongest, "status": "measured"}
