"""Overfitting: how much better the model does on the records it was trained on than on records it never saw."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.training.privacy_attacks.membership import LEAST_ROWS, SideLosses
from ft_platform.use_case.settings.attacks import Attacks


def overfitting(losses: Mapping[str, SideLosses], training: Mapping[str, Any], settings: Attacks) -> dict[str, Any]:
    """`{"train", "validation", "test", "gap", "validation_gap", "gap_before", "curve", "kept_epoch", "status"}`.

    Losses are nats per answer token, or per label. `gap` is test minus train, `gap_before` the same by who never read
    the records: what differs between the records themselves. A side with fewer than 20 records has None.

    Args:
        losses: by side, `train`, `validation` and `test`.
        training: `training.json` of the checkpoint.
    """
    drawn = {side: _resampled(found.after, settings, number) for number, (side, found) in enumerate(losses.items())}
    before = {side: _resampled(losses[side].difficulty, settings, number) for number, side in enumerate(losses)}
    few = [f"{side} {len(found.after)}" for side, found in losses.items() if len(found.after) < LEAST_ROWS]
    return {
        **{side: None if one is None else interval(*one, settings.confidence) for side, one in drawn.items()},
        "gap": _difference(drawn["test"], drawn["train"], settings),
        "validation_gap": _difference(drawn["validation"], drawn["train"], settings),
        "gap_before": _difference(before["test"], before["train"], settings),
        **curve_by_epoch(training),
        "status": f"too few records: {', '.join(few)}; {LEAST_ROWS} are needed" if few else "measured",
    }


Drawn = tuple[float, np.ndarray]


def _resampled(losses: Sequence[np.ndarray], settings: Attacks, number: int) -> Drawn | None:
    """Mean loss per token, and that of each resample of records; None for too few."""
    if len(losses) < LEAST_ROWS:
        return None
    statistics = np.array([[row.sum(), len(row)] for row in losses])
    sums = resampled_sums(statistics, settings.bootstrap_samples, [settings.seed, number])
    total = statistics.sum(axis=0)
    return float(total[0] / total[1]), sums[:, 0] / sums[:, 1]


def _difference(one: Drawn | None, other: Drawn | None, settings: Attacks) -> dict[str, float] | None:
    if one is None or other is None:
        return None
    return interval(one[0] - other[0], one[1] - other[1], settings.confidence)


def curve_by_epoch(training: Mapping[str, Any]) -> dict[str, Any]:
    """`{"curve": [{"epoch", "train_loss" | "validation_loss"}], "kept_epoch"}` from the course of a training."""
    per_epoch = max(math.ceil(training["counts"]["train"]["rows"] / training["training"]["batch_rows"]), 1)
    points = []
    for point in training["curve"]:
        losses = {
            name: point[key]
            for name, key in (("train_loss", "loss"), ("validation_loss", "validation_loss"))
            if key in point
        }
        points.append({"epoch": point["step"] / per_epoch, **losses})
    return {"curve": points, "kept_epoch": training["metrics"]["best_step"] / per_epoch}
