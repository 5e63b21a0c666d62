"""The effect of what experts did on the test records, measured once for each pair of evaluations and kept for pages.

Covered: the difference of two checkpoints of one recipe with its interval, judged by the same test records. Not
covered: the luck of the seed (`seed_variation`): each is one training."""

import json
from typing import Any

from ft_platform.evaluation.annotation.effect_words import FILE, STAGE
from ft_platform.evaluation.annotation.figures import newest_pair
from ft_platform.evaluation.effect import effect_between
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash


def measure_effect(lake: Lake, use_case: NamedUseCase) -> dict[str, Any] | None:
    """What `repair_effect` says of the newest pair of evaluations, measured now or kept from before; None: there is no
    pair.

    Raises:
        FtError: an evaluation or a statement was altered.
    """
    pair = newest_pair(lake, use_case)
    if pair is None:
        return None
    both = [pair.changed, pair.before]
    about = {"evaluations": [one.content_hash for one in both], **pair.told}
    inputs = settings_hash({**about, "evaluation": use_case.settings.evaluation.hashed(), "use_case": use_case.name})
    draft = Draft(lake, use_case, STAGE, f"effect-{inputs[:12]}", inputs, both, inputs[:16])
    if existing := draft.existing():
        kept: dict[str, Any] = json.loads(lake.read_file(existing, FILE))
        return kept
    found = {**effect_between(lake, use_case, *both), **pair.told}
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(found, indent=1), encoding="utf-8")
        draft.publish(folder)
    return found
