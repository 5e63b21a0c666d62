"""What a training will compute: steps, tokens, validations, and its heaviest micro-batches."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ft_platform.training.batches import training_order
from ft_platform.training.loop import micro_batches, passes, planned_steps
from ft_platform.training.prepared import Prepared
from ft_platform.use_case.settings.training import Training


@dataclass(frozen=True)
class Plan:
    """The course of a training that `patience` does not end early.

    Attributes:
        batches: row numbers of each optimizer step; with differential privacy an example of them, as large on average.
        tokens: computed tokens of each optimizer step.
        validations: how often the validation split is computed, before the first step included.
        validation_tokens: tokens of one validation.
        heaviest: step with the most tokens in one micro-batch, and the step with the most pairs of tokens within rows;
            batches that are not full (the last of an epoch) left out.
    """

    batches: list[list[int]]
    tokens: list[int]
    validations: int
    validation_tokens: int
    heaviest: tuple[int, int]

    @property
    def steps(self) -> int:
        return len(self.batches)


def plan_of(prepared: Prepared, training: Training) -> Plan:
    """The plan of a training on prepared rows."""
    rows, objective = prepared.rows, prepared.objective
    steps, interval = planned_steps(len(rows), training)
    # A linear probe makes no step; one stands for it here, and its pass over all rows counts as validation.
    batches = list(itertools.islice(training_order(len(rows), training.batch_rows, training.seed), max(steps, 1)))
    tokens, most_tokens, most_pairs = [], [], []
    for batch in batches:
        micros = list(passes([rows[n] for n in batch], objective, training))
        tokens.append(sum(tokens_of(micro, objective) for micro in micros))
        most_tokens.append(max(tokens_of(micro, objective) for micro in micros))
        most_pairs.append(max(pairs_of(micro, objective) for micro in micros))
    validation_tokens = sum(
        tokens_of(micro, objective)
        for micro in micro_batches([*prepared.validation, *(rows if not steps else [])], objective, training)
    )
    validations = 1 + steps // interval + (steps % interval > 0)
    full = max(map(len, batches))
    steps_in_full = [number for number, batch in enumerate(batches) if len(batch) == full]
    heaviest = (max(steps_in_full, key=most_tokens.__getitem__), max(steps_in_full, key=most_pairs.__getitem__))
    return Plan(batches, tokens, validations, validation_tokens, heaviest)


def tokens_of(rows: Sequence[Any], objective: Any) -> int:
    """Tokens of one micro-batch."""
    return objective.shared_tokens + sum(map(objective.length, rows))


def pairs_of(rows: Sequence[Any], objective: Any) -> int:
    """Pairs of tokens that attention looks at in one micro-batch: it may keep a weight for each."""
    return sum(length * (length + objective.shared_tokens) for length in map(objective.length, rows))


def heaviest_micro_batch(prepared: Prepared, training: Training, plan: Plan) -> list[Any]:
    """Rows of the micro-batch with the most tokens, validation left out: it keeps nothing for a backward pass."""
    rows = [prepared.rows[n] for n in plan.batches[plan.heaviest[0]]]
    return max(passes(rows, prepared.objective, training), key=lambda micro: tokens_of(micro, prepared.objective))
