"""Delta tables: written as a stream of batches, readable at any version, one writer at a time."""

import hashlib
import json
import random
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from ft_platform import __version__
from ft_platform.errors import CorruptVersion, TransientError, VersionRefused
from ft_platform.lake import files
from ft_platform.lake.content_hash import ContentHash, minus
from ft_platform.lake.file_systems import out_of_reach, refused
from ft_platform.lake.manifest import Manifest, now, parent_of
from ft_platform.lake.manifests import Manifests
from ft_platform.lake.pump import Pump
from ft_platform.lake.verified import state_of
from ft_platform.lake.versions import TableVersion, Version
from ft_platform.process.code_hash import code
from ft_platform.records.columns import PROVENANCE
from ft_platform.stages import STAGES

WRITE_ATTEMPTS = 120
"""To hold a table, about a second apart: writers on an object store hold it for a second or two each."""
OURS = "ft_write"
"""What tells commits of one writer from those of others."""
DELTA_SETTINGS = {
    # Without this, minimum and maximum texts of each file stay in the log, even after the rows are deleted and
    # vacuumed.
    "delta.dataSkippingStatsColumns": "record_id",
}

FILE_BYTES = 32 * 2**20
ROW_GROUP_ROWS = 1 << 16
"""The writer holds a row group until it is whole, and gives its memory back late: with its defaults (100 MB a file, a
million rows a group) 1.5 million short rows took 0.67 GiB and left 0.49 with the process, with these 0.24 and 0.11. The
files are as large together."""


class Tables(Manifests):
    """Versioned tables of rows."""

    def _table(self, zone: str, use_case: str, name: str, version: int | None = None) -> DeltaTable:
        return DeltaTable(
            self.uri(zone, use_case, "tables", name), version=version, storage_options=self.delta_options(zone)
        )

    def write_table(
        self,
        use_case: str,
        name: str,
        batches: Iterable[pa.RecordBatch],
        schema: pa.Schema,
        *,
        zone: str,
        parents: Iterable[Version] = (),
        settings_hash: str = "",
        input_hash: str = "",
        counts: dict[str, Any] | None = None,
        info: dict[str, Any] | None = None,
        append: bool = False,
        based_on: TableVersion | None = None,
        started: float | None = None,
    ) -> TableVersion:
        """Writes one version as a stream of batches and then its manifest.

        Args:
            append: keep the rows of the latest version and add these. Without it the new version holds these rows only.
            based_on: the latest version when the rows were worked out. If another one has come since, nothing is
                written: two runs that had both seen the same new rows would add them twice.
            counts, info: stored in the manifest; may be filled while `batches` is consumed.
            started: `time.monotonic()` at which the work on it began, for the seconds in the manifest. Default: now.

        Raises:
            TransientError: other writers kept winning, or wrote a version after `based_on`.
        """
        started = time.monotonic() if started is None else started
        counts = counts if counts is not None else {}
        with self.room_for(f"table {name} of {use_case}"), self.writer_lock(zone, use_case, name):
            if seals := self.seals(use_case):
                seals.journal.entries()  # refuses a chain that is broken or of a later format before rows are written
            latest = self.latest(use_case, name, zone=zone) if append or based_on else None
            if based_on and latest != based_on:
                raise TransientError(
                    f"table {name} of {use_case} was written by another run in the meantime",
                    "Run the step again: it continues from there",
                )
            previous = latest if append else None
            hasher = ContentHash(leave_out=PROVENANCE, state=self._hash_state(previous) if previous else "")
            with Pump(_hashed(batches, hasher, schema)) as pump:
                reader = pa.RecordBatchReader.from_batches(schema, pump.batches())
                number = self._commit(use_case, name, zone, reader, previous)
            version = TableVersion(
                use_case, name, zone, number, hasher.hexdigest(), hasher.rows, self.uri(zone, use_case, "tables", name)
            )
            table = self._existing_table(version)
            paths = _file_paths(self._folder_of(version), table)
            hashes = self._file_hashes(paths, self.file_hashes(previous) if previous else {})
            manifest = Manifest(
                use_case=use_case,
                name=name,
                id=version.id,
                version=number,
                content_hash=version.content_hash,
                rows=version.rows,
                hash_state=hasher.state,
                input_hash=input_hash,
                settings_hash=settings_hash,
                code=code(),
                parents=[parent_of(p) for p in parents],
                counts=counts,
                files=hashes,
                info=info if info is not None else {},
                seconds=round(time.monotonic() - started, 3),
                written_at=now(),
            )
            self._write_signed(use_case, self._manifest_path(version), manifest.model_dump(mode="json"))
            self.verified(use_case).add(f"{zone}/{version.id}", self._state_of(table, paths, version))
        return version

    def _commit(
        self, use_case: str, name: str, zone: str, reader: pa.RecordBatchReader, previous: TableVersion | None
    ) -> int:
        uri = self.uri(zone, use_case, "tables", name)
        conflict = TransientError(
            f"table {name} of {use_case} was written by someone else at the same time", "Run the step again"
        )
        before = self._version_number(uri)
        if previous and before != previous.version:
            # The newest commit has no manifest: rests of a killed writer. Go back to the version whose rows were
            # hashed.
            self._table(zone, use_case, name).restore(previous.version)
            before = self._version_number(uri)
        ours = uuid.uuid4().hex
        try:
            write_deltalake(
                uri,
                reader,
                mode="append" if previous else "overwrite",
                schema_mode=None if previous else "overwrite",
                configuration=DELTA_SETTINGS if before is None else None,
                commit_properties=CommitProperties(custom_metadata={"ft_platform": __version__, OURS: ours}),
                target_file_size=FILE_BYTES,
                writer_properties=WriterProperties(compression="SNAPPY", max_row_group_size=ROW_GROUP_ROWS),
                storage_options=self.delta_options(zone),
            )
        except CommitFailedError as error:
            if not self._only_ours(zone, use_case, name, before, ours):
                raise conflict from error
        if not self._only_ours(zone, use_case, name, before, ours):
            # Only where no lock holds: what is stored may hold another writer's rows. No manifest, so it does not
            # count.
            raise conflict
        table = self._table(zone, use_case, name)
        if self.is_local:
            fsync_delta(Path(uri), table)
        self.settle(self.path_of(zone, use_case, "tables", name), tree=True)
        return table.version()

    def _only_ours(self, zone: str, use_case: str, name: str, before: int | None, ours: str) -> bool:
        """Whether this writer made each commit since. It may be two: where the answer to the first was lost, deltalake
        finds the version taken, does not know itself, and adds the same files again."""
        try:
            table = self._table(zone, use_case, name)
        except TableNotFoundError:
            return False
        log = f"{self.path_of(zone, use_case, 'tables', name)}/_delta_log"
        since = range(0 if before is None else before + 1, table.version() + 1)
        # Not `table.history`: it lets no other thread of this process run while it waits for the store.
        commits = [files.read_bytes(self.fs, f"{log}/{number:020d}.json").splitlines() for number in since]
        return bool(commits) and all(
            any(json.loads(line).get("commitInfo", {}).get(OURS) == ours for line in lines) for lines in commits
        )

    def _hash_state(self, version: TableVersion) -> str:
        state = self.manifest(version).hash_state
        if not state:
            raise CorruptVersion(
                f"the manifest of {version.id} of {version.use_case} has no state of its hash",
                "Start the use case in a new lake",
            )
        return minus(state, self.erased_rows(version).state)

    def _version_number(self, uri: str) -> int | None:
        try:
            return DeltaTable(uri, storage_options=self.storage_options or None).version()  # reads only
        except TableNotFoundError:
            return None

    @contextmanager
    def writer_lock(self, zone: str, use_case: str, name: str) -> Iterator[None]:
        """One writer per table: a file lock, in the lake where that is a local disk, otherwise beside the lock of the
        signed chain. Where nothing is signed, a race on an object store is found after the commit."""
        if not self.is_local and self.signing is None:
            yield
            return
        import fcntl

        if self.signing is None or self.is_local:
            self.close_zone(zone)
            lock = Path(self.path_of(zone, use_case, "locks", f"{name}.lock"))
        else:
            place = f"{use_case}-{self.signing.place_of(self.folder)}"
            lock = self.signing.folder / "locks" / place / f"{zone}-{name}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with open(lock, "w") as file:
            if self.is_local:
                self.settle(str(lock))
            for attempt in range(WRITE_ATTEMPTS):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(min(2.0**attempt * 0.05, 1) * random.uniform(0.5, 1.5))
            else:
                raise TransientError(
                    f"table {name} of {use_case} is being written by another process",
                    "Run the step again when that run has ended",
                )
            yield

    def read(
        self, version: TableVersion, columns: list[str] | None = None, batch_rows: int = 8192
    ) -> Iterator[pa.RecordBatch]:
        """Batches of one version, in stored order.

        Raises:
            VersionRefused: the table or this version of it does not exist.
        """
        yield from self.batches_of(self._existing_table(version), self._folder_of(version), columns, batch_rows)

    def batches_of(
        self,
        table: DeltaTable,
        folder: str,
        columns: list[str] | None = None,
        batch_rows: int = 8192,
        *,
        may_lack: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """Batches of a Delta table that lies in `folder` of the lake's file system, in stored order.

        Args:
            may_lack: columns that older files do not have are null.
        """
        schema = pa.schema(table.schema())
        wanted = pa.schema([schema.field(name) for name in columns or schema.names])
        for path in _file_paths(folder, table):
            yield from self.read_parquet(path, wanted, batch_rows, may_lack=may_lack)

    def file_paths(self, version: TableVersion) -> list[str]:
        """Paths, in the lake's file system, of the Parquet files that hold the rows of a version."""
        return _file_paths(self._folder_of(version), self._existing_table(version))

    def _folder_of(self, version: TableVersion) -> str:
        return self.path_of(version.zone, version.use_case, "tables", version.name)

    def _existing_table(self, version: TableVersion) -> DeltaTable:
        try:
            return self._table(version.zone, version.use_case, version.name, version.version)
        except TableNotFoundError as error:
            raise VersionRefused(
                f"{version.id} of {version.use_case} does not exist", "Materialize it first"
            ) from error

    def read_parquet(
        self, path: str, schema: pa.Schema, batch_rows: int, *, may_lack: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Not through a dataset over deltalake's Python file system: a scan that is left unfinished ends the process
        with a deadlock, an abort or a crash, because arrow's read-ahead threads call into an interpreter that has shut
        down.

        Args:
            may_lack: columns that the file does not have are null.
        """
        if self.is_local:
            with pq.ParquetFile(path, pre_buffer=False) as file:  # a mapping would count as memory of the process
                yield from _batches(file, schema, batch_rows, may_lack)
            return
        with self.fs.open(path, "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
            yield from _batches(file, schema, batch_rows, may_lack, use_threads=False)

    def rows(self, version: TableVersion) -> "VersionRows":
        """The rows of a version, to be read batch by batch as often as needed."""
        return VersionRows(self, version)

    def read_table(self, version: TableVersion, columns: list[str] | None = None) -> pa.Table:
        """The whole version in memory. For tables that are known to be small."""
        batches = list(self.read(version, columns))
        if batches:
            return pa.Table.from_batches(batches)
        schema = pa.schema(self._table(version.zone, version.use_case, version.name, version.version).schema())
        return schema.empty_table().select(columns or schema.names)

    def columns(self, version: TableVersion) -> list[str]:
        """Names of the columns of a version."""
        return [
            field.name
            for field in self._table(version.zone, version.use_case, version.name, version.version).schema().fields
        ]

    def delta_fields(self, version: TableVersion) -> list[dict[str, Any]]:
        """Columns of a version as Delta's log describes them: `name`, `type`, `nullable`, `metadata`."""
        return json.loads(self._existing_table(version).schema().to_json())["fields"]

    def is_newest_commit(self, version: TableVersion) -> bool:
        """Whether who opens the table reads this version. Not while a newer one has rows and no manifest yet."""
        return self._version_number(version.uri) == version.version

    def verify_table(self, version: TableVersion, *, changed_only: bool = False) -> None:
        """Compares what is stored with the manifest: the bytes of each file, and the hash of the rows.

        Args:
            changed_only: do not read what was compared before and not written since.

        Raises:
            CorruptVersion: they differ, or cannot be read.
            LakeUnreachable: an object store does not answer, which says nothing about them.
        """
        with self.answering(f"reading {version.id} of {version.use_case}"):
            self._verify_table(version, changed_only)

    def _verify_table(self, version: TableVersion, changed_only: bool) -> None:
        manifest, verified, name = (
            self.manifest(version),
            self.verified(version.use_case),
            f"{version.zone}/{version.id}",
        )
        erased = self.erased_rows(version)
        try:
            table, folder = self._existing_table(version), self._folder_of(version)
            paths = _file_paths(folder, table)
            state = self._state_of(table, paths, version)
            if changed_only and verified.holds(name, state):
                return
            if manifest.files and erased.files(manifest.files) != self._file_hashes(paths, {}):
                raise CorruptVersion(
                    f"a file of {version.id} of {version.use_case} does not match its manifest",
                    "Materialize it again",
                )
            hasher = ContentHash(leave_out=PROVENANCE, state=erased.state)
            for batch in self.batches_of(table, folder):
                hasher.add(batch)
        except FileNotFoundError:
            raise CorruptVersion(
                f"a file with rows of {version.id} of {version.use_case} was deleted", "Materialize it again"
            ) from None
        except (DeltaError, pa.ArrowException, OSError) as error:
            if not self.is_local and (out_of_reach(error) or refused(error)):
                raise
            raise CorruptVersion(
                f"{version.id} of {version.use_case} cannot be read ({type(error).__name__})", "Materialize it again"
            ) from None
        if hasher.hexdigest() != version.content_hash:
            raise CorruptVersion(
                f"rows of {version.id} of {version.use_case} do not match the hash in its manifest",
                "Materialize it again",
            )
        verified.add(name, state)

    def _state_of(self, table: DeltaTable, paths: list[str], version: TableVersion) -> str:
        return state_of(self.fs, paths, f"{version.content_hash} {table.schema().to_json()}")

    def _file_hashes(self, paths: list[str], known: dict[str, str]) -> dict[str, str]:
        """Name -> sha256 of each file; of those that an earlier version had already, as it said."""
        hashes = {}
        for path in paths:
            name = path.rsplit("/", 1)[-1]
            if name not in known:
                with self.fs.open(path, "rb") as file:
                    hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        return hashes | {name: known[name] for path in paths if (name := path.rsplit("/", 1)[-1]) in known}

    def latest(self, use_case: str, name: str, zone: str | None = None) -> TableVersion | None:
        """The newest version that has a manifest."""
        manifest = next(self.manifests(use_case, name, zone), None)
        return self._handle(manifest, zone or STAGES[name].zone) if manifest else None

    def find(self, use_case: str, name: str, input_hash: str) -> TableVersion | None:
        """A version made from the same inputs, or None. Only the newest content counts: older ones have been
        replaced."""
        try:
            manifest = next(self.manifests(use_case, name), None)
        except CorruptVersion:  # made again
            return None
        if manifest is None or manifest.input_hash != input_hash:
            return None
        return self._handle(manifest, STAGES[name].zone)

    def beside(self, version: TableVersion, name: str) -> TableVersion:
        """The version of another table that a stage wrote together with this one."""
        number = self.manifest(version).info[f"{name}_version"]
        path = self._manifest_path(TableVersion(version.use_case, name, version.zone, number, "", 0, ""))
        return self._handle(self._read_manifest(version.use_case, path), version.zone)

    def _handle(self, manifest: Manifest, zone: str) -> TableVersion:
        uri = self.uri(zone, manifest.use_case, "tables", manifest.name)
        written = TableVersion(
            manifest.use_case,
            manifest.name,
            zone,
            int(manifest.version or 0),
            manifest.content_hash,
            manifest.rows,
            uri,
        )
        return replace(written, rows=self.rows_left(written))

    def rows_left(self, version: TableVersion) -> int:
        """How many rows a version has now: a handle may be older than an erasure."""
        erased = self.erased_rows(version).rows
        return (
            self._read_manifest(version.use_case, self._manifest_path(version)).rows - erased
            if erased
            else (version.rows)
        )


class VersionRows:
    """Rows of one version of a table (`rows.Rows`)."""

    def __init__(self, lake: Tables, version: TableVersion) -> None:
        self._lake = lake
        self._version = version
        self.schema = pa.schema(lake._table(version.zone, version.use_case, version.name, version.version).schema())
        self.num_rows = lake.rows_left(version)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        yield from self._lake.read(self._version, list(columns) if columns is not None else None)


def _file_paths(folder: str, table: DeltaTable) -> list[str]:
    return [
        f"{folder}/{uri.rsplit('/', 1)[-1]}" for uri in table.file_uris()
    ]  # percent-encoded, hence only the name; tables are not partitioned


def _hashed(batches: Iterable[pa.RecordBatch], hasher: ContentHash, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        cast = cast_batch(batch, schema)
        hasher.add(cast)
        yield cast


def _batches(
    file: pq.ParquetFile, schema: pa.Schema, batch_rows: int, may_lack: bool, use_threads: bool = True
) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(batch_size=batch_rows, columns=schema.names, use_threads=use_threads):
        if batch.num_rows:
            for field in schema if may_lack else ():
                if field.name not in batch.schema.names:
                    batch = batch.append_column(field, pa.nulls(batch.num_rows, field.type))
            yield cast_batch(batch, schema)


def cast_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The columns of `schema`, in its order and types."""
    if batch.schema.equals(schema):
        return batch
    return pa.RecordBatch.from_arrays([batch.column(field.name).cast(field.type) for field in schema], schema=schema)


def fsync_delta(folder: Path, table: DeltaTable) -> None:
    """Delta does not flush to the disk: a power cut could lose a commit that was acknowledged."""
    log = folder / "_delta_log" / f"{table.version():020d}.json"
    for line in log.read_text().splitlines():
        added = json.loads(line).get("add")
        if added:
            files.fsync_path(folder / added["path"])
    files.fsync_path(log)
    files.fsync_path(log.parent)
    files.fsync_path(folder)
