"""Which records make up each optimizer step, and how they go through the model."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ft_platform.models.rendering.renderer import Rendered

Forward = Callable[[Any, Sequence[Any], Sequence[int], Sequence[tuple[int, int]]], Any]
"""`packed_forward` or `padded_forward`."""


@dataclass(frozen=True)
class Row:
    """A record after the prefix that all rows share.

    Attributes:
        ids: tokens after the prefix.
        targets: supervised tokens.
        places: where in `ids` each target is predicted.
        weight: how much the row counts in the loss.
        person: pseudonym of whose record it is; empty: not known, or nothing depends on it.
    """

    ids: list[int]
    targets: list[int]
    places: list[int]
    weight: float = 1.0
    person: str = ""


def split_off_prefix(rendered: Sequence[Rendered], prefix: list[int]) -> list[Row]:
    """Rows without their common start. Every supervised token must come after the first token behind the prefix."""
    rows = []
    start = len(prefix)
    for example in rendered:
        if example.input_ids[:start] != prefix or example.prompt_length <= start:
            raise ValueError("a rendered row does not start with the prefix of the renderer")
        supervised = [place for place, counts in enumerate(example.supervised) if counts]
        rows.append(
            Row(
                example.input_ids[start:],
                [example.input_ids[p] for p in supervised],
                [p - 1 - start for p in supervised],
            )
        )
    return rows


def labelled_prompts(
    rendered: Sequence[Rendered], answers: Sequence[str], labels: Sequence[str], prefix: list[int]
) -> list[Row]:
    """Prompts without the prefix, whose last token is to give the number of the label."""
    numbers = {label: number for number, label in enumerate(labels)}
    start = len(prefix)
    prompts = [example.input_ids[start : example.prompt_length] for example in rendered]
    return [Row(prompt, [numbers[answer]], [len(prompt) - 1]) for prompt, answer in zip(prompts, answers, strict=True)]


def with_persons(rows: Sequence[Row], persons: Sequence[str | None]) -> list[Row]:
    """Rows that say whose they are."""
    return [replace(row, person=person or "") for row, person in zip(rows, persons, strict=True)]


def training_order(rows: int, batch_rows: int, seed: int) -> Iterator[list[int]]:
    """Row numbers of each optimizer step, for ever: every epoch is a new seeded shuffle; the last batch of an epoch may
    be short."""
    epoch = 0
    while True:
        order = list(range(rows))
        random.Random(f"{seed}-{epoch}").shuffle(order)
        for start in range(0, rows, batch_rows):
            yield order[start : start + batch_rows]
        epoch += 1
