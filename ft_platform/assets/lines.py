"""Which numbers become lines in "Plots", where Dagster draws every number there is."""

import re
from typing import Any

LINES = re.compile(
    r"dagster/row_count|removed_rows|broken_rules|seconds_to_make|cost/(money|program_seconds|kwh)|score/.+|gap/.+"
    r"|metric/(validation_loss|train_loss|tokens_per_second|peak_memory_gib|best_validation_loss)|k"
)
"""What moves from run to run and is looked at over time. Every other number is shown as text."""


def said(name: str, value: Any) -> Any:
    """A value of metadata as it is shown: numbers that are no line as text."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:,}" if number and not LINES.fullmatch(name) else value


def counts_table(counts: dict[str, Any]) -> str:
    """The counts of a manifest as one Markdown table; "" where there are none."""
    rows = [f"| {name.replace('_', ' ')} | {said('', value)} |" for name, value in counts.items()]
    return "\n".join(["| | |", "| --- | --- |", *rows]) if rows else ""
