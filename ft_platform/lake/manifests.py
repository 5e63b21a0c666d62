"""Reads and writes the sidecars of versions: manifests and the verdicts of checks."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ft_platform.errors import CorruptVersion, VersionRefused
from ft_platform.lake.erased_rows import WHOLE, ErasedRows, from_numbers
from ft_platform.lake.manifest import Manifest, Verdict, now
from ft_platform.lake.places import Places
from ft_platform.lake.seals import NotSigned
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.stages import STAGES

NEXT = "Restore it from a backup, or make it again: ft run {}"


class Manifests(Places):
    """Sidecars of tables and artifacts."""

    def _manifest_path(self, version: TableVersion) -> str:
        return self.path_of(version.zone, version.use_case, "manifests", version.name, f"{version.version:08d}.json")

    def _read_manifest(self, use_case: str, path: str) -> Manifest:
        """A manifest, as it was signed.

        Raises:
            NotSigned: it does not count.
            CorruptVersion: it was altered, or cannot be read.
        """
        try:
            return Manifest.model_validate_json(self._read_signed(use_case, path))
        except ValueError:
            raise CorruptVersion(f"the manifest {path} cannot be read", "Materialize that stage again") from None

    def _artifact_path(self, version: ArtifactVersion) -> str:
        return self.path_of("shared", version.use_case, version.name, version.artifact_id)

    def manifests(self, use_case: str, name: str, zone: str | None = None) -> Iterator[Manifest]:
        """Manifests of a table, newest version first, as they were signed."""
        folder = self.path_of(zone or STAGES[name].zone, use_case, "manifests", name)
        for file in reversed(self._present(use_case, folder)[0]):
            with suppress(NotSigned):
                yield self._read_manifest(use_case, f"{folder}/{file}")

    def manifest(self, version: Version) -> Manifest:
        """The manifest of a version, as it was signed.

        Raises:
            VersionRefused: there is none, it is not signed or was altered, or it is of other content than the handle.
        """
        path = (
            self._manifest_path(version)
            if isinstance(version, TableVersion)
            else f"{self._artifact_path(version)}/manifest.json"
        )
        try:
            manifest = self._read_manifest(version.use_case, path)
        except FileNotFoundError:
            raise VersionRefused(
                f"{version.id} of {version.use_case} has no manifest", f"Materialize {version.name} again"
            ) from None
        if manifest.content_hash != version.content_hash:
            raise VersionRefused(
                f"the manifest of {version.id} of {version.use_case} does not match the content of the handle",
                f"Materialize {version.name} again",
            )
        return manifest

    def newer_that_is_lost(self, use_case: str, name: str) -> str:
        """File of the newest manifest of a table that was signed and is missing, where none that is there is newer;
        else empty."""
        names, missing = self._present(use_case, self.path_of(STAGES[name].zone, use_case, "manifests", name))
        newest = max(missing, default="")
        return newest if newest > max(names, default="") else ""

    def erased(self, version: Version) -> str:
        """Why and when the content of a version was deleted lawfully; empty: it was not."""
        seals = self.seals(version.use_case)
        path = (
            self._manifest_path(version)
            if isinstance(version, TableVersion)
            else f"{self._artifact_path(version)}/manifest.json"
        )
        entry = seals.entry(path) if seals else None
        return f"{entry.note}, {entry.at}" if entry and entry.what == "erased" else ""

    def note_erased(self, version: Version, reason: str) -> None:
        """Signs that the content of a version was deleted lawfully. Its manifest and verdicts stay and verify; no gate
        lets anything pass that rests on it.

        Args:
            reason: why, on whose request; no personal data.
        """
        seals = self.seals(version.use_case)
        if seals is None:
            raise VersionRefused(
                "the lake was opened without the keys of its installation", "Open it with open_lake(environment)"
            )
        path = (
            self._manifest_path(version)
            if isinstance(version, TableVersion)
            else f"{self._artifact_path(version)}/manifest.json"
        )
        seals.erase(path, reason)

    def erased_rows(self, version: Version) -> ErasedRows:
        """What was erased of a version whose other rows are there.

        Raises:
            CorruptVersion: the record of it was altered, or is missing.
        """
        seals, path = self.seals(version.use_case), f"{self._verdict_folder(version)}/{WHOLE}.json"
        if seals.entry(path) is None if seals else not self.fs.exists(path):
            return ErasedRows()
        try:
            return from_numbers(Verdict.model_validate_json(self._read_signed(version.use_case, path)).numbers)
        except (FileNotFoundError, ValueError, KeyError):
            problem = f"the record of what was erased of {version.id} of {version.use_case} cannot be read"
            raise CorruptVersion(problem, NEXT.format(version.use_case)) from None

    def file_hashes(self, version: Version) -> dict[str, str]:
        """File -> sha256 that it should have now: as the manifest says, or as an erasure has left it."""
        return self.erased_rows(version).files(self.manifest(version).files)

    def add_verdict(
        self, version: Version, check: str, passed: bool, settings_hash: str, numbers: dict[str, Any] | None = None
    ) -> Verdict:
        """Stores what a check found about a version. A later verdict of the same check replaces it."""
        verdict = Verdict(
            check=check,
            passed=passed,
            settings_hash=settings_hash,
            content_hash=version.content_hash,
            numbers=numbers or {},
            checked_at=now(),
        )
        with self.room_for(f"the verdict of {check} about {version.id} of {version.use_case}"):
            self._write_signed(
                version.use_case, f"{self._verdict_folder(version)}/{check}.json", verdict.model_dump(mode="json")
            )
        return verdict

    def verdicts(self, version: Version, *, intact_only: bool = False) -> dict[str, Verdict]:
        """Verdicts of a version by check, as they were signed. One that nobody signed does not count.

        Args:
            intact_only: leave out what was altered or deleted, to make it again.

        Raises:
            CorruptVersion: one was altered, replaced by an older one, or deleted.
        """
        folder = self._verdict_folder(version)
        names, missing = self._present(version.use_case, folder)
        if missing and not intact_only:
            raise CorruptVersion(
                f"the verdict {missing[0].removesuffix('.json')} of {version.id} of {version.use_case} was deleted",
                NEXT.format(version.use_case),
            )
        found = []
        for name in names:
            try:
                found.append(Verdict.model_validate_json(self._read_signed(version.use_case, f"{folder}/{name}")))
            except NotSigned:
                continue
            except CorruptVersion:
                if not intact_only:
                    raise
            except ValueError:
                raise CorruptVersion(
                    f"the verdict {folder}/{name} cannot be read", NEXT.format(version.use_case)
                ) from None
        return {v.check: v for v in found}

    def verdict(self, version: Version, check: str) -> Verdict | None:
        """One verdict of a version, without reading the others; None: there is none.

        Raises:
            CorruptVersion: it was altered, replaced by an older one, or deleted.
        """
        seals, path = self.seals(version.use_case), f"{self._verdict_folder(version)}/{check}.json"
        if seals is not None and seals.entry(path) is None:
            return None
        try:
            return Verdict.model_validate_json(self._read_signed(version.use_case, path))
        except FileNotFoundError:
            if seals is None:
                return None
            problem = f"the verdict {check} of {version.id} of {version.use_case} was deleted"
        except ValueError:
            problem = f"the verdict {path} cannot be read"
        raise CorruptVersion(problem, NEXT.format(version.use_case))

    def verdict_is_lost(self, version: Version, check: str) -> bool:
        """Whether a verdict was signed, and was altered or deleted since."""
        seals, path = self.seals(version.use_case), f"{self._verdict_folder(version)}/{check}.json"
        if seals is None or seals.entry(path) is None:
            return False
        try:
            seals.read(path)
        except (FileNotFoundError, CorruptVersion):
            return True
        return False

    def _verdict_folder(self, version: Version) -> str:
        zone = version.zone if isinstance(version, TableVersion) else "shared"
        return self.path_of(zone, version.use_case, "verdicts", version.name, version.id.replace("@", "-"))
