"""The names that were found in any record of a person, beside all records of that person: what one record calls by full
name is found in the others as a surname or misspelt."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.lake.keys.key_ring import KeyHandle
from ft_platform.privacy.entities import recognizers_of
from ft_platform.privacy.findings import remembering_scanner
from ft_platform.privacy.same_names import MOST_NAMES, NAMES, names_in
from ft_platform.process.progress import report
from ft_platform.records.columns import contents
from ft_platform.records.engines.engine import Engine
from ft_platform.records.key_hashes import collected
from ft_platform.records.rows import Rows
from ft_platform.use_case.named import NamedUseCase

COLUMN = pa.field(
    "names_of_person", pa.list_(pa.struct([pa.field("entity", pa.string()), pa.field("name", pa.string())]))
)
STAGE = "anonymized_records"
Names = dict[str, list[tuple[str, str]]]
"""Subject -> entity and words of each name."""


class NamesOfBatch:
    """The names in the texts of a batch by subject: the function that an engine runs."""

    def __init__(self, use_case: NamedUseCase, keys: KeyHandle, findings: Path | None) -> None:
        self._scanner = remembering_scanner(use_case.settings.privacy, keys.open(), findings)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        messages = batch.column("messages")
        texts = [text or "" for text in contents(messages).to_pylist()]
        found = self._scanner.find(texts)
        names, end = [], 0
        for length in pc.list_value_length(messages).to_pylist():
            start, end = end, end + (length or 0)
            pairs = dict.fromkeys(names_in(zip(texts[start:end], found[start:end], strict=True)))
            names.append([{"entity": entity, "name": name} for entity, name in pairs])
        return pa.RecordBatch.from_arrays(
            [batch.column("subject_id"), pa.array(names, COLUMN.type)], ["subject_id", COLUMN.name]
        )


class WithPersonNames:
    """Rows with the names of their person as one more column (`rows.Rows`); empty for persons with one record."""

    def __init__(self, rows: Rows, names: Names) -> None:
        self.schema = rows.schema.append(COLUMN)
        self.num_rows = rows.num_rows
        self._rows, self._names = rows, names

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for batch in self._rows.batches(columns):
            values: list[list[dict[str, str]]] = [[] for _ in range(batch.num_rows)]
            for row, subject in enumerate(batch.column("subject_id").to_pylist() if self._names else ()):
                if subject in self._names:
                    values[row] = [{"entity": entity, "name": name} for entity, name in self._names[subject]]
            yield batch.append_column(COLUMN, pa.array(values, COLUMN.type))


class _OfRepeated:
    """The rows of persons with several records (`rows.Rows`)."""

    def __init__(self, rows: Rows, repeated: np.ndarray) -> None:
        self.schema, self.num_rows = rows.schema, int(repeated.sum())
        self._rows, self._repeated = rows, repeated

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in self._rows.batches(columns):
            mask = self._repeated[start : start + batch.num_rows]
            start += batch.num_rows
            if mask.any():
                yield batch.filter(pa.array(mask))


def with_person_names(
    rows: Rows, engine: Engine, use_case: NamedUseCase, keys: KeyHandle, findings: Path | None
) -> Rows:
    """The rows with `COLUMN`. Texts of persons with several records are scanned once more, or looked up in `findings`;
    in memory are 17 bytes a row and the names of these persons."""
    if {*NAMES}.isdisjoint(recognizers_of(use_case.settings.privacy)):
        return WithPersonNames(rows, {})
    repeated = _of_repeated_subjects(rows)
    names: dict[str, dict[tuple[str, str], None]] = {}
    if total := int(repeated.sum()):
        done = 0
        for batch in engine.map(
            _OfRepeated(rows, repeated), partial(NamesOfBatch, use_case, keys, findings), ["subject_id", "messages"]
        ):
            for subject, found in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if found:
                    names.setdefault(subject, {}).update({(one["entity"], one["name"]): None for one in found})
            done += batch.num_rows
            report(STAGE, done, total, reading="names of persons")
    return WithPersonNames(rows, {subject: list(found)[:MOST_NAMES] for subject, found in names.items()})


def _of_repeated_subjects(rows: Rows) -> np.ndarray:
    """Whether the person of each row has another one. Shape `(rows,)`, bool."""
    there = [np.zeros(0, bool)]

    def subjects() -> Iterator[pa.Array]:
        for batch in rows.batches(["subject_id"]):
            there.append(np.asarray(batch.column(0).is_valid()))
            yield batch.column(0)

    hashes = collected(subjects(), rows.num_rows)
    order = np.lexsort((hashes.low, hashes.high))
    high, low = hashes.high[order], hashes.low[order]
    same = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    repeated = np.zeros(rows.num_rows, bool)
    repeated[order[1:][same]] = True
    repeated[order[:-1][same]] = True
    return repeated & np.concatenate(there)
