"""Reads and writes the sidecars of versions: manifests and the verdicts of checks."""

from collections.abc import Iterator
from typing import Any

from ft_platform.errors import CorruptVersion, VersionRefused
from ft_platform.lake.manifest import Manifest, Verdict, now
from ft_platform.lake.places import Places
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.stages import STAGES


class Manifests(Places):
    """Sidecars of tables and artifacts."""

    def _manifest_path(self, version: TableVersion) -> str:
        return self.path_of(version.zone, version.use_case, "manifests", version.name, f"{version.version:08d}.json")

    def _read_manifest(self, path: str) -> Manifest:
        try:
            return Manifest.model_validate_json(self.fs.cat_file(path))
        except ValueError:
            raise CorruptVersion(f"the manifest {path} cannot be read", "Materialize that stage again") from None

    def _artifact_path(self, version: ArtifactVersion) -> str:
        return self.path_of("shared", version.use_case, version.name, version.artifact_id)

    def manifests(self, use_case: str, name: str, zone: str | None = None) -> Iterator[Manifest]:
        """Manifests of a table, newest version first."""
        folder = self.path_of(zone or STAGES[name].zone, use_case, "manifests", name)
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
        with self.room_for(f"the verdict of {check} about {version.id} of {version.use_case}"):
            self._write_json(f"{self._verdict_folder(version)}/{check}.json", verdict.model_dump(mode="json"))
        return verdict

    def verdicts(self, version: Version) -> dict[str, Verdict]:
        """Verdicts of a version by check."""
        folder = self._verdict_folder(version)
        self.fs.invalidate_cache()
        paths = self.fs.ls(folder, detail=False) if self.fs.exists(folder) else []
        found = [self._read_verdict(p) for p in paths if p.endswith(".json")]
        return {v.check: v for v in found}

    def _read_verdict(self, path: str) -> Verdict:
        try:
            return Verdict.model_validate_json(self.fs.cat_file(path))
        except ValueError:
            raise CorruptVersion(f"the verdict {path} cannot be read", "Delete it and materialize that stage again: the check then runs again") from None

    def _verdict_folder(self, version: Version) -> str:
        zone = version.zone if isinstance(version, TableVersion) else "shared"
        return self.path_of(zone, version.use_case, "verdicts", version.name, version.id.replace("@", "-"))
