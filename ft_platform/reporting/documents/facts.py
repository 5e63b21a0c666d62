"""What a document may state: figures of manifests and verdicts, and settings that a version was made with. Nothing else
is known."""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ft_platform.errors import DataError
from ft_platform.lake.manifest import Manifest, Parent, Verdict
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion, Version
from ft_platform.reporting.lineage import manifests_behind
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.roles import ROLES

NOT_SHOWN = {"not_proven": "not proven", "not_measured_on_this_source": "not measured on this source"}
"""Statuses of a verdict that stops nothing and shows nothing either (`privacy.recall_floor`), in words."""


def outcome(verdict: Verdict | None) -> str:
    """What a check came to, in words: a verdict that rests on nothing has not passed."""
    if verdict is None:
        return "not checked"
    if not verdict.passed:
        return "failed"
    if verdict.check == "is_k_anonymous" and verdict.numbers.get("k") is None:
        return "no columns" if verdict.numbers.get("no_columns") else "not measured"
    return NOT_SHOWN.get(str(verdict.numbers.get("status")), "passed")


class NotKnown(DataError):
    """A document cannot be made, because the version that it is about is not there."""


@dataclass(frozen=True)
class Statement:
    """One sentence or more, and the stages whose versions say so; `by` nobody where a person has still to write it."""

    text: str
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """The versions behind a checkpoint or a table, and how to name them.

    Attributes:
        name: of the use case.
        use_case: its file as it is now, or None where it is gone.
        manifests: stage -> manifest; of several versions the newest.
        verdicts: stage -> check -> verdict on its content.
        read: `(stage, file)` -> the file of a checkpoint or report, what it holds where it is JSON, else its text; None
            where there is none.
        table: gives columns and files of `splits` (`described_table`); None where there is no version of it. It reads
            every byte, so only who asks waits.
        decision: `{"id", "decision", "valid_until"}` of the newest release decision about the checkpoint; None: nothing
            was decided.
        waivers: exceptions that people granted it (`reporting.evidence.waivers.waivers_of`).
        signatures: of the newest decision (`reporting.evidence.waivers.signatures_of`).
        links: stage -> folder of the version from the root of a pack, for documents in one.
    """

    name: str
    use_case: NamedUseCase | None
    manifests: Mapping[str, Manifest]
    verdicts: Mapping[str, Mapping[str, Verdict]]
    read: Callable[[str, str], Any]
    table: Callable[[], Mapping[str, Any]] | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    decision: Mapping[str, Any] | None = None
    waivers: Sequence[Mapping[str, Any]] = ()
    signatures: Sequence[Mapping[str, Any]] = ()

    def section(self, stage: str, name: str) -> Any:
        """A section of the settings that a version of `stage` was made with, or None where the file says something else
        by now.

        Args:
            stage: whose result depends on the section.
        """
        manifest = self.manifests.get(stage)
        if manifest is None or self.use_case is None or name not in STAGES[stage].reads:
            return None
        same = manifest.settings_hash == STAGES[stage].settings_hash(self.use_case)
        return self.use_case.section(name) if same else None

    def manifest(self, stage: str) -> Manifest:
        """The manifest of a stage.

        Raises:
            NotKnown: there is no version of it.
        """
        if stage not in self.manifests:
            raise NotKnown(f"there is no version of {stage} behind it", f"Run: ft run {self.name}")
        return self.manifests[stage]

    def verdict(self, stage: str, check: str) -> Verdict | None:
        return self.verdicts.get(stage, {}).get(check)

    def counts(self, stage: str) -> Mapping[str, Any]:
        """Counts of a stage; nothing where there is no version of it."""
        return self.manifests[stage].counts if stage in self.manifests else {}

    def id_of(self, stage: str) -> str:
        """`splits@0 (8db582d22950)`: version and the first digits of its content hash."""
        manifest = self.manifest(stage)
        return f"{manifest.id} ({manifest.content_hash[:12]})"

    def owner(self, role: str) -> str:
        """Who has a role, as the use case's file says now."""
        who = self.use_case.settings.owners.of(role) if self.use_case else f"the owner of {self.name}"
        return f"{who} ({ROLES[role].title})"

    def open(self, role: str, what: str = "") -> Statement:
        """What the platform cannot know, and who has to say it."""
        return Statement(f"To be completed by {self.owner(role)}{f': {what}' if what else ''}.")


def facts_behind(lake: Lake, use_case: NamedUseCase, version: TableVersion) -> Facts:
    """What documents may state about a table: manifests and verdicts of it and of all it was made from.

    Of versions with equal rows the newest counts: it was made with the settings of now, and later verdicts are about
    it."""
    manifests: dict[str, Manifest] = {}
    verdicts: dict[str, dict[str, Verdict]] = {}
    for name, named in manifests_behind(lake, [version]).items():
        newest = lake.latest(use_case.name, name)
        if newest and newest.content_hash == named.content_hash:
            handle: Version = newest
        else:
            parent = Parent(name=name, id=named.id, version=named.version, content_hash=named.content_hash)
            handle = version_of_parent(lake, use_case.name, parent)
        manifests[name], verdicts[name] = lake.manifest(handle), lake.verdicts(handle)
    table = functools.cache(lambda: described_table(lake, version))
    return Facts(use_case.name, use_case, manifests, verdicts, lambda *_: None, table)


def described_table(lake: Lake, version: TableVersion) -> dict[str, Any]:
    """`{"columns": {name: arrow type}, "files": [{"name", "sha256", "bytes"}]}` of the Parquet files that hold a
    version."""
    files = []
    for path in lake.file_paths(version):
        with lake.fs.open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        files.append({"name": path.rsplit("/", 1)[-1], "sha256": digest, "bytes": int(lake.fs.size(path) or 0)})
    return {"columns": {column.name: str(column.type) for column in lake.rows(version).schema}, "files": files}
