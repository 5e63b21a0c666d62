"""Trains on a copy of the records with planted secrets, measures what the model remembers of them, and publishes the
figures. The model is thrown away.

Its weights know the secrets: they are never written, so nothing can release them.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.process import progress
from ft_platform.training.experiments.training_once import require_steps, train_once
from ft_platform.training.privacy_attacks.canaries import (
    CHANCE_BITS,
    Canary,
    Planted,
    Planter,
    code_log_probabilities,
    draw,
    exposure,
    mean_bits,
)
from ft_platform.training.privacy_attacks.shares import wilson
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.attacks import Attacks
from ft_platform.use_case.settings.environment import Environment

STAGE = "canary_audit"
CANARIES = "canaries.json"
LOG = logging.getLogger(__name__)


def measured(lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion) -> dict[str, Any]:
    """What `canaries.json` holds; no code and no name is in it.

    Raises:
        ConfigError: the training makes no steps, in which planted rows would be learned.
    """
    from ft_platform.training.batches import split_off_prefix

    require_steps(use_case, STAGE)
    settings = use_case.settings.attacks
    canaries = draw(settings.canaries, settings.seed)
    planted: list[Planted] = []
    planters: list[Planter] = []

    def plant(prepared: Any) -> None:
        planter = Planter(
            prepared.renderer,
            use_case.settings.task.kind,
            settings.canaries.digits,
            use_case.settings.training.max_length,
        )
        planters.append(planter)
        planted.extend(planter.plant(canary, number) for number, canary in enumerate(canaries))
        copies = [one.row for one, canary in zip(planted, canaries, strict=True) for _ in range(canary.copies)]
        prepared.rows = [*prepared.rows, *split_off_prefix(copies, prepared.objective.prefix)]

    run, prepared = train_once(lake, environment, use_case, splits, change=plant)
    bits = _bits(prepared.model.eval(), planters[0], planted, canaries)
    found = figures(canaries, bits, settings)
    return {
        **found,
        "planted_in": "answers" if use_case.settings.task.kind == "generation" else "user texts",
        "train_rows": len(prepared.sides["train"].rows),
        "planted_rows": settings.canaries.rows,
        "validation_loss": run.best_loss,
        "conclusion": conclusion(found),
    }


def _bits(model: Any, planter: Planter, planted: Sequence[Planted], canaries: Sequence[Canary]) -> list[float]:
    """Exposure of each canary."""
    found = []
    for number, (one, canary) in enumerate(zip(planted, canaries, strict=True)):
        progress.report(STAGE, number, len(canaries), "secrets")
        found.append(exposure(code_log_probabilities(model, one.prompt, planter.tails), int(canary.code)))
    progress.report(STAGE, len(canaries), len(canaries), "secrets")
    return found


def figures(canaries: Sequence[Canary], bits: Sequence[float], settings: Attacks) -> dict[str, Any]:
    """`{"exposure_bits": {copies: figure}, "control_bits", "first_ranked": {copies: figure}, "bits": {copies: [...]},
    "max_bits", "chance_bits"}`.

    `first_ranked`: share of the secrets that are the likeliest of all codes. Copies `0` in `bits` are the controls.
    """
    most = math.log2(10**settings.canaries.digits)
    by_copies: dict[str, list[float]] = {}
    for canary, one in zip(canaries, bits, strict=True):
        by_copies.setdefault(str(canary.copies), []).append(one)
    planted = {copies: values for copies, values in by_copies.items() if copies != "0"}
    return {
        "exposure_bits": {copies: mean_bits(values, most, settings.confidence) for copies, values in planted.items()},
        "control_bits": mean_bits(by_copies["0"], most, settings.confidence),
        "first_ranked": {
            copies: wilson(sum(one == most for one in values), len(values), settings.confidence)
            for copies, values in planted.items()
        },
        "bits": by_copies,
        "max_bits": most,
        "chance_bits": CHANCE_BITS,
        "confidence": settings.confidence,
    }


def conclusion(found: Mapping[str, Any]) -> list[str]:
    """What the figures say in words."""
    control = found["control_bits"]
    told = [copies for copies, figure in found["exposure_bits"].items() if figure["low"] > control["high"]]
    given = [copies for copies, share in found["first_ranked"].items() if share["value"] > 0]
    said = [
        f"A secret that was never planted has {control['value']:.1f} bits ({control['low']:.1f} to"
        f" {control['high']:.1f}). Chance is {found['chance_bits']:.2f}; at {found['max_bits']:.1f} the model gives"
        " the secret away first."
    ]
    said.append(
        f"Planted secrets stand out from {told[0]} copies on."
        if told
        else "No planted secret stands out from one that was never planted, at any number of copies."
    )
    if given:
        said.append(f"With {' and '.join(given)} copies, some secrets are the likeliest of all codes.")
    return said
