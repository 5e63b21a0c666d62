"""A lake that is looked at once, for judgements that ask about the same versions over and over."""

import hashlib
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from ft_platform.errors import CorruptVersion, VersionRefused
from ft_platform.lake.fingerprint import fingerprint
from ft_platform.lake.manifest import Manifest, Verdict
from ft_platform.lake.seals import NO_KEYS
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version

T = TypeVar("T")


class Snapshot(Lake):
    """The lake as it is found by the first question about each version. Nothing is written through it.

    A release decision walks the lineage of every piece of evidence, and most of it is the same. Here a sidecar is read
    once and a file compared with its hash once, which on an object store are requests, and for the weights of a whole
    model many gigabytes."""

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake.root, lake.storage_options, lake.signing)
        self._found: dict[str, dict[Any, Any]] = {}

    @classmethod
    def of(cls, lake: Lake) -> "Snapshot":
        """`lake` itself where it is one already."""
        return lake if isinstance(lake, cls) else cls(lake)

    def once(self, use_case: str, about: Hashable, answer: Callable[[], T]) -> T:
        """What was found out about a use case by the first question about the same."""
        found = self._known_of(use_case)
        if about not in found:
            found[about] = answer()
        return found[about]

    def _once(self, ask: Callable[..., Any], *about: Any) -> Any:
        use_case = about[0] if isinstance(about[0], str) else about[0].use_case
        return self.once(use_case, (ask.__name__, *about), lambda: ask(*about))

    def _known_of(self, use_case: str) -> dict[Any, Any]:
        return self._found.setdefault(use_case, {})

    def manifest(self, version: Version) -> Manifest:
        return self._once(super().manifest, version)

    def verdicts(self, version: Version, *, intact_only: bool = False) -> dict[str, Verdict]:
        return super().verdicts(version, intact_only=True) if intact_only else self._once(super().verdicts, version)

    def latest(self, use_case: str, name: str, zone: str | None = None) -> TableVersion | None:
        return self._once(super().latest, use_case, name, zone)

    def artifacts(self, use_case: str, name: str) -> list[ArtifactVersion]:
        return self._once(super().artifacts, use_case, name)

    def verify_artifact(
        self, version: ArtifactVersion, manifest: Manifest | None = None, *, changed_only: bool = False
    ) -> None:
        self._once(self._compare_artifact, version, changed_only)

    def _compare_artifact(self, version: ArtifactVersion, changed_only: bool) -> None:
        super().verify_artifact(version, changed_only=changed_only)

    def verify_table(self, version: TableVersion, *, changed_only: bool = False) -> None:
        self._once(self._compare_table, version, changed_only)

    def _compare_table(self, version: TableVersion, changed_only: bool) -> None:
        super().verify_table(version, changed_only=changed_only)

    def control_problems(self, use_case: str) -> list[str]:
        """What is wrong with any manifest or verdict of a use case, or with the chain of their signatures."""
        return self._once(self._control_problems, use_case)

    def adopted(self, use_case: str) -> int:
        """How many manifests and verdicts were signed after they were written, because there were no signatures yet."""
        seals = self.seals(use_case)
        return sum(entry.what == "adopted" for entry in seals.paths().values()) if seals else 0

    def _control_problems(self, use_case: str) -> list[str]:
        seals = self.seals(use_case)
        if seals is None:
            return [NO_KEYS]
        try:
            return seals.problems()
        except VersionRefused as refusal:
            return [refusal.message]

    def read_file(self, version: ArtifactVersion, name: str) -> bytes:
        """A file as it was when it was compared with its hash.

        Raises:
            CorruptVersion: it was changed since.
        """
        content = super().read_file(version, name)
        if hashlib.sha256(content).hexdigest() != self.file_hashes(version).get(name):
            raise CorruptVersion(
                f"file {name} of {version.id} of {version.use_case} does not match its manifest",
                f"Materialize {version.name} again",
            )
        return content

    def fingerprint(self, uri: str, setting: str) -> str:
        """What is in a file or table outside the lake (`lake.fingerprint`)."""
        return self._once(self._fingerprint, uri, setting)

    def _fingerprint(self, uri: str, setting: str) -> str:
        return fingerprint(uri, setting, self.storage_options)
