"""Versioned tables: finds the rows of persons, file by file, and takes them out of every version."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import pyarrow.compute as pc
import pyarrow.parquet as pq

from ft_platform.erasure.case_file import DELETION, CaseFile, save
from ft_platform.erasure.rewriting import (
    Change,
    asked_columns,
    mend_log,
    parquet_files,
    remove_unfinished,
    rewritten,
    sha256_of,
)
from ft_platform.erasure.selecting import Selection
from ft_platform.lake.content_hash import plus
from ft_platform.lake.erased_rows import WHOLE, ErasedRows, Erasure
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion

ZONES = ("restricted", "shared")
"""The restricted one first: its rows have the ids that the source writes."""


@dataclass(frozen=True)
class Table:
    """One table of a use case."""

    zone: str
    use_case: str
    name: str

    @property
    def key(self) -> str:
        return f"{self.zone}/{self.name}"

    def folder(self, lake: Lake) -> str:
        return lake.path_of(self.zone, self.use_case, "tables", self.name)


@dataclass
class Identified:
    """Persons and their records.

    Attributes:
        subjects: ids; `pseudonyms` of them; `records` of them.
        names_persons: whether any record of the use case names a person.
    """

    subjects: set[str]
    pseudonyms: set[str]
    records: set[str] = field(default_factory=set)
    names_persons: bool = False

    def selection(self, zone: str, texts: Collection[str] = ()) -> Selection:
        return Selection({*self.subjects, *self.pseudonyms} if zone == "shared" else self.subjects, self.records, texts)


def tables_of(lake: Lake, use_case: str) -> Iterator[Table]:
    """Every table that lies in the lake, those of stages that are gone among them."""
    lake.fs.invalidate_cache()
    for zone in ZONES:
        folder = lake.path_of(zone, use_case, "tables")
        for path in sorted(lake.fs.ls(folder, detail=False)) if lake.fs.exists(folder) else []:
            yield Table(zone, use_case, path.rstrip("/").rsplit("/", 1)[-1])


def identify(lake: Lake, use_case: str, found: Identified) -> None:
    """Finds the records of persons, and the persons of these records: who is named by a pseudonym only gets the id."""
    before = -1
    while len(found.records) + len(found.subjects) > before:
        before = len(found.records) + len(found.subjects)
        for table in tables_of(lake, use_case):
            selection = found.selection(table.zone)
            for path in parquet_files(lake, table.folder(lake)):
                with lake.fs.open(path, "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
                    if not {"record_id", "subject_id"} <= set(file.schema_arrow.names):
                        continue
                    for batch in file.iter_batches(columns=["record_id", "subject_id"]):
                        found.names_persons |= batch.column("subject_id").null_count < batch.num_rows
                        rows = batch.filter(selection.rows(batch))
                        found.records |= set(rows.column("record_id").to_pylist())
                        persons = pc.drop_null(pc.utf8_trim_whitespace(rows.column("subject_id"))).to_pylist()
                        (found.subjects if table.zone == "restricted" else found.pseudonyms).update(persons)


def rows_by_file(lake: Lake, table: Table, selection: Selection) -> dict[str, tuple[int, int]]:
    """File -> rows of these persons, and rows of others that have one of the texts; of files that have any."""
    found = {}
    for path in parquet_files(lake, table.folder(lake)):
        rows = naming = 0
        with lake.fs.open(path, "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
            asked = asked_columns(file, selection)
            for batch in file.iter_batches(columns=asked) if asked != [] else ():
                own = selection.rows(batch)
                rows += int(own.sum())
                naming += int((selection.naming(batch) & ~own).sum())
        if rows or naming:
            found[path.rsplit("/", 1)[-1]] = rows, naming
    return found


def versions_of(lake: Lake, table: Table) -> Iterator[tuple[TableVersion, Manifest]]:
    """Every version of a table, newest first."""
    for manifest in lake.manifests(table.use_case, table.name, table.zone):
        uri = lake.uri(table.zone, table.use_case, "tables", table.name)
        yield (
            TableVersion(
                table.use_case,
                table.name,
                table.zone,
                int(manifest.version or 0),
                manifest.content_hash,
                manifest.rows,
                uri,
            ),
            manifest,
        )


def files_of(lake: Lake, version: TableVersion, manifest: Manifest) -> list[str]:
    """Names of the files with the rows of a version."""
    if manifest.files or not manifest.rows:
        return list(manifest.files)
    return [path.rsplit("/", 1)[-1] for path in lake.file_paths(version)]


def erase_from_table(lake: Lake, table: Table, selection: Selection, case: CaseFile) -> list[Change]:
    """Takes rows out of a table, alone with it. Killed anywhere, it goes on where it was.

    What a file will lose is noted before the file is replaced: afterwards nobody could tell.

    Returns:
        All changes of this request.
    """
    folder = table.folder(lake)
    with lake.writer_lock(table.zone, table.use_case, table.name):
        remove_unfinished(lake, folder)
        changes = _settled(lake, folder, case.changes_of(table.key))
        for path in parquet_files(lake, folder):
            with rewritten(lake, path, selection.of_file(path.rsplit("/", 1)[-1])) as change:
                if change:
                    changes.append(change)
                    case.set_changes(table.key, changes)
                    save(lake, case)
        mend_log(lake, folder, {one.file: one for one in changes})
        for version, manifest in versions_of(lake, table):
            _note(lake, version, manifest, changes, case.request)
    return changes


def _settled(lake: Lake, folder: str, changes: list[Change]) -> list[Change]:
    """Changes whose file is in its place: a process was perhaps killed before it put the last one there."""
    if changes and sha256_of(lake, f"{folder}/{changes[-1].file}") == changes[-1].before:
        return changes[:-1]
    return changes


def _note(lake: Lake, version: TableVersion, manifest: Manifest, changes: list[Change], request: str) -> None:
    """Signs what a version has lost."""
    known = lake.erased_rows(version)
    earlier = known.before(request).joined(DELETION)
    written = manifest.files or dict.fromkeys(files_of(lake, version, manifest), "")
    now = {**written, **{name: digest for one in earlier.erasures for name, digest in one.files.items()}}
    state, rows, files = "", 0, {}
    for one in changes:
        if now.get(one.file) in ("", one.before):
            now[one.file] = files[one.file] = one.after
            state, rows = plus(state, one.state), rows + one.rows
    after = ErasedRows((*earlier.erasures, Erasure(request=request, rows=rows, state=state, files=files)))
    if files and after != known:
        lake.add_verdict(version, WHOLE, True, "", after.numbers())
