"""Membership inference: can training records be told from others by how sure the model is of their answers?

Two attacks: the loss (Yeom et al., arXiv:1709.01604), and the loss below what the record's difficulty leads one to
expect (calibrated: Watson et al., arXiv:2111.08440). The difficulty of a label is what systems say that never read the
record (`difficulty`), and both are compared as log-odds, which do not end at a probability of 1 (Carlini et al.,
arXiv:2112.03570). The difficulty of an answer is the loss of the untrained model, token by token (Carlini
et al., arXiv:2012.07805, section 5.2; Mireshghallah et al., arXiv:2203.03929).

Covered: the answers that training learned. Not covered: the words of users, of which no loss was taken, and attackers
who train models of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.training.privacy_attacks.curves import area
from ft_platform.training.privacy_attacks.slices import slices_of
from ft_platform.training.privacy_attacks.true_positives import LOW, VERY_LOW, true_positive_rate
from ft_platform.use_case.settings.attacks import Attacks

OTHERS = ("test", "validation")
"""Sides that the model did not learn. Training records are told from both."""
LEAST_ROWS = 20
"""Below, an interval of the area covers almost everything: with 20 and 20 records at chance 0.32 to 0.68 (Hanley and
McNeil 1982, Radiology 143)."""

LEAST_LOSS, MOST_LOSS = 1e-7, 50.0
"""A loss in 32 bits is no finer, and says no more."""
CALIBRATED = "calibrated"
ATTACKS = ("loss", CALIBRATED)
Losses = Sequence[np.ndarray]


@dataclass(frozen=True)
class SideLosses:
    """Losses of the records of one side: one number for each token of an answer, or one for a label.

    Attributes:
        difficulty: by who never read the record, one array for each record.
        after: by the trained model.
    """

    difficulty: Losses
    after: Losses


def others_of(losses: Mapping[str, SideLosses]) -> SideLosses:
    """The records of the sides that the model did not learn, one side after the other."""
    sides = [losses[side] for side in OTHERS]
    return SideLosses([row for side in sides for row in side.difficulty], [row for side in sides for row in side.after])


def scores(losses: SideLosses, *, of_labels: bool) -> dict[str, np.ndarray]:
    """Attack -> scores of each record; a high one says "trained on it". Shapes `(rows,)`."""
    difficulty, after = means(losses.difficulty), means(losses.after)
    calibrated = log_odds(after) - log_odds(difficulty) if of_labels else difficulty - after
    return {"loss": -after, CALIBRATED: calibrated}


def log_odds(losses: np.ndarray) -> np.ndarray:
    """Of labels whose negative log-probabilities in nats these are."""
    return -np.log(np.expm1(np.clip(losses, LEAST_LOSS, MOST_LOSS)))


def means(losses: Losses) -> np.ndarray:
    return np.array([row.mean() for row in losses])


def membership(
    train: SideLosses,
    rest: SideLosses,
    settings: Attacks,
    kinds: Mapping[str, tuple[Sequence[str], Sequence[str]]],
    *,
    of_labels: bool,
) -> dict[str, Any]:
    """`{"members", "others", "attacks": {attack: {"auc", "at_1_percent", "at_01_percent"}}, "slices", "status"}`.

    The last two figures of an attack are its true positive rates at a false positive rate of 1 % and 0.1 %. With fewer
    than 20 records on a side there are no figures: `attacks` is None and `status` says why.

    Args:
        rest: of records that the model did not learn.
        kinds: of `slices.slices_of`.
        of_labels: whether the model learns labels, not answers.
    """
    members, others = len(train.after), len(rest.after)
    counts = {"members": members, "others": others}
    if min(members, others) < LEAST_ROWS:
        status = f"too few records: {members} of training and {others} others"
        return {**counts, "attacks": None, "slices": [], "status": status}
    of_train, of_rest = scores(train, of_labels=of_labels), scores(rest, of_labels=of_labels)
    attacks = {
        name: {
            "auc": area(of_train[name], of_rest[name], settings),
            "at_1_percent": true_positive_rate(of_train[name], of_rest[name], LOW, settings.confidence),
            "at_01_percent": true_positive_rate(of_train[name], of_rest[name], VERY_LOW, settings.confidence),
        }
        for name in ATTACKS
    }
    slices = slices_of(of_train[CALIBRATED], of_rest[CALIBRATED], kinds, settings.confidence)
    return {**counts, "attacks": attacks, "slices": slices, "status": "measured"}
