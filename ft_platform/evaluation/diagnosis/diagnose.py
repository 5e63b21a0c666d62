"""The table of rules, and the diagnosis: the first that holds."""

from collections.abc import Callable
from typing import Any

from ft_platform.evaluation.diagnosis import of_labels, of_records, of_training
from ft_platform.evaluation.diagnosis.facts import Facts, Finding

RULES: tuple[Callable[[Facts], Finding | None], ...] = (
    of_records.nothing_left,
    of_labels.nothing_to_learn,
    of_labels.wrong_labels,
    of_training.rate_too_high,
    of_training.still_learning,
    of_training.over_trained,
    of_records.texts_cut,
    of_labels.label_too_rare,
    of_records.times_change,
    of_records.answers_do_not_end,
)
"""In the order in which they are worth doing: what the records cannot tell no training learns, what the training did
wrong hides what the records lack."""


def diagnose(facts: Facts) -> dict[str, Any]:
    """`{"case", "text", "remedy", "command", "further": [the same]}`: the first rule that holds, and the others."""
    found = [finding for rule in RULES if (finding := rule(facts))] or [of_records.more_records(facts)]
    return {**found[0].to_dict(), "further": [one.to_dict() for one in found[1:]]}
