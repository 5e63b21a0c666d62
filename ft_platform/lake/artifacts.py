"""Checkpoints and reports: folders that become readable all at once and are compared with their manifest on every
use."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ft_platform.errors import CorruptVersion
from ft_platform.lake import files, modes
from ft_platform.lake.journal import ChainBroken
from ft_platform.lake.manifest import Manifest, now, parent_of
from ft_platform.lake.manifests import Manifests
from ft_platform.lake.seals import NotSigned
from ft_platform.lake.verified import state_of
from ft_platform.lake.versions import ArtifactVersion, Version
from ft_platform.process.code_hash import code

IN_USE = "in_use.lock"
SWEEP_AFTER_SECONDS = 3600


class Artifacts(Manifests):
    """Published folders."""

    @contextmanager
    def scratch(self, use_case: str, name: str, zone: str = "shared") -> Iterator[Path]:
        """Where an artifact or the intermediate files of a stage may be built; on the lake's own disk where that is
        local.

        The path does not exist yet; its parent is private and removed afterwards.

        What a killed run left in such folders is removed on the way.
        """
        base = self._scratch_base(use_case, zone)
        if base:
            self.close_zone(zone)
            base.mkdir(parents=True, exist_ok=True)
            self.settle(str(base))
            _sweep(base)
        with (
            self.room_for(f"{name} of {use_case}"),
            tempfile.TemporaryDirectory(prefix=f"{name}-", dir=base, ignore_cleanup_errors=True) as folder,
            open(
                (modes.keep_private(Path(folder)) if zone in modes.PRIVATE_ZONES else Path(folder)) / IN_USE, "w"
            ) as lock,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(folder) / "artifact"

    def sweep_scratch(self, use_case: str, zone: str = "shared") -> None:
        """Removes what killed runs left in such folders."""
        base = self._scratch_base(use_case, zone)
        if base and base.is_dir():
            _sweep(base)

    def _scratch_base(self, use_case: str, zone: str) -> Path | None:
        return Path(self.path_of(zone, use_case, ".scratch")) if self.is_local else None

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
        with self.room_for(f"{artifact_id} of {use_case}"):
            hashes = files.folder_hashes(folder)
            content_hash = artifact_hash(hashes)
            manifest = Manifest(
                use_case=use_case,
                name=name,
                id=artifact_id,
                content_hash=content_hash,
                input_hash=input_hash,
                settings_hash=settings_hash,
                code=code(),
                parents=[parent_of(p) for p in parents],
                counts=counts or {},
                files=hashes,
                info=info or {},
                seconds=round(seconds, 3),
                written_at=now(
                    "milliseconds"
                ),  # several reports may be published within a second, and the newest is asked for
            )
            (folder / "manifest.json").write_text(manifest.model_dump_json(indent=1))
            target = self.path_of("shared", use_case, name, artifact_id)
            seals = self.seals(use_case)
            with seals.writing() if seals else nullcontext():
                if seals:
                    seals.open()
                if self.fs.exists(f"{target}/manifest.json") and not self.intact_artifact(use_case, name, artifact_id):
                    if seals:
                        seals.remove(f"{target}/manifest.json", "damaged, moved aside")
                    files.move_folder(self.fs, target, f"{target}.corrupt-{os.urandom(4).hex()}")
                files.publish_folder(self.fs, folder, target)
                if seals:
                    seals.add(f"{target}/manifest.json")
        published = self.artifact(use_case, name, artifact_id)
        if published is None:
            raise CorruptVersion(
                f"{artifact_id} of {use_case} cannot be read back after it was published", "Run the step again"
            )
        return published

    def artifact(self, use_case: str, name: str, artifact_id: str, *, verify: bool = True) -> ArtifactVersion | None:
        """A published folder, or None if there is none with this id, or one that nobody signed. Bytes are compared with
        the manifest.

        Raises:
            CorruptVersion: its manifest was altered, or a file is missing, has another hash, or stands in no manifest.
        """
        path = self.path_of("shared", use_case, name, artifact_id)
        self.fs.invalidate_cache()
        if not self.fs.exists(f"{path}/manifest.json"):
            return None
        try:
            manifest = self._read_manifest(use_case, f"{path}/manifest.json")
        except NotSigned:
            return None
        version = ArtifactVersion(
            use_case, name, artifact_id, manifest.content_hash, self.uri("shared", use_case, name, artifact_id)
        )
        if verify:
            self.verify_artifact(version, manifest)
        return version

    def intact_artifact(self, use_case: str, name: str, artifact_id: str) -> ArtifactVersion | None:
        """A published folder whose bytes match its manifest, or None if there is none or it is damaged (`publish`
        replaces it)."""
        try:
            return self.artifact(use_case, name, artifact_id)
        except CorruptVersion:
            return None

    def artifact_paths(self, use_case: str, name: str) -> list[str]:
        """Paths of the manifests of an asset: others are there once something was published or removed. Reads none."""
        self.fs.invalidate_cache()
        return sorted(str(path) for path in self.fs.glob(f"{self.path_of('shared', use_case, name)}/*/manifest.json"))

    def artifacts(self, use_case: str, name: str) -> list[ArtifactVersion]:
        """Every published folder of an asset, newest first. One whose manifest was altered does not count, and a
        decision names it."""
        folder = self.path_of("shared", use_case, name)
        self.fs.invalidate_cache()
        if not self.fs.exists(folder):
            return []
        ids = [p.rstrip("/").rsplit("/", 1)[-1] for p in self.fs.ls(folder, detail=False)]
        found = [
            a for i in ids if not i.startswith(".") and ".corrupt-" not in i and (a := self._counted(use_case, name, i))
        ]
        return sorted(found, key=self._written, reverse=True)

    def _written(self, version: ArtifactVersion) -> tuple[int, str]:
        """What orders artifacts by when they were written: the chain, for a clock may have been wrong; where they were
        signed later, the moment that their manifests name."""
        seals = self.seals(version.use_case)
        place = seals.place(f"{self._artifact_path(version)}/manifest.json") if seals else -1
        return place, self.manifest(version).written_at

    def _counted(self, use_case: str, name: str, artifact_id: str) -> ArtifactVersion | None:
        try:
            return self.artifact(use_case, name, artifact_id, verify=False)
        except ChainBroken:
            raise
        except CorruptVersion:
            return None

    def verify_artifact(
        self, version: ArtifactVersion, manifest: Manifest | None = None, *, changed_only: bool = False
    ) -> None:
        """Compares every file with the manifest.

        Args:
            changed_only: do not read files that were compared before and not written since.

        Raises:
            CorruptVersion: a file is missing, has another hash, or is a link: what it leads to is not of the lake.
        """
        manifest = manifest or self.manifest(version)
        path, hashes = self._artifact_path(version), self.erased_rows(version).files(manifest.files)
        if link := self._link(path):
            raise CorruptVersion(
                f"{version.id} of {version.use_case}: {link} is a link, and others may change what it leads to",
                f"Remove it, or materialize {version.name} again",
            )
        for name in hashes:
            if not self.fs.exists(f"{path}/{name}"):
                raise CorruptVersion(
                    f"{version.id} of {version.use_case} has lost its file {name}", f"Materialize {version.name} again"
                )
        if changed_only:
            verified, what = self.verified(version.use_case), f"shared/{version.name}/{version.id}"
            state = state_of(self.fs, [f"{path}/{name}" for name in hashes], artifact_hash(hashes))
            if not verified.holds(what, state):
                self._compare_files(version, path, hashes)
                verified.add(what, state)
        else:
            self._compare_files(version, path, hashes)
        if artifact_hash(manifest.files) != version.content_hash:
            raise CorruptVersion(
                f"the manifest of {version.id} of {version.use_case} contradicts itself",
                f"Materialize {version.name} again",
            )
        if more := self._not_named(path, hashes):
            raise CorruptVersion(
                f"{version.id} of {version.use_case} contains {more[0]}, which its manifest does not name",
                f"Remove it, or materialize {version.name} again",
            )

    def _compare_files(self, version: ArtifactVersion, path: str, hashes: Mapping[str, str]) -> None:
        for name, expected in hashes.items():
            with self.fs.open(f"{path}/{name}", "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected:  # type: ignore[arg-type]
                    raise CorruptVersion(
                        f"file {name} of {version.id} of {version.use_case} does not match its manifest",
                        f"Materialize {version.name} again",
                    )

    def _link(self, path: str) -> str | None:
        """A link in place of the folder or of something in it."""
        if not self.is_local:
            return None
        return next((at.name for at in [Path(path), *Path(path).rglob("*")] if at.is_symlink()), None)

    def _not_named(self, path: str, hashes: Iterable[str]) -> list[str]:
        """Files that lie in the folder and stand in no manifest."""
        there = {str(found).removeprefix(f"{path}/") for found in self.fs.find(path)}
        return sorted(there - {*hashes, "manifest.json"})

    @contextmanager
    def local_copy(self, version: ArtifactVersion) -> Iterator[Path]:
        """The artifact as a local folder: its own place on a local lake, a verified download otherwise."""
        self.verify_artifact(version)
        if self.is_local:
            yield Path(self._artifact_path(version))
            return
        with tempfile.TemporaryDirectory(prefix="ft-artifact-") as folder:
            target = Path(folder) / version.artifact_id
            for name in [*self.file_hashes(version), "manifest.json"]:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                self.fs.get_file(f"{self._artifact_path(version)}/{name}", str(target / name))
            yield target

    def read_file(self, version: ArtifactVersion, name: str) -> bytes:
        return bytes(self.fs.cat_file(f"{self._artifact_path(version)}/{name}"))  # type: ignore[arg-type]

    def open_file(self, version: ArtifactVersion, name: str) -> pa.BufferReader:
        """A file of an artifact for arrow's readers, held in arrow's own memory.

        Over `BytesIO` the read-ahead threads of arrow hand memory back to Python after the reader has answered; one
        that does so while the interpreter shuts down ends the process with SIGABRT.
        """
        content = self.read_file(version, name)
        memory = pa.allocate_buffer(len(content))
        np.frombuffer(memory, np.uint8)[:] = np.frombuffer(content, np.uint8)
        return pa.BufferReader(memory)


def artifact_hash(hashes: dict[str, str]) -> str:
    """Content hash of a folder from the sha256 of its files."""
    return hashlib.sha256(json.dumps(sorted(hashes.items())).encode()).hexdigest()


def _sweep(base: Path) -> None:
    """Removes folders that no living process holds. Young ones stay: their owner may be about to lock them."""
    for folder in base.iterdir():
        try:
            if time.time() - folder.stat().st_mtime < SWEEP_AFTER_SECONDS:
                continue
            with open(folder / IN_USE, "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # in use, or swept by another process at this moment
            continue
