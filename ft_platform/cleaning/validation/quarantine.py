"""Quarantine: records that an expectation of the YAML about single records refuses do not go on; too many of them stop
the graph.

Which expectations put records aside: those on `cleaned_records` whose verdict about a record depends on this record
alone and that allow no exception (`mostly` is 1). One with `mostly` below 1 is about the table as a whole: its records
stay, and the check `meets_expectations` judges their share.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.cleaning.validation.columns import FlatColumns
from ft_platform.cleaning.validation.expectations import BATCH_ROWS, failing_rows, is_about_single_rows, named_columns
from ft_platform.cleaning.validation.suite import added_expectations
from ft_platform.lake.stage_table import Work
from ft_platform.records.column_lineage import QUARANTINED
from ft_platform.records.rows import Spool
from ft_platform.records.stage_results import StageStream, removed_table
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash
from ft_platform.use_case.settings.validation import Expectation

TABLE = "quarantined_records"
REASON = "quarantined"
CHUNK_BYTES = 1 << 30
"""Bytes of records that wait on the disk until Great Expectations looks at them together."""


def quarantine(use_case: NamedUseCase, cleaned: StageStream, work: Work, batch_rows: int = BATCH_ROWS) -> StageStream:
    """Takes the records that do not meet an expectation out of what `cleaned` keeps.

    Adds to the counts: `quarantine` = `{"rows_judged", "rows", "expectations": {name(columns): rows}}`, and to the
    tables beside the stage's own: `quarantined_records`.

    Raises:
        ConfigError: an expectation is unknown, has wrong arguments or cannot be computed on its column.
    """
    expectations = _about_records(use_case)
    spool = Spool(work.folder / f"{TABLE}.arrow", QUARANTINED)
    counts: dict[str, Any] = {"rows_judged": 0, "rows": 0, "expectations": {}}
    cleaned.counts["quarantine"] = counts
    if expectations:
        parts = _Quarantine(use_case, expectations, work.folder, spool, counts, batch_rows).parts(cleaned)
    else:
        parts = cleaned.parts
    return StageStream(parts, cleaned.counts, {**cleaned.beside, TABLE: spool})


def _about_records(use_case: NamedUseCase) -> list[tuple[Expectation, Any]]:
    found = added_expectations(use_case, "cleaned_records")
    return [(e, i) for e, i in found if is_about_single_rows(e.expectation, i) and float(i.mostly) == 1]


@dataclass
class _Quarantine:
    use_case: NamedUseCase
    expectations: list[tuple[Expectation, Any]]
    folder: Path
    spool: Spool
    counts: dict[str, Any]
    batch_rows: int
    by_expectation: Counter[str] = field(default_factory=Counter)

    def parts(self, cleaned: StageStream) -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
        waiting: Spool | None = None
        held = 0
        number = 0
        for kept, removed in cleaned.parts:
            if removed is not None:
                yield None, removed
            if kept is None or not kept.num_rows:
                continue
            if waiting is None:
                # Each part has its own file: batches of the one before may still be read by whoever writes the table.
                waiting, held, number = Spool(self.folder / f"to_be_judged_{number}.arrow", kept.schema), 0, number + 1
            waiting.write(kept)
            held += kept.nbytes
            if waiting.num_rows >= self.batch_rows or held >= CHUNK_BYTES:
                yield from self._judged(waiting)
                waiting = None
        if waiting is not None:
            yield from self._judged(waiting)

    def _judged(self, waiting: Spool) -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
        bad = np.zeros(waiting.num_rows, bool)
        flat = FlatColumns(waiting)
        for expectation, implementation in self.expectations:
            rows = failing_rows(self.use_case, "cleaned_records", flat, expectation, implementation)
            bad[rows] = True
            self._note(expectation, waiting, rows)
        self.counts["rows_judged"] += waiting.num_rows
        self.counts["rows"] += int(bad.sum())
        self.counts["expectations"] = dict(sorted(self.by_expectation.items()))
        start = 0
        for batch in waiting.batches():
            here = bad[start : start + batch.num_rows]
            start += batch.num_rows
            refused = batch["record_id"].filter(pa.array(here))
            if len(refused):
                removed = removed_table(refused.to_pylist(), [REASON] * len(refused)).combine_chunks().to_batches()
            else:
                removed = []
            yield batch.filter(pa.array(~here)) if len(refused) else batch, removed[0] if removed else None
        waiting.delete()

    def _note(self, expectation: Expectation, waiting: Spool, rows: np.ndarray) -> None:
        if not len(rows):
            return
        columns = ", ".join(named_columns(self.use_case, "cleaned_records", expectation))
        self.by_expectation[f"{expectation.expectation}({columns})"] += len(rows)
        ids = waiting.take(rows, ["record_id"])["record_id"].combine_chunks()
        names = [pa.array([value] * len(ids), pa.string()) for value in (expectation.expectation, columns)]
        self.spool.write(pa.RecordBatch.from_arrays([ids, *names], schema=QUARANTINED))


def quarantined_percent(found: dict[str, Any]) -> float:
    """Share in [0, 100] of the records judged, from the count `quarantine`."""
    return 100.0 * found["rows"] / found["rows_judged"] if found["rows_judged"] else 0.0


def expectations_hash(use_case: NamedUseCase) -> str:
    """Changes with the expectations that may put records aside."""
    found = [e for e in use_case.settings.validation.expectations if e.table == "cleaned_records"]
    return settings_hash({"expectations": [e.model_dump(mode="json") for e in found]})
