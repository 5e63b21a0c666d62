"""What is said of a measured effect of repairs (`effect`)."""

from collections.abc import Mapping
from typing import Any

from ft_platform.evaluation.metric import metric

STAGE, FILE = "repair_effect", "effect.json"
"""Artifacts with what was measured."""


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
