"""The lake: Delta tables, checkpoints and reports under one root, in a restricted and a shared zone.

Layout below the root (a folder or an object-store URI):
`<zone>/<use_case>/tables/<name>/` Delta table · `<zone>/<use_case>/manifests/<name>/<version>.json` ·
`<zone>/<use_case>/verdicts/<name>/<id>/<check>.json` · `<zone>/<use_case>/<name>/<artifact_id>/` checkpoints and reports.
"""

import errno
import json
import os
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from fsspec.implementations.local import LocalFileSystem

from ft_platform import __version__
from ft_platform.errors import CorruptVersion, DiskFull, TransientError, VersionRefused
from ft_platform.lake import files
from ft_platform.lake.content_hash import ContentHash
from ft_platform.lake.manifest import Manifest, Parent, Verdict
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.records import PROVENANCE
from ft_platform.stages import STAGES

WRITE_ATTEMPTS = 8
DELTA_SETTINGS = {
    # Without this, minimum and maximum texts of each file stay in the log, even after the rows are deleted and vacuumed.
    "delta.dataSkippingStatsColumns": "record_id",
}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def parent_of(version: Version) -> Parent:
    return Parent(name=version.name, id=version.id, version=version.version if isinstance(version, TableVersion) else None, content_hash=version.content_hash)


class Lake:
    """Reads and writes versions. Every write is atomic; nothing is overwritten in place.

    Args:
        root: local folder or object-store URI such as `s3://bucket/prefix`.
        storage_options: credentials and endpoint for an object store, in deltalake's names (`AWS_ENDPOINT_URL`, ...).
    """

    def __init__(self, root: str | Path, storage_options: dict[str, str] | None = None) -> None:
        self.root = str(root).rstrip("/")
        self.storage_options = dict(storage_options or {})
        self.fs, self._path = files.filesystem(self.root, files.fsspec_options(self.root, self.storage_options))
        self.is_local = isinstance(self.fs, LocalFileSystem)
        if self.is_local:
            self.root = self._path

    # ---- places

    def uri(self, zone: str, use_case: str, *parts: str) -> str:
        return "/".join([self.root, zone, use_case, *parts])

    def _fs_path(self, zone: str, use_case: str, *parts: str) -> str:
        return "/".join([self._path.rstrip("/"), zone, use_case, *parts])

    def _table(self, zone: str, use_case: str, name: str, version: int | None = None) -> DeltaTable:
        return DeltaTable(self.uri(zone, use_case, "tables", name), version=version, storage_options=self.storage_options or None)

    # ---- tables

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
        seconds: float = 0.0,
    ) -> TableVersion:
        """Writes one version as a stream of batches and then its manifest.

        Args:
            append: keep the rows of the latest version and add these. Without it the new version holds these rows only.
            counts, info: stored in the manifest; may be filled while `batches` is consumed.

        Raises:
            TransientError: other writers kept winning.
        """
        started = time.monotonic()
        counts = counts if counts is not None else {}
        hasher = ContentHash(leave_out=PROVENANCE)
        with self._room_for(f"table {name} of {use_case}"), self._writer_lock(zone, use_case, name):
            previous = self.latest(use_case, name, zone=zone) if append else None
            if previous:
                for batch in self.read(previous):
                    hasher.add(batch)
            reader = pa.RecordBatchReader.from_batches(schema, _hashed(batches, hasher, schema))
            number = self._commit(use_case, name, zone, reader, previous)
            version = TableVersion(use_case, name, zone, number, hasher.hexdigest(), hasher.rows, self.uri(zone, use_case, "tables", name))
            manifest = Manifest(
                use_case=use_case,
                name=name,
                id=version.id,
                version=number,
                content_hash=version.content_hash,
                rows=version.rows,
                input_hash=input_hash,
                settings_hash=settings_hash,
                code=__version__,
                parents=[parent_of(p) for p in parents],
                counts=counts,
                info=info or {},
                seconds=round(seconds or time.monotonic() - started, 3),
                written_at=now(),
            )
            self._write_json(self._manifest_path(version), manifest.model_dump(mode="json"))
        return version

    def _commit(self, use_case: str, name: str, zone: str, reader: pa.RecordBatchReader, previous: TableVersion | None) -> int:
        uri = self.uri(zone, use_case, "tables", name)
        conflict = TransientError(f"table {name} of {use_case} was written by somebody else at the same time", "Run the step again")
        before = self._version_number(uri)
        if previous and before != previous.version:
            # The newest commit has no manifest: rests of a killed writer. Go back to the version whose rows were hashed.
            self._table(zone, use_case, name).restore(previous.version)
            before = self._version_number(uri)
        try:
            write_deltalake(
                uri,
                reader,
                mode="append" if previous else "overwrite",
                schema_mode=None if previous else "overwrite",
                configuration=DELTA_SETTINGS if before is None else None,
                commit_properties=CommitProperties(custom_metadata={"ft_platform": __version__}),
                storage_options=self.storage_options or None,
            )
        except CommitFailedError as error:
            raise conflict from error
        table = self._table(zone, use_case, name)
        if table.version() != (0 if before is None else before + 1):
            # Only where no lock holds (object stores): what is stored may hold another writer's rows. No manifest, so it does not count.
            raise conflict
        if self.is_local:
            _fsync_delta(Path(uri), table)
        return table.version()

    def _version_number(self, uri: str) -> int | None:
        try:
            return DeltaTable(uri, storage_options=self.storage_options or None).version()
        except TableNotFoundError:
            return None

    @contextmanager
    def _room_for(self, what: str) -> Iterator[None]:
        """Names a full disk as such: deltalake reports it as a failure to parse parquet."""
        try:
            yield
        except (OSError, DeltaError) as error:
            if (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or "No space left" in str(error):
                raise DiskFull(f"no space left for {what} in {self.root}; the version before it is intact", "Free some space and run the step again") from None
            raise

    @contextmanager
    def _writer_lock(self, zone: str, use_case: str, name: str) -> Iterator[None]:
        """One writer per table: a file lock on local disks. On object stores a lost race is found after the commit."""
        if not self.is_local:
            yield
            return
        import fcntl

        lock = Path(self._fs_path(zone, use_case, "locks", f"{name}.lock"))
        lock.parent.mkdir(parents=True, exist_ok=True)
        with open(lock, "w") as file:
            for attempt in range(WRITE_ATTEMPTS):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(min(2**attempt * 0.1, 5) * random.uniform(0.5, 1.5))
            else:
                raise TransientError(f"table {name} of {use_case} is being written by another process", "Run the step again when that run has ended")
            yield

    def read(self, version: TableVersion, columns: list[str] | None = None, batch_rows: int = 8192) -> Iterator[pa.RecordBatch]:
        """Batches of one version, in stored order.

        Raises:
            VersionRefused: the table or this version of it does not exist.
        """
        try:
            table = self._table(version.zone, version.use_case, version.name, version.version)
        except TableNotFoundError as error:
            raise VersionRefused(f"{version.id} of {version.use_case} does not exist", "Materialize it first") from error
        dataset = table.to_pyarrow_dataset()
        for batch in dataset.to_batches(columns=columns, batch_size=batch_rows):
            if batch.num_rows:
                yield batch

    def read_table(self, version: TableVersion, columns: list[str] | None = None) -> pa.Table:
        """The whole version in memory. For tables that are known to be small."""
        batches = list(self.read(version, columns))
        if batches:
            return pa.Table.from_batches(batches)
        schema = pa.schema(self._table(version.zone, version.use_case, version.name, version.version).schema())
        return schema.empty_table().select(columns or schema.names)

    def columns(self, version: TableVersion) -> list[str]:
        """Names of the columns of a version."""
        return [field.name for field in self._table(version.zone, version.use_case, version.name, version.version).schema().fields]

    def verify_table(self, version: TableVersion) -> None:
        """Reads the rows and compares their hash with the handle's.

        Raises:
            CorruptVersion: they differ.
        """
        hasher = ContentHash(leave_out=PROVENANCE)
        for batch in self.read(version):
            hasher.add(batch)
        if hasher.hexdigest() != version.content_hash:
            raise CorruptVersion(f"rows of {version.id} of {version.use_case} do not match the hash in its manifest", "Materialize it again")

    def latest(self, use_case: str, name: str, zone: str | None = None) -> TableVersion | None:
        """The newest version that has a manifest."""
        manifest = next(self.manifests(use_case, name, zone), None)
        return self._handle(manifest, zone or STAGES[name].zone) if manifest else None

    def find(self, use_case: str, name: str, input_hash: str) -> TableVersion | None:
        """A version made from the same inputs, or None. Only the newest content counts: older ones have been replaced."""
        manifest = next(self.manifests(use_case, name), None)
        if manifest is None or manifest.input_hash != input_hash:
            return None
        return self._handle(manifest, STAGES[name].zone)

    def _handle(self, manifest: Manifest, zone: str) -> TableVersion:
        return TableVersion(
            manifest.use_case,
            manifest.name,
            zone,
            int(manifest.version or 0),
            manifest.content_hash,
            manifest.rows,
            self.uri(zone, manifest.use_case, "tables", manifest.name),
        )

    # ---- manifests and verdicts

    def _manifest_path(self, version: TableVersion) -> str:
        return self._fs_path(version.zone, version.use_case, "manifests", version.name, f"{version.version:08d}.json")

    def _read_manifest(self, path: str) -> Manifest:
        try:
            return Manifest.model_validate_json(self.fs.cat_file(path))
        except ValueError:
            raise CorruptVersion(f"the manifest {path} cannot be read", "Materialize that stage again") from None

    def manifests(self, use_case: str, name: str, zone: str | None = None) -> Iterator[Manifest]:
        """Manifests of a table, newest version first."""
        folder = self._fs_path(zone or STAGES[name].zone, use_case, "manifests", name)
        self.fs.invalidate_cache()
        paths = [p for p in self.fs.ls(folder, detail=False) if p.endswith(".json")] if self.fs.exists(folder) else []
        for path in sorted(paths, reverse=True):
            yield self._read_manifest(path)

    def manifest(self, version: Version) -> Manifest:
        """The manifest of a version.

        Raises:
            VersionRefused: there is none, or it is of other content than the handle.
        """
        path = self._manifest_path(version) if isinstance(version, TableVersion) else f"{self._artifact_path(version)}/manifest.json"
        if not self.fs.exists(path):
            raise VersionRefused(f"{version.id} of {version.use_case} has no manifest", f"Materialize {version.name} again")
        manifest = self._read_manifest(path)
        if manifest.content_hash != version.content_hash:
            raise VersionRefused(f"the manifest of {version.id} of {version.use_case} is of other content than the handle", f"Materialize {version.name} again")
        return manifest

    def add_verdict(self, version: Version, check: str, passed: bool, settings_hash: str, numbers: dict[str, Any] | None = None) -> Verdict:
        """Stores what a check found about a version. A later verdict of the same check replaces it."""
        verdict = Verdict(check=check, passed=passed, settings_hash=settings_hash, content_hash=version.content_hash, numbers=numbers or {}, checked_at=now())
        self._write_json(f"{self._verdict_folder(version)}/{check}.json", verdict.model_dump(mode="json"))
        return verdict

    def verdicts(self, version: Version) -> dict[str, Verdict]:
        """Verdicts of a version by check."""
        folder = self._verdict_folder(version)
        self.fs.invalidate_cache()
        paths = self.fs.ls(folder, detail=False) if self.fs.exists(folder) else []
        found = [Verdict.model_validate_json(self.fs.cat_file(p)) for p in paths if p.endswith(".json")]
        return {v.check: v for v in found}

    def _verdict_folder(self, version: Version) -> str:
        zone = version.zone if isinstance(version, TableVersion) else "shared"
        return self._fs_path(zone, version.use_case, "verdicts", version.name, version.id.replace("@", "-"))

    def _write_json(self, path: str, value: dict[str, Any]) -> None:
        files.write_bytes(self.fs, path, json.dumps(value, indent=1, ensure_ascii=False, default=str).encode())

    # ---- checkpoints and reports

    def _artifact_path(self, version: ArtifactVersion) -> str:
        return self._fs_path("shared", version.use_case, version.name, version.artifact_id)

    @contextmanager
    def scratch(self, use_case: str, name: str) -> Iterator[Path]:
        """A private temporary folder to build an artifact in; on the lake's own disk where that is local."""
        base = Path(self._fs_path("shared", use_case, ".scratch")) if self.is_local else None
        if base:
            base.mkdir(parents=True, exist_ok=True)
        with self._room_for(f"{name} of {use_case}"), tempfile.TemporaryDirectory(prefix=f"{name}-", dir=base, ignore_cleanup_errors=True) as folder:
            yield Path(folder) / "artifact"

    def publish(
        self,
        use_case: str,
        name: str,
        artifact_id: str,
        folder: Path,
        *,
        parents: Iterable[Version],
        settings_hash: str,
        input_hash: str,
        counts: dict[str, Any] | None = None,
        info: dict[str, Any] | None = None,
        seconds: float = 0.0,
    ) -> ArtifactVersion:
        """Makes a finished local folder readable as a checkpoint or report, all of it at once.

        The folder is moved. If an intact artifact with this id is there already, that one stays and is returned.
        """
        with self._room_for(f"{artifact_id} of {use_case}"):
            hashes = files.folder_hashes(folder)
            content_hash = artifact_hash(hashes)
            manifest = Manifest(
                use_case=use_case,
                name=name,
                id=artifact_id,
                content_hash=content_hash,
                input_hash=input_hash,
                settings_hash=settings_hash,
                code=__version__,
                parents=[parent_of(p) for p in parents],
                counts=counts or {},
                files=hashes,
                info=info or {},
                seconds=round(seconds, 3),
                written_at=now(),
            )
            (folder / "manifest.json").write_text(manifest.model_dump_json(indent=1))
            target = self._fs_path("shared", use_case, name, artifact_id)
            if self.fs.exists(f"{target}/manifest.json") and not self.intact_artifact(use_case, name, artifact_id):
                self.fs.mv(target, f"{target}.corrupt-{os.urandom(4).hex()}", recursive=True)
            files.publish_folder(self.fs, folder, target)
        published = self.artifact(use_case, name, artifact_id)
        if published is None:
            raise CorruptVersion(f"{artifact_id} of {use_case} cannot be read back after it was published", "Run the step again")
        return published

    def artifact(self, use_case: str, name: str, artifact_id: str, *, verify: bool = True) -> ArtifactVersion | None:
        """A published folder, or None if there is none with this id. Bytes are compared with the manifest.

        Raises:
            CorruptVersion: a file is missing or has another hash.
        """
        path = self._fs_path("shared", use_case, name, artifact_id)
        self.fs.invalidate_cache()
        if not self.fs.exists(f"{path}/manifest.json"):
            return None
        manifest = self._read_manifest(f"{path}/manifest.json")
        version = ArtifactVersion(use_case, name, artifact_id, manifest.content_hash, self.uri("shared", use_case, name, artifact_id))
        if verify:
            self.verify_artifact(version, manifest)
        return version

    def intact_artifact(self, use_case: str, name: str, artifact_id: str) -> ArtifactVersion | None:
        """A published folder whose bytes match its manifest, or None if there is none or it is damaged (`publish` replaces it)."""
        try:
            return self.artifact(use_case, name, artifact_id)
        except CorruptVersion:
            return None

    def artifacts(self, use_case: str, name: str) -> list[ArtifactVersion]:
        """Every published folder of an asset, newest first."""
        folder = self._fs_path("shared", use_case, name)
        self.fs.invalidate_cache()
        if not self.fs.exists(folder):
            return []
        ids = [p.rstrip("/").rsplit("/", 1)[-1] for p in self.fs.ls(folder, detail=False)]
        found = [a for i in ids if not i.startswith(".") and ".corrupt-" not in i and (a := self.artifact(use_case, name, i, verify=False))]
        return sorted(found, key=lambda a: self.manifest(a).written_at, reverse=True)

    def verify_artifact(self, version: ArtifactVersion, manifest: Manifest | None = None) -> None:
        """Compares every file with the manifest.

        Raises:
            CorruptVersion: a file is missing or has another hash.
        """
        import hashlib

        manifest = manifest or self.manifest(version)
        path = self._artifact_path(version)
        for name, expected in manifest.files.items():
            if not self.fs.exists(f"{path}/{name}"):
                raise CorruptVersion(f"{version.id} of {version.use_case} lacks its file {name}", f"Materialize {version.name} again")
            with self.fs.open(f"{path}/{name}", "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected:  # type: ignore[arg-type]
                    raise CorruptVersion(
                        f"file {name} of {version.id} of {version.use_case} is not what its manifest says", f"Materialize {version.name} again"
                    )
        if artifact_hash(manifest.files) != version.content_hash:
            raise CorruptVersion(f"the manifest of {version.id} of {version.use_case} contradicts itself", f"Materialize {version.name} again")

    @contextmanager
    def local_copy(self, version: ArtifactVersion) -> Iterator[Path]:
        """The artifact as a local folder: its own place on a local lake, a verified download otherwise."""
        self.verify_artifact(version)
        if self.is_local:
            yield Path(self._artifact_path(version))
            return
        with tempfile.TemporaryDirectory(prefix="ft-artifact-") as folder:
            target = Path(folder) / version.artifact_id
            for name in [*self.manifest(version).files, "manifest.json"]:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                self.fs.get_file(f"{self._artifact_path(version)}/{name}", str(target / name))
            yield target

    def read_file(self, version: ArtifactVersion, name: str) -> bytes:
        return bytes(self.fs.cat_file(f"{self._artifact_path(version)}/{name}"))  # type: ignore[arg-type]


def artifact_hash(hashes: dict[str, str]) -> str:
    """Content hash of a folder from the sha256 of its files."""
    import hashlib

    return hashlib.sha256(json.dumps(sorted(hashes.items())).encode()).hexdigest()


def _hashed(batches: Iterable[pa.RecordBatch], hasher: ContentHash, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        cast = batch if batch.schema.equals(schema) else pa.RecordBatch.from_arrays([batch.column(f.name).cast(f.type) for f in schema], schema=schema)
        hasher.add(cast)
        yield cast


def _fsync_delta(folder: Path, table: DeltaTable) -> None:
    """Delta does not flush to the disk: a power cut could lose a commit that was acknowledged."""
    log = folder / "_delta_log" / f"{table.version():020d}.json"
    for line in log.read_text().splitlines():
        added = json.loads(line).get("add")
        if added:
            files.fsync_path(folder / added["path"])
    files.fsync_path(log)
    files.fsync_path(log.parent)
    files.fsync_path(folder)
