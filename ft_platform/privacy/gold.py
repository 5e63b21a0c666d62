"""Annotated texts for measuring the recognizers where a use case has none of its own: every kind of personal data in a
few plain sentences."""

import random
from collections.abc import Sequence

from ft_platform.privacy.evaluation import GoldText
from ft_platform.sources.samples.personal_data import GENERATORS, HANDLES, sentence_with

AROUND = (
    "I have been a customer for eleven years.",
    "The statement of March shows three charges that I never made.",
    "They promised an answer within two weeks and nothing came.",
    "Please correct this and confirm it in writing.",
    "The fee was $35.00 and the balance is now $1,204.18.",
    "I waited 40 minutes on hold before the line went dead.",
    "Nobody at the branch could explain the letter of 2019.",
    "Order 48-1102 was cancelled twice.",
)
PER_ENTITY = 50
"""With fewer than 35 the interval of a recall of 1 reaches below 0.9 (Wilson 1927)."""


def gold_texts(seed: int = 7, per_entity: int = PER_ENTITY, around: Sequence[str] = AROUND) -> list[GoldText]:
    """`per_entity` texts for each entity of the samples, each with one value between two sentences without personal
    data. Equal seeds give equal texts.

    The sentences name what they give away (`My passport number is`), as people do; texts of a use case can be harder,
    so its own are the better measure.

    Args:
        around: sentences without personal data, of which two stand around the value.
    """
    rng = random.Random(f"gold:{seed}")
    texts = []
    for entity in GENERATORS:
        for _ in range(per_entity):
            sentence, value = _sentence(rng, entity)
            before, after = rng.sample(around, 2)
            text = f"{before} {sentence} {after}"
            start = len(before) + 1 + sentence.index(value)
            texts.append(GoldText(text, ((start, start + len(value), entity),)))
    return texts


def _sentence(rng: random.Random, entity: str) -> tuple[str, str]:
    """A sentence, and the value in it. Names of accounts have more forms than in the samples, whose texts stay as they
    are."""
    if entity == "USER_NAME":
        form, make = rng.choice(list(HANDLES.items()))
        value = make(rng)
        return form.format(value), value
    sentence, (_, value) = sentence_with(rng, entity)
    return sentence, value
