"""cleaned_records -> anonymized_records: what is found in the texts is replaced, what must not leave the restricted
zone is left behind."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from ft_platform.errors import DataError
from ft_platform.lake.keys.key_ring import KeyHandle
from ft_platform.lake.stage_table import Work
from ft_platform.privacy.batch import BatchAnonymizer
from ft_platform.privacy.closed_columns import ClosedRows, require_closed
from ft_platform.privacy.column_identifiers import require_no_identifiers
from ft_platform.privacy.entities import chosen_entities
from ft_platform.privacy.k_anonymity import NOT_K_ANONYMOUS, KAnonymousRows, plan, quasi_identifiers
from ft_platform.privacy.marked_spans import InForce
from ft_platform.privacy.ner import NONE
from ft_platform.privacy.person_names import with_person_names
from ft_platform.process.progress import report
from ft_platform.records.rows import Rows
from ft_platform.records.stage_results import StageStream, removed_table
from ft_platform.use_case.named import NamedUseCase

STAGE = "anonymized_records"
BATCH_ROWS, MODEL_ROWS = 2048, 256
"""Rows that a worker gets at once, and where another model than the built-in network reads them: about two seconds of
work."""

BATCH_BYTES = 8 * 2**20
"""What a worker gets at once of long texts."""

Parts = Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]


class OriginalsSink(Protocol):
    """Keeps what pseudonyms stand for (`privacy.vault.VaultWriter`)."""

    def add(self, originals: pa.Array) -> None:
        """Pairs of a batch, in type `batch.ORIGINALS`."""
        ...

    def finish(self) -> int:
        """Makes them readable, all or none, and returns how many different pairs there are."""
        ...


def anonymize(
    use_case: NamedUseCase,
    rows: Rows,
    work: Work,
    keys: KeyHandle,
    vault: OriginalsSink | None = None,
    findings: Path | None = None,
    marks: InForce | None = None,
) -> StageStream:
    """The records with personal data replaced in all messages, in `anonymized_schema` and in the order of the input.

    Removed are only rows whose quasi-identifiers cannot be made k-anonymous (`not_k_anonymous`). In memory are some
    batches and, where there are quasi-identifiers, some 40 bytes for each row, never all texts.

    Covered: entities of `privacy.entities` in every message, `subject_id`, and every column that leaves, each by its
    rule (`closed_columns`); what experts marked. Not covered: what no recognizer finds (`residual` looks for direct
    identifiers a second time, `ft privacy eval` measures the recall of each entity); persons that the described facts
    give away.

    Args:
        rows: in `cleaned_schema`.
        keys: of the use case.
        vault: gets what pseudonyms and surrogates stand for.
        findings: private folder of the use case, in which it is remembered where findings are in a text
            (`RememberedFindings`).
        marks: what experts said of earlier texts; None: nothing.

    Raises:
        ConfigError: an entity or operator names no entity.

    Reading `parts` raises:
        DataError: a label or feature column holds direct identifiers or names; no row can be made k-anonymous.
        KeyMissing: a worker has no key or another one.
        MissingExtra: the package of `privacy.ner` is not installed.
    """
    chosen_entities(use_case.settings.privacy)
    counts: dict[str, Any] = {}
    return StageStream(_parts(use_case, rows, work, keys, vault, findings, counts, marks), counts)


def _parts(
    use_case: NamedUseCase,
    rows: Rows,
    work: Work,
    keys: KeyHandle,
    vault: OriginalsSink | None,
    findings: Path | None,
    counts: dict[str, Any],
    marks: InForce | None,
) -> Parts:
    rows = closed = ClosedRows(use_case, rows)
    counts["emptied"] = closed.emptied
    require_no_identifiers(use_case, rows)
    kinds = quasi_identifiers(use_case)
    if kinds:
        privacy = use_case.settings.privacy
        planned = plan(rows, kinds, privacy.k, privacy.max_not_k_anonymous_percent)
        coarse = KAnonymousRows(rows, planned)
        counts["k_anonymity"] = planned.counts
        if rows.num_rows and not coarse.num_rows:
            raise DataError(
                f"{use_case.name}: no combination of quasi-identifiers is shared by {privacy.k} persons, however"
                " coarse",
                "There are fewer persons than `privacy.k`: lower it, or get more records",
            )
        for ids in coarse.removed():
            yield None, removed_table(ids, [NOT_K_ANONYMOUS] * len(ids)).combine_chunks().to_batches()[0]
        rows = coarse
    yield from ((batch, None) for batch in _anonymized(use_case, rows, work, keys, vault, findings, counts, marks))


def _anonymized(
    use_case: NamedUseCase,
    rows: Rows,
    work: Work,
    keys: KeyHandle,
    vault: OriginalsSink | None,
    findings: Path | None,
    counts: dict[str, Any],
    marks: InForce | None,
) -> Iterator[pa.RecordBatch]:
    entities: Counter[str] = Counter()
    done = with_any = 0
    size = BATCH_ROWS if use_case.settings.privacy.ner == NONE else MODEL_ROWS
    named = with_person_names(SmallBatches(rows, size), work.engine, use_case, keys, findings)
    for batch in work.engine.map(
        named,
        partial(BatchAnonymizer, use_case, keys, originals=vault is not None, findings=findings, marks=marks),
    ):
        if vault:
            vault.add(batch.column("originals"))
            batch = batch.drop_columns(["originals"])
        require_closed(use_case, batch)
        counted = batch.column("entities")
        counted = counted.filter(pa.array(np.diff(counted.offsets) > 0))
        for row in counted.to_pylist():
            entities.update(dict(row))
        with_any += len(counted)
        done += batch.num_rows
        report(STAGE, done, rows.num_rows)
        yield batch
    counts |= {"entities": dict(sorted(entities.items())), "rows_with_any": with_any}
    if vault:
        counts["vault_entries"] = vault.finish()


class SmallBatches:
    """The same rows in smaller batches (`rows.Rows`), of about `BATCH_BYTES` where texts are long.

    Args:
        size: most rows of a batch.
    """

    def __init__(self, rows: Rows, size: int) -> None:
        self.schema = rows.schema
        self.num_rows = rows.num_rows
        self._rows = rows
        self._size = size

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        for batch in self._rows.batches(columns):
            size = max(1, min(self._size, batch.num_rows * BATCH_BYTES // max(batch.nbytes, 1)))
            for start in range(0, batch.num_rows, size):
                yield batch.slice(start, size)
