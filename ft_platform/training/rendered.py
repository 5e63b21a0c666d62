"""One side of the split as tokens."""

from dataclasses import dataclass, field
from typing import Any

from ft_platform.models.rendering.renderer import Rendered


@dataclass
class RenderedSplit:
    """One side of the split as tokens.

    Attributes:
        record_ids: of the rendered rows, in the same order.
        rejected: of preference objectives, the same records with the answer that people like less.
        answers: labels of a classification, in the same order.
        left_out: reason -> records that could not be rendered.
        truncated: rows whose user text was shortened.
        weights: how much each row counts, 1 on average; empty: all alike.
    """

    rows: list[Rendered] = field(default_factory=list)
    rejected: list[Rendered] = field(default_factory=list)
    record_ids: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    truncated: int = 0
    weights: list[float] = field(default_factory=list)

    def counts(self) -> dict[str, Any]:
        tokens = sum(len(row.input_ids) for row in self.rows)
        return {
            "rows": len(self.rows),
            "tokens": tokens,
            "supervised_tokens": sum(sum(r.supervised) for r in self.rows),
            "truncated": self.truncated,
            "left_out": self.left_out,
        }
