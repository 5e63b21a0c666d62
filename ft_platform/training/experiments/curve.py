"""Trains on growing shares of the training split, measures each on the same validation records, and publishes the
curve."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ft_platform.errors import DataError
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.process import progress
from ft_platform.training.experiments.curve_results import STAGE, append, read
from ft_platform.training.experiments.training_once import require_steps, train_once, with_training
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def trainings_for_curve(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, results: Path, log: Any
) -> list[dict[str, Any]]:
    """One result per share and repeat: `{"share", "repeat", "rows", "losses", "weights"}`; losses are sums per
    validation record."""
    require_steps(use_case, STAGE)
    settings = use_case.settings.learning_curve
    wanted = [(share, repeat) for repeat in range(settings.repeats) for share in settings.points]
    made = {(one["share"], one["repeat"]): one for one in read(results)}
    if made:
        log.info(f"the learning curve continues: {len(made)} of {len(wanted)} trainings are done")
    for done, (share, repeat) in enumerate(wanted):
        progress.report(STAGE, done, len(wanted), "trainings")
        if (share, repeat) not in made:
            one = _train(lake, environment, use_case, splits, share, repeat)
            append(results, one)
            made[share, repeat] = one
    progress.report(STAGE, len(wanted), len(wanted), "trainings")
    return [made[key] for key in wanted]


def _train(
    lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion, share: float, repeat: int
) -> dict[str, Any]:
    import torch

    shares = use_case.settings.learning_curve.points

    def choose(record_ids: Sequence[str]) -> list[int]:
        if len({rows_of(one, len(record_ids)) for one in shares}) < len(shares):
            raise DataError(
                f"{use_case.name} has {len(record_ids)} training records, too few for learning_curve.shares {shares}",
                "Remove the smallest share",
            )
        return nested_subset(len(record_ids), share, f"{use_case.settings.training.seed}-{repeat}")

    repeated = with_training(use_case, seed=use_case.settings.training.seed + repeat)
    _, prepared = train_once(lake, environment, repeated, splits, choose=choose)
    objective, model = prepared.objective, prepared.model
    with torch.no_grad():
        losses = [float(objective.loss(model, [row])) for row in prepared.validation]
    weights = [objective.weight([row]) for row in prepared.validation]
    return {"share": share, "repeat": repeat, "rows": len(prepared.rows), "losses": losses, "weights": weights}


def rows_of(share: float, rows: int) -> int:
    return max(1, round(share * rows))


def nested_subset(rows: int, share: float, seed: str) -> list[int]:
    """Places of the chosen records, rising. With one seed a larger share holds every smaller one."""
    order = list(range(rows))
    random.Random(seed).shuffle(order)
    return sorted(order[: rows_of(share, rows)])
