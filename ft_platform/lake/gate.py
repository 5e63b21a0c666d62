"""The gate in front of training and everything after it. It reads manifests, not Dagster: whichever way a program was
started (UI, CLI, sensor, by hand), a version whose evidence is missing, stale or failed is refused."""

from datetime import UTC, date, datetime

from ft_platform.errors import SourceError, VersionRefused
from ft_platform.lake.manifest import Manifest
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.seals import NO_KEYS
from ft_platform.lake.snapshot import Snapshot
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import taint_of, taint_text
from ft_platform.lake.verdicts import missing_verdicts
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.allowed_sources import require_allowed


def require_usable(lake: Lake, use_case: NamedUseCase, version: Version) -> None:
    """Returns if `version` and all it was built from may be used.

    Raises:
        VersionRefused: naming each reason: no manifest; settings or code changed since; a newer parent exists; a check
            is missing, failed or was made on other content; rows may not be used any more, or nobody can tell because
            the consent ledger changed or is out of reach.
    """
    problems = problems_with(lake, use_case, version)
    if problems:
        raise VersionRefused(
            f"{use_case.name}: {version.id} is refused: " + "; ".join(problems), f"Run: ft run {use_case.name}"
        )


def problems_with(lake: Lake, use_case: NamedUseCase, version: Version) -> list[str]:
    """Every reason why a version may not be used, for itself and its ancestors. Empty: it may."""
    lake = Snapshot.of(lake)
    seen: set[str] = set()
    problems: list[str] = []

    if lake.signing is None:
        return [NO_KEYS]

    def visit(named: Version) -> None:
        try:
            current = newest_of_same_content(lake, named)
            if current.id in seen:
                return
            seen.add(current.id)
            manifest = lake.manifest(current)
            if erased := lake.erased(current):
                problems.append(
                    f"{current.id} was valid when it was made, but its content has been erased since ({erased})"
                )
                return
            _verify_bytes(lake, current, is_root=named is version)
            problems.extend(missing_verdicts(lake, use_case, current))
            problems.extend(_withdrawn(lake, use_case, current, manifest))
        except VersionRefused as refusal:
            problems.append(refusal.message)
            return
        stage = STAGES[current.name]
        if current.use_case != use_case.name:
            problems.append(f"{current.id} belongs to use case {current.use_case}")
        if manifest.settings_hash != stage.settings_hash(use_case):
            problems.append(f"{current.id} is stale: settings or code of {current.name} changed since it was written")
        if isinstance(current, TableVersion):
            newest = lake.latest(current.use_case, current.name)
            if lost := lake.newer_that_is_lost(current.use_case, current.name):
                problems.append(f"a newer version of {current.name} was deleted: {lost}")
            if newest and newest.content_hash != current.content_hash:
                problems.append(f"{current.id} is stale: {newest.id} has replaced it")
        expected = set(stage.parents)
        # A checkpoint may have been continued from an earlier one.
        before = [p for p in manifest.parents if p.name == current.name and stage.kind == "checkpoint"]
        kinds = {p.name for p in manifest.parents if p not in before}
        if kinds != expected:
            problems.append(f"{current.id} has parents {sorted(kinds)}, expected {sorted(expected)}")
        for parent in manifest.parents:
            behind = version_of_parent(lake, current.use_case, parent)
            if parent in before:
                problems.extend(_problems_with_earlier(lake, behind))
            else:
                visit(behind)

    visit(version)
    return problems


def _problems_with_earlier(lake: Snapshot, checkpoint: Version) -> list[str]:
    """Why a checkpoint may not be used because of one that it was continued from. That one may have other settings, and
    older splits, whose records were compared with the present ones before training."""
    try:
        manifest = lake.manifest(checkpoint)
        if erased := lake.erased(checkpoint):
            return [f"{checkpoint.id}, from which training continued, has been erased since ({erased})"]
        _verify_bytes(lake, checkpoint, is_root=False)
        taint = taint_of(lake, checkpoint)
    except VersionRefused as refusal:
        return [refusal.message]
    before = [version_of_parent(lake, checkpoint.use_case, p) for p in manifest.parents if p.name == checkpoint.name]
    found = [taint_text(checkpoint.id, taint)] if taint else []
    return found + [problem for version in before for problem in _problems_with_earlier(lake, version)]


def newest_of_same_content(lake: Lake, version: Version) -> Version:
    """A stage that ran again and came to the same rows has written a newer version, and later stages keep naming the
    older one as their parent because nothing changed for them. The evidence is with the newer one."""
    if isinstance(version, TableVersion):
        newest = lake.latest(version.use_case, version.name)
        if newest and newest.content_hash == version.content_hash:
            return newest
    return version


def _verify_bytes(lake: Lake, version: Version, *, is_root: bool) -> None:
    """Compares what is stored with its hash: every checkpoint and report, the table that is about to be read, and of
    others what was written since."""
    if isinstance(version, ArtifactVersion):
        lake.verify_artifact(version)
    else:
        lake.verify_table(version, changed_only=not is_root)


def _withdrawn(lake: Snapshot, use_case: NamedUseCase, version: Version, manifest: Manifest) -> list[str]:
    """What has ended the permission since the version was written. A sweep marks it; until then the day and the ledger
    tell."""
    taint = taint_of(lake, version)
    problems = (
        [f"{taint_text(version.id, taint)}: make new versions without them, from permitted_records on"] if taint else []
    )
    if version.name != "permitted_records":
        return problems
    until = manifest.counts.get("permitted_until")
    if until and _today() > date.fromisoformat(until):
        problems.append(
            f"{version.id} contains rows that may be used only until {until}: materialize permitted_records again"
        )
    ledger = use_case.settings.governance.consent_ledger
    # Under other settings it is stale anyway, and the ledger they name was allowed by nobody yet.
    if ledger and manifest.settings_hash == STAGES[version.name].settings_hash(use_case):
        try:
            require_allowed(ledger, "governance.consent_ledger")
            content = lake.fingerprint(ledger, "governance.consent_ledger")
        except SourceError as error:
            problems.append(f"it is unknown whether the permission of {version.id} still holds: {error.message}")
        else:
            if content != manifest.info.get("ledger"):
                problems.append(
                    f"the consent ledger has changed since {version.id} was written: materialize permitted_records"
                    " again"
                )
    return problems


def _today() -> date:
    return datetime.now(UTC).date()
