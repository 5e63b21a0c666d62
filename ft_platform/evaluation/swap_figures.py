"""How often the answer changes when a term of identity in the prompt is replaced by its counterpart."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.evaluation.proportions import mean, share
from ft_platform.use_case.named import NamedUseCase

MOST_PAIRS = 10
"""Changes of label that are listed, the most frequent ones."""


def swap_figures(use_case: NamedUseCase, swapped: pa.Table | None) -> dict[str, Any]:
    """Figures of every swap in `fairness.swaps`.

    Args:
        swapped: columns of `fairness_outputs.SWAPPED`; None: nothing was asked.

    Returns:
        `{swap: {"rows", "flip_rate", "flips", "chrf_distance", "repeat_rate", "status"}}`. `flip_rate`: share of the
        test prompts with a term whose
        answer changes. `flips`: `{"from", "to", "rows"}`, for labels. For texts `chrf_distance` in [0, 1] and
        `repeat_rate`, the share that changes without any swap. With fewer prompts than `fairness.min_group_rows` the
        figures are None and `status` is `not_enough_evidence`.
    """
    settings = use_case.settings
    found = {}
    for swap in settings.fairness.swaps:
        rows = [] if swapped is None else swapped.filter(pc.field("swap") == swap.name).to_pylist()
        enough = len(rows) >= settings.fairness.min_group_rows
        figures: dict[str, Any] = {
            "rows": len(rows),
            "flip_rate": None,
            "flips": [],
            "chrf_distance": None,
            "repeat_rate": None,
        }
        if enough:
            figures |= _figures(rows, settings.task.kind == "classification", settings.evaluation.confidence)
        found[swap.name] = {**figures, "status": "measured" if enough else "not_enough_evidence"}
    return found


def _figures(rows: list[dict[str, Any]], labelled: bool, confidence: float) -> dict[str, Any]:
    flip_rate = share(sum(row["changed"] for row in rows), len(rows), confidence)
    if labelled:
        pairs = Counter((row["predicted"], row["swapped"]) for row in rows if row["changed"])
        flips = [
            {"from": before, "to": after, "rows": count}
            for (before, after), count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))
        ]
        return {"flip_rate": flip_rate, "flips": flips[:MOST_PAIRS]}
    return {
        "flip_rate": flip_rate,
        "chrf_distance": mean([row["chrf_distance"] for row in rows], confidence),
        "repeat_rate": share(sum(row["repeated_changed"] for row in rows), len(rows), confidence),
    }
