"""Texts of a day as hidden states of a model, and what they add to the alarms. The model runs in a process of its own,
so that whoever watches never imports torch."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context

import numpy as np

from ft_platform.models.sentence_encoder import SentenceEncoder
from ft_platform.monitoring import alarms
from ft_platform.monitoring.embeddings import (
    DIRECTION,
    DISTANCE,
    LEARN_EVERY,
    Days,
    direction,
    direction_measure,
    space_of,
)
from ft_platform.monitoring.measures import Column

SETTING = "monitoring.watch.encoder"
MOST_TEXTS = 2_000
"""Of a day, and of the test split; the others are not embedded."""


@dataclass(frozen=True)
class Embedded:
    """What is kept of embeddings from day to day.

    Attributes:
        days: sums of those so far.
        towards: direction that days are judged by, `(d,)`; empty before there is one.
        count: days so far.
    """

    days: Days = field(default_factory=Days)
    towards: tuple[float, ...] = ()
    count: int = 0


def vectors_of(encoder: str, texts: Sequence[str]) -> np.ndarray:
    """One vector for each of the first `MOST_TEXTS`, `(texts, hidden size)`.

    Raises:
        ConfigError: the folder has no model that can be loaded.
        MissingExtra: torch or transformers is not installed.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_vectors, encoder, list(texts[:MOST_TEXTS])).result()


def _vectors(encoder: str, texts: list[str]) -> np.ndarray:
    import torch

    torch.set_num_threads(1)  # the same sums each time
    return SentenceEncoder(encoder, SETTING).vectors(texts)


def day_embedded(
    state: alarms.State, kept: Embedded, reference: np.ndarray, today: np.ndarray, learned: bool
) -> tuple[alarms.State, Embedded, dict[str, Column]]:
    """The state with the direction of this day, what is kept for the next, and the columns of the day.

    Args:
        reference: vectors of the test split, `(n, d)`.
        today: of the texts of the day, `(m, d)`.
        learned: whether a direction is learned.
    """
    space = space_of(reference)
    learns = kept.count % LEARN_EVERY == 1 and learned and DIRECTION not in state.alarms
    if learns and (found := direction(space, kept.days)) is not None:
        kept = replace(kept, towards=tuple(found.tolist()))
        state = alarms.renewed(state, *direction_measure(reference, found))
    columns: dict[str, Column] = {DISTANCE: space.distance(today)}
    if kept.towards:
        columns[DIRECTION] = today @ np.asarray(kept.towards)
    return state, replace(kept, days=kept.days.with_day(today), count=kept.count + 1), columns
