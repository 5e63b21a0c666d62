"""How answers to different groups are worded: length, tone, insults. No trait is good or bad in itself, so no group is
the best."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.evaluation.intervals import interval, resampled_sums
from ft_platform.evaluation.text_lexicon import is_toxic, sentiment
from ft_platform.use_case.settings.evaluation import Evaluation

TRAITS = {
    "answer_words": "Words of an answer",
    "sentiment": "Tone in [-1, 1] (word list)",
    "toxicity": "Answers with an insult (word list)",
}
"""Name -> words for a table head. Refusals are a metric (`metrics/refusal_rate.py`)."""


def text_traits(rows: pa.Table, values: np.ndarray, compared: Sequence[str], settings: Evaluation) -> dict[str, Any]:
    """Traits of every compared group and the largest difference of each.

    Args:
        rows: predictions of one system with the column `answer`.
        values: group of each row. Shape `(rows,)`.

    Returns:
        `{"groups": {group: {trait: {"value", "low", "high"}}}, "differences": {trait: {"value", "low", "high", "ratio",
        "highest", "lowest"}}}`. `ratio` is the lowest over the highest value, None where they are not both positive.
    """
    answers = [answer or "" for answer in rows["answer"].to_pylist()]
    traits = np.array([[len(answer.split()), sentiment(answer), is_toxic(answer)] for answer in answers], float)
    means, draws = {}, {}
    for number, group in enumerate(compared):
        own = traits[values == group]
        means[group] = own.mean(axis=0)
        draws[group] = resampled_sums(own, settings.bootstrap_samples, [settings.seed, number]) / len(own)
    groups = {
        group: {
            trait: interval(float(means[group][place]), draws[group][:, place], settings.confidence)
            for place, trait in enumerate(TRAITS)
        }
        for group in compared
    }
    differences = {}
    for place, trait in enumerate(TRAITS):
        ordered = sorted(compared, key=lambda group, column=place: (means[group][column], group))
        if len(ordered) < 2:
            break
        lowest, highest = ordered[0], ordered[-1]
        top, bottom = float(means[highest][place]), float(means[lowest][place])
        found = interval(top - bottom, draws[highest][:, place] - draws[lowest][:, place], settings.confidence)
        ratio = bottom / top if bottom > 0 else None
        differences[trait] = {**found, "ratio": ratio, "highest": highest, "lowest": lowest}
    return {"groups": groups, "differences": differences}
