"""The lake as a server shows it, one request after the other."""

import time
from typing import Any

from ft_platform.lake.manifest import Manifest
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion

SECONDS = 300.0
"""What is kept is read again after so long at the latest."""


class RecentLake(Snapshot):
    """What was found in a use case is kept until something is signed there: manifests and verdicts never change, and
    one that is in no chain does not count. Without keys nothing is kept. Nothing is written through it.

    Covered: whatever a program writes, on any machine with the same folder of seals. Not covered: a file that was
    altered by hand is noticed after `SECONDS` at the latest, and one that was not written since it was compared is not
    read again (`lake.verified`); who asks, serves or decides reads every byte.
    """

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake)
        self._kept: dict[str, dict[Any, Any]] = {}
        self._states: dict[str, tuple[object, float]] = {}

    def refresh(self, use_case: str) -> None:
        """Forgets what was found in a use case if anything was signed there since. Call it before each page."""
        seals, now = self.seals(use_case), time.monotonic()
        head = seals.journal.head.read() if seals else None
        known, since = self._states.get(use_case, (None, now))
        if head is None or head != known or now - since > SECONDS:
            self._states[use_case] = (head, now)
            self._kept[use_case] = {}

    def verify_artifact(
        self, version: ArtifactVersion, manifest: Manifest | None = None, *, changed_only: bool = True
    ) -> None:
        super().verify_artifact(version, manifest, changed_only=True)

    def verify_table(self, version: TableVersion, *, changed_only: bool = True) -> None:
        super().verify_table(version, changed_only=True)

    def fingerprint(self, uri: str, setting: str) -> str:
        """Of no use case, so that nothing would ever be forgotten: read each time."""
        return self._fingerprint(uri, setting)

    def _known_of(self, use_case: str) -> dict[Any, Any]:
        return self._kept.setdefault(use_case, {})
