"""Anonymizes a table in memory with a fixed key, for tests."""

import tempfile
from pathlib import Path

import pyarrow as pa

from ft_platform.lake.keys.key_ring import KeyHandle, KeyRing, key_handle, read_key_ring
from ft_platform.lake.keys.providers import KeyPlace
from ft_platform.lake.stage_table import Work
from ft_platform.privacy.anonymize import OriginalsSink, anonymize
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import anonymized_schema
from ft_platform.records.stage_results import StageResult
from ft_platform.use_case.named import NamedUseCase

KEY = bytes(range(32))


def key_in(folder: Path, use_case: str, ring: KeyRing | None = None) -> KeyHandle:
    """A handle of the newest key in a file `key` of a folder, which holds the ring, or else `KEY`."""
    place = KeyPlace("file", folder / "key", "FT_PSEUDONYM_KEY")
    place.open().write((ring or KeyRing({1: KEY})).to_text())
    return key_handle(read_key_ring(place), place, use_case)


def anonymized(
    case: NamedUseCase, records: pa.Table, ring: KeyRing | None = None, vault: OriginalsSink | None = None
) -> StageResult:
    """What `anonymize` makes of a table in `cleaned_schema`."""
    with tempfile.TemporaryDirectory() as folder:
        stream = anonymize(
            case, TableRows(records), Work(Path(folder), InProcess()), key_in(Path(folder), case.name, ring), vault
        )
        return stream.collect(anonymized_schema(case))
