"""What a stage makes of its rows: those that go on, and those that do not, each with its reason."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.records.columns import REMOVED
from ft_platform.records.rows import Rows


def removed_table(record_ids: Iterable[str], reasons: Iterable[str]) -> pa.Table:
    ids = list(record_ids)
    columns = {"record_id": ids, "reason": list(reasons), "duplicate_of": [None] * len(ids)}
    return pa.table(columns, schema=REMOVED)


def reason_counts(removed: pa.RecordBatch | pa.Table) -> dict[str, int]:
    """Reason -> rows, of rows in `REMOVED`, by name."""
    return dict(sorted((value["values"], value["counts"]) for value in pc.value_counts(removed["reason"]).to_pylist()))


@dataclass(frozen=True)
class StageResult:
    """What a stage made of its input, in memory: rows in = kept + removed, always.

    Attributes:
        kept: rows that go on, in the stage's schema.
        removed: rows that do not, in schema `REMOVED`, each with its reason.
        counts: numbers for the manifest and the UI (never a record's text).
    """

    kept: pa.Table
    removed: pa.Table
    counts: dict[str, Any] = field(default_factory=dict)

    def funnel(self, stage: str) -> dict[str, Any]:
        """`{"stage", "rows_in", "kept", "removed": {reason: count}}`."""
        rows_in = self.kept.num_rows + self.removed.num_rows
        return {"stage": stage, "rows_in": rows_in, "kept": self.kept.num_rows, "removed": reason_counts(self.removed)}

    def stream(self) -> "StageStream":
        parts = [
            *((batch, None) for batch in self.kept.to_batches()),
            *((None, batch) for batch in self.removed.to_batches()),
        ]
        return StageStream(iter(parts), self.counts)


@dataclass(frozen=True)
class StageStream:
    """What a stage makes of its input, batch by batch.

    Attributes:
        parts: pairs of rows that go on, in the stage's schema, and rows that do not, in schema `REMOVED`; either may be
            None.
        counts: numbers for the manifest and the UI (never a record's text); complete once `parts` is used up.
        beside: further tables that the stage writes, by name; complete once `parts` is used up.
    """

    parts: Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]
    counts: dict[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Rows] = field(default_factory=dict)

    def collect(self, schema: pa.Schema) -> StageResult:
        """Everything in memory: for small tables and tests."""
        kept, removed = [], []
        for goes_on, does_not in self.parts:
            kept += [goes_on] if goes_on is not None else []
            removed += [does_not] if does_not is not None else []
        return StageResult(
            pa.Table.from_batches(kept, schema=schema), pa.Table.from_batches(removed, schema=REMOVED), self.counts
        )
