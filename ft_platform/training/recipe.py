"""What `training.recipe: auto` chooses, and why: the fields of `training` that nobody set, from task, records and base
model. What needs no record is chosen when the file is read (`use_case.schema.chosen_from_the_file`)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ft_platform.training.rendered import RenderedSplit
from ft_platform.use_case.schema import UseCase, chosen_from_the_file
from ft_platform.use_case.settings.training import PREFERENCE_LEARNING_RATE, Training

RATE_AT, WEIGHTS_AT = 5e-4, 135e6
HEAD_RATE_AT = 3e-4
RATE_FALLS = 0.23
"""The rate falls with this power of the number of weights: from 5e-4 (LoRA, RoBERTa base) through QLoRA's 2e-4 at 7
billion to its 1e-4 at 33 and 65 billion."""
BATCHES = ((1_000, 8), (4_000, 16), (math.inf, 32))
"""(Most records, records of a step)."""
EPOCHS = {
    True: ((200, 6), (1_000, 4), (4_000, 3), (math.inf, 2)),
    False: ((100, 8), (300, 4), (4_000, 3), (math.inf, 2)),
}
"""Whether a label head learns -> (most records, passes over them)."""


SMALL_START, WHOLE_START_ROWS = 0.25, 100
"""Least scale of a label head's start, and most records that need all of it (`benchmarks/recipe_tricks.py`)."""


@dataclass(frozen=True)
class Facts:
    """What the choice rests on.

    Attributes:
        rows, validation: records of the train and of the validation side.
        weights: parameters of the base model.
    """

    rows: int
    validation: int
    weights: int


@dataclass(frozen=True)
class Recipe:
    """Settings of a training with nothing left open.

    Attributes:
        training: as it is trained; `recipe: manual`, so that it stays what it is.
        chosen: name of a field that the recipe chose -> (value, why).
    """

    training: Training
    chosen: dict[str, tuple[Any, str]]

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """`{field: {"value", "why", "chosen"}}` of every field; one that was not chosen was set, or has the default."""
        said = self.training.model_dump(mode="json", exclude={"recipe"})
        whys = {name: why for name, (_, why) in self.chosen.items()}
        return {
            name: {"value": value, "why": whys.get(name, "set, or the default"), "chosen": name in whys}
            for name, value in said.items()
        }


def recipe_for(settings: UseCase, facts: Facts) -> Recipe:
    """The training of a use case on such records."""
    training = settings.training
    if training.recipe == "manual":
        return Recipe(training, {})
    chosen = chosen_from_the_file(settings)
    chosen |= {name: one for name, one in _from_the_records(training, facts).items() if not _is_set(training, name)}
    values = {name: getattr(training, name) for name in Training.model_fields} | {"recipe": "manual"}
    return Recipe(Training.model_validate(values | {name: value for name, (value, _) in chosen.items()}), chosen)


def few_steps(steps: int, rows: int, training: Training) -> str:
    """In words, where a training makes less than half of the steps that the recipe would; of a private one, whose noise
    grows with them, nothing."""
    epochs, batch = _epochs_and_batch(rows, training.objective == "label_head")
    wanted = epochs * math.ceil(rows / batch)
    if not training.makes_steps or training.differential_privacy.on or 2 * steps >= wanted:
        return ""
    return f"{steps:,} steps are few for {rows:,} records: `training.recipe: auto` makes {wanted:,}"


def _epochs_and_batch(rows: int, head: bool) -> tuple[int, int]:
    batch = next(batch for most, batch in BATCHES if rows <= most)
    return next(epochs for most, epochs in EPOCHS[head] if rows <= most), batch


def _is_set(training: Training, name: str) -> bool:
    return name in training.model_fields_set


def facts_of(sides: Mapping[str, RenderedSplit], model: Any) -> Facts:
    """Of rendered records and a loaded base model; None: there is none."""
    rows, validation = (len(sides[side].rows) for side in ("train", "validation"))
    return Facts(rows, validation, sum(one.numel() for one in model.parameters()) if model else 0)


def _from_the_records(training: Training, facts: Facts) -> dict[str, tuple[Any, str]]:
    """Name -> (value, why)."""
    if not training.makes_steps:
        probe = training.method == "linear_probe"
        return {"rank": (1, "the adapter beside the head changes nothing")} if probe else {}
    head, private = training.objective == "label_head", training.differential_privacy.on
    epochs, batch = _epochs_and_batch(facts.rows, head)
    rate = (HEAD_RATE_AT if head else RATE_AT) * (WEIGHTS_AT / facts.weights) ** RATE_FALLS
    rate *= PREFERENCE_LEARNING_RATE / RATE_AT if training.compares_answers else 1.0
    size = f"{facts.weights / 1e6:,.0f} million weights"
    chosen: dict[str, tuple[Any, str]] = {
        "learning_rate": (float(f"{rate:.1g}"), f"for {size}; larger models take less"),
        "batch_rows": (batch, f"{math.ceil(facts.rows / batch):,} steps an epoch from {facts.rows:,} records"),
        "epochs": (epochs, f"{epochs * math.ceil(facts.rows / batch):,} steps; the best of them are kept"),
        "validations_per_epoch": (
            1 if epochs > 2 else 2,
            f"{facts.validation:,} validation records are asked each time",
        ),
    }
    if not private:
        chosen["keep"] = (
            "best_metric",
            "weights are replaced by clearly better ones only; of few records, by later ones that are not worse",
        )
    if head:
        typical = ("typical_tokens", "starts at the labels' own words and at those typical of their texts")
        alone = ("label_tokens", "starts at the labels' own words; no record is looked at without noise")
        chosen["label_head_start"] = alone if private else typical
        scale = round(min(1.0, max(SMALL_START, WHOLE_START_ROWS / max(facts.rows, 1))), 2)
        chosen["label_head_scale"] = (scale, f"the more records, the smaller the start; here {facts.rows:,}")
        chosen["label_smoothing"] = (0.1, "wrong labels among the records do less harm")
    return chosen
