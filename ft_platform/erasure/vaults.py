"""What the vault knows of erased persons.

Covered: the pseudonym of a person, values that are the id or one of the texts, pseudonyms in texts of the person's
records that stand in no record of anybody else, and every entry, of a surrogate too, whose original stands in the
person's records and in nobody else's. A surrogate in a text tells nothing once its entry is gone. Not covered: entries
whose original others wrote too, as the name of a town; an original that the text has in another form; a vault whose key
is not here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.erasure.case_file import CaseFile
from ft_platform.erasure.rewriting import parquet_files
from ft_platform.erasure.selecting import Selection
from ft_platform.erasure.tables import tables_of
from ft_platform.errors import KeyMissing
from ft_platform.lake.keys.key_ring import read_key_ring, vault_key_place
from ft_platform.lake.store import Lake
from ft_platform.privacy.vault import Vault, VaultKeys
from ft_platform.records.columns import plain_array
from ft_platform.use_case.settings.environment import Environment

TOKEN = re.compile(r"<[A-Z][A-Z_]*_[a-z2-7]{8,16}>|\b[a-z_]+_[a-z2-7]{16}\b")
"""A pseudonym in a text, or in a column of its own (`privacy.pseudonyms`)."""


def tokens_of(lake: Lake, use_case: str, selection: Selection) -> list[str]:
    """Pseudonyms in the selected records, and in no other."""
    own: set[str] = set()
    others: set[str] = set()
    for table in tables_of(lake, use_case):
        if table.zone == "shared" and table.name == "anonymized_records":
            for path in parquet_files(lake, table.folder(lake)):
                with lake.fs.open(path, "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
                    for batch in file.iter_batches():
                        mine = selection.rows(batch)
                        own |= set(_tokens(batch.filter(pa.array(mine))))
                        others |= set(_tokens(batch.filter(pa.array(~mine))))
    return sorted(own - others)


@dataclass(frozen=True)
class Originals:
    """What the vault knows of the texts of some records.

    Attributes:
        own: that stand in no other record, folded; `shared`: how many stand in others, too.
    """

    own: list[str]
    shared: int


def originals_of(lake: Lake, environment: Environment, use_case: str, selection: Selection, reason: str) -> Originals:
    """Originals in the vault that stand in the selected records of the restricted zone; nothing where the key is not
    here."""
    own = " ".join(_texts_in(lake, use_case, selection, of_others=False))
    try:
        keys = VaultKeys(read_key_ring(vault_key_place(environment)))
        candidates = Vault(lake, use_case).originals_where(lambda one: _stands_in(one, own), keys, reason)
    except KeyMissing:
        return Originals([], 0)
    left = set(candidates)
    for others in _texts_in(lake, use_case, selection, of_others=True) if left else ():
        left -= {one for one in left if _stands_in(one, others)}
    return Originals(sorted(left), len(candidates) - len(left))


def _texts_in(lake: Lake, use_case: str, selection: Selection, of_others: bool) -> Iterator[str]:
    """All that stands in records with personal data, folded: in the selected ones, or in all others."""
    for table in tables_of(lake, use_case):
        if table.zone != "restricted":
            continue
        for path in parquet_files(lake, table.folder(lake)):
            with lake.fs.open(path, "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
                for batch in file.iter_batches() if "record_id" in file.schema_arrow.names else ():
                    yield _folded_text(batch.filter(pa.array(selection.rows(batch) ^ of_others)))


def _folded_text(batch: pa.RecordBatch) -> str:
    words = [value for column in batch.columns for value in _strings(plain_array(column)) if value]
    return " ".join(" ".join(words).casefold().split())


def _stands_in(original: str, text: str) -> bool:
    """Whether an original is in a text as a whole word."""
    return original in text and re.search(rf"(?<!\w){re.escape(original)}(?!\w)", text) is not None


def _tokens(batch: pa.RecordBatch) -> Iterator[str]:
    for column in batch.columns:
        for value in _strings(plain_array(column)):
            if value and "_" in value:
                yield from TOKEN.findall(value)


def _strings(column: pa.Array) -> list[Any]:
    kind = column.type
    if pa.types.is_string(kind):
        return column.to_pylist()
    if pa.types.is_list(kind):
        return _strings(column.flatten())
    return [value for part in column.flatten() for value in _strings(part)] if pa.types.is_struct(kind) else []


def erase_from_vault(lake: Lake, environment: Environment, case: CaseFile) -> int | None:
    """Destroys the entries of a case. Returns how many there were; None: the key that opens the vault is not here."""
    try:
        keys = VaultKeys(read_key_ring(vault_key_place(environment)))
        vault = Vault(lake, case.use_case)
        return vault.erase(
            [*case.pseudonyms, *case.tokens], [*case.subjects, *case.texts, *case.originals], keys, case.request
        )
    except KeyMissing:
        return None
