"""The consent ledger: one row per person, read anew at every run, held as a hash and a verdict per person."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import SourceError, TransientError
from ft_platform.governance.judge import NEVER, Judged, ledger_judge
from ft_platform.governance.ledger_database import KIND as DATABASE
from ft_platform.governance.ledger_database import database_batches, database_fingerprint
from ft_platform.governance.ledger_files import SETTING, delta_batches, file_batches
from ft_platform.governance.reasons import CODES
from ft_platform.lake.file_systems import filesystem, fsspec_options
from ft_platform.lake.fingerprint import fingerprint
from ft_platform.records.key_hashes import KeyHashes, KeyIndex, joined, key_hashes
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.allowed_sources import require_allowed

COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class PinnedLedger:
    """The ledger as it is at one moment.

    Attributes:
        uri: where it lies.
        content: `lake.fingerprint.fingerprint` at that moment, of a database `database_fingerprint`; takes part in the
            input hash of `permitted_records`.
        storage_options: credentials and endpoint for an object store.
    """

    uri: str
    content: str
    storage_options: Mapping[str, str] = field(default_factory=dict)

    def batches(self, use_case: NamedUseCase, folder: Path) -> Iterator[pa.RecordBatch]:
        """The rows of exactly this content, in the fields of `governance.ledger_fields()`, as strings.

        Args:
            folder: private folder in the restricted zone for a copy of the file.

        Raises:
            SourceError: it is broken, not UTF-8, or a column is missing.
            TransientError: it was changed since.
        """
        columns = use_case.settings.governance.ledger_fields()
        kind, _, rest = self.content.partition(":")
        if kind == "delta":
            yield from delta_batches(self.uri, int(rest.rsplit(":", 1)[-1]), dict(self.storage_options), columns)
        elif kind == DATABASE:
            yield from database_batches(use_case.settings.governance, self.content, folder)
        else:
            yield from file_batches(self._copy(folder), self.uri, columns)

    def read(self, use_case: NamedUseCase, folder: Path, today: date) -> "Ledger":
        """Every person's verdict for the purpose of a use case on a day.

        Args:
            folder: private folder in the restricted zone for a copy of the file.

        Raises:
            SourceError: it cannot be read as a ledger: broken, not UTF-8, a column is missing, a row without a person,
                or several rows of one person.
            TransientError: it was changed while it was read.
        """
        judge = ledger_judge(use_case, today)
        hashes: list[KeyHashes] = []
        codes: list[np.ndarray] = []
        last_days: list[np.ndarray] = []
        without_person = 0
        for batch in self.batches(use_case, folder):
            subjects = _trimmed(batch.column("subject"))
            without_person += int(pc.sum(pc.equal(pc.utf8_length(pc.fill_null(subjects, "")), 0)).as_py() or 0)
            found = judge.judge(batch.num_rows, dict(zip(batch.schema.names, batch.columns, strict=True)))
            hashes.append(key_hashes(subjects))
            codes.append(found.codes)
            last_days.append(found.last_days)
        if without_person:
            raise SourceError(
                f"{SETTING} {self.uri}: {without_person} rows name no person",
                f"Repair them, or correct governance.ledger_columns in {use_case.name}",
            )
        index = KeyIndex(joined(hashes))
        if index.repeated:
            raise SourceError(
                f"{SETTING} {self.uri}: {index.repeated} persons have more than one row, so it is unclear which one"
                " counts",
                "Keep one row per person, with the purposes separated by `;`",
            )
        order = index.order
        return Ledger(self.content, index, _all(codes, np.uint8)[order], _all(last_days, np.int32)[order])

    def _copy(self, folder: Path) -> Path:
        """A private copy of exactly the hashed bytes."""
        fs, path = filesystem(self.uri, fsspec_options(self.uri, dict(self.storage_options)))
        target = folder / f"consent_ledger{Path(path).suffix}"
        digest = hashlib.sha256()
        with fs.open(path, "rb") as source, open(target, "wb") as copy:
            while part := source.read(COPY_BYTES):
                digest.update(part)  # type: ignore[arg-type]
                copy.write(part)  # type: ignore[arg-type]
        if f"sha256:{digest.hexdigest()}" != self.content:
            raise TransientError(
                f"{SETTING} {self.uri} was changed while it was read", "Run again when the file is complete"
            )
        return target


@dataclass(frozen=True)
class Ledger:
    """Verdicts on persons.

    Attributes:
        content: fingerprint of the ledger it was read from.
        index: hashes of the persons.
        codes, last_days: verdict on each person, in the order of the index (`judge.Judged`).
    """

    content: str
    index: KeyIndex
    codes: np.ndarray
    last_days: np.ndarray

    def look_up(self, subjects: pa.Array) -> Judged:
        """Verdicts on the persons of these records. Who is not in the ledger is not permitted."""
        trimmed = pc.fill_null(_trimmed(subjects), "")
        places = self.index.find(key_hashes(trimmed))
        known = places >= 0
        codes = np.full(len(places), CODES["not_in_ledger"], np.uint8)
        last_days = np.full(len(places), NEVER, np.int32)
        codes[known], last_days[known] = self.codes[places[known]], self.last_days[places[known]]
        codes[pc.equal(pc.utf8_length(trimmed), 0).to_numpy(zero_copy_only=False)] = CODES["subject_missing"]
        return Judged(codes, last_days)


def pin_ledger(use_case: NamedUseCase, storage_options: dict[str, str]) -> PinnedLedger | None:
    """The ledger of a use case as it is now, or None where it has none.

    Raises:
        SourceError: the installation does not allow this place (`sources.allowed`), or there is nothing to read.
        TransientError: the object store does not answer.
    """
    uri = use_case.settings.governance.consent_ledger
    if not uri:
        return None
    require_allowed(uri, SETTING)
    governance = use_case.settings.governance
    return PinnedLedger(
        uri,
        database_fingerprint(governance) if governance.ledger_table else fingerprint(uri, SETTING, storage_options),
        storage_options,
    )


def _trimmed(column: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(column)


def _all(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype), *parts])
