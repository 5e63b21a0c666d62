"""The effect of what experts did on the test records, measured once for each pair of evaluations and kept for pages.

Covered: the difference of two checkpoints of one recipe with its interval, judged by the same test records. Not
covered: the luck of the seed (`seed_variation`): each is one training."""

import json
from collections.abc import Mapping
from typing import Any

from ft_platform.evaluation.annotation.figures import newest_pair
from ft_platform.evaluation.effect import effect_between
from ft_platform.evaluation.metric import metric
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.settings.hash import settings_hash
from ft_platform.use_case.named import NamedUseCase

STAGE, FILE = "repair_effect", "effect.json"
"""Artifacts with what was measured."""


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
        return json.loads(lake.read_file(existing, FILE))
    found = {**effect_between(lake, use_case, *both), **pair.told}
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(found, indent=1), encoding="utf-8")
        draft.publish(folder)
    return found


def verdict(found: Mapping[str, Any]) -> str:
    """`better`, `worse`, or `not measurable`: the interval holds zero."""
    if found["low"] <= 0 <= found["high"]:
        return "not measurable"
    return "better" if (found["value"] > 0) == metric(found["metric"]).higher_is_better else "worse"


def in_words(found: Mapping[str, Any]) -> str:
    """What was measured, in a sentence."""
    did = [f"{found['repaired_rows']:,} repaired" if found["repaired_rows"] else ""]
    did += [f"{found['labelled_rows']:,} newly labelled" if found.get("labelled_rows") else ""]
    records = " and ".join(filter(None, did))
    title = metric(found["metric"]).title
    range_ = f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
    if (said := verdict(found)) == "not measurable":
        return (
            f"Learning from {records} records has no measurable effect: {title} {range_}; {found['test_rows']:,} test"
            f" records show differences from {found['detectable']:.3f} on."
        )
    tested = f"on {found['test_rows']:,} test records"
    return f"Learning from {records} records made the model {said}: {title} {range_} {tested}."
