"""Whether the recognizers of a use case find enough in annotated texts to be trusted with its records.

Covered: recall by character with the use case's own entities, engine and `min_score`. Not covered: its records themselves, unless `privacy.gold` names
annotated texts that were drawn from them.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ft_platform.privacy.entities import entity_names
from ft_platform.privacy.evaluation import SAME_AS, GoldText, evaluate, read_gold
from ft_platform.privacy.scan import Scanner
from ft_platform.use_case import NamedUseCase


def own_gold(use_case: NamedUseCase) -> list[GoldText] | None:
    """The texts of `privacy.gold`, or None where the use case names none.

    Raises:
        DataError: the file is missing or not in the format.
    """
    name = use_case.settings.privacy.gold
    if name is None:
        return None
    return read_gold((use_case.path.parent if use_case.path else Path()) / name)


def recall_on(use_case: NamedUseCase, gold: Sequence[GoldText]) -> dict[str, Any]:
    """The score of the current recognizers. Annotations of entities that the use case does not look for do not count.

    Returns:
        `{"passed", "recall", "min_recall", "precision", "f2", "texts", "entities": {name: {"recall", "low", "high", "spans"}}}`, the worst entity first.

    Raises:
        DataError: nothing that counts is annotated.
    """
    scanner = Scanner(use_case.settings.privacy)
    left_out = {*entity_names()} - {*scanner.entities}
    counted = [replace(one, spans=tuple(s for s in one.spans if SAME_AS.get(s[2], s[2]) not in left_out)) for one in gold]
    scores = evaluate(counted, scanner)
    floor = use_case.settings.privacy.min_recall
    return {"passed": (scores.recall or 0.0) >= floor, "min_recall": floor, **scores.as_json(), "texts": scores.texts}
