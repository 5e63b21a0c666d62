"""Writes the evidence of a checkpoint as one folder and one zip file. The same lake gives the same bytes.

Covered: the files of every report for readers (HTML, JSON, Markdown, pictures), the manifest and the verdicts of every
version, documents made from them, a hash of each file. With a key of the user the pack is signed (`signing`). Not
covered without one: who changed all files and hashes together is found by the hash of the zip file only, which is to be
kept apart from it.
"""

import functools
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform.errors import ConfigError
from ft_platform.lake.deployments import FILE as DEPLOYMENT_FILE
from ft_platform.lake.files import folder_hashes, sha256_file
from ft_platform.lake.manifest import Manifest, Verdict
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.process.code_hash import code
from ft_platform.reporting.documents import make_documents
from ft_platform.reporting.documents.facts import Facts, described_table
from ft_platform.reporting.evidence.gather import Evidence, Found, gather
from ft_platform.reporting.evidence.layout import (
    DOCUMENTS,
    ENVELOPE,
    FOR_READERS,
    FORMAT,
    INDEX,
    MANIFEST,
    SIGNATURE,
    STATEMENT,
    SUMS,
    VERSIONS,
    sums,
    write_zip,
)
from ft_platform.reporting.evidence.signing import Signer
from ft_platform.reporting.evidence.waivers import decision_of, signatures_of, waivers_of
from ft_platform.reporting.html import page
from ft_platform.reporting.lineage import manifests_behind
from ft_platform.stages import DEPLOYMENT
from ft_platform.use_case.named import NamedUseCase

RESTRICTED_COUNTS = ("basis", "consent_from", "on_day", "permitted_until")
"""Texts among the counts of a stage with personal data that are words of the platform or days."""

TOLD = ("release", "target", "endpoint", "deployed_at")
"""Of a deployment, in the manifest of a pack; the rest is in its record."""


@dataclass(frozen=True)
class Pack:
    """What was written: the folder, the zip file beside it and its sha256, the hash of every file, and what is not in
    it."""

    folder: Path
    zip_file: Path
    sha256: str
    files: dict[str, str]
    missing: list[dict[str, str]]


def write_pack(
    lake: Lake, use_case: NamedUseCase | None, evidence: Evidence, out: Path, signer: Signer | None = None
) -> Pack:
    """Writes `out` and `out.zip`; a pack that is there is replaced at the end, anything else is left alone.

    Args:
        use_case: the file as it is now, or None where it is gone. What it says is quoted only for versions that were
            made with the same settings.
        signer: signs the pack; None: it stays unsigned.

    Raises:
        ConfigError: `out` is there and is no pack.
        CorruptVersion: bytes in the lake are not what a manifest says.
    """
    archive = out.with_name(f"{out.name}.zip")
    _require_free(out, archive)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
        folder = Path(temporary) / "pack"
        folder.mkdir()
        missing = _write_contents(lake, use_case, evidence, folder, signer)
        files = folder_hashes(folder)
        listed = {**files, MANIFEST: sha256_file(folder / MANIFEST)}
        (folder / SUMS).write_text(sums(listed), encoding="utf-8")
        if signer:
            (folder / SIGNATURE).write_bytes(signer.sign((folder / SUMS).read_bytes()))
        beside = [SUMS, *([SIGNATURE] if signer else [])]
        digest = write_zip(folder, [*listed, *beside], evidence.checkpoint.artifact_id, Path(temporary) / "pack.zip")
        _put_in_place(folder, out)
        os.replace(Path(temporary) / "pack.zip", archive)
    return Pack(out, archive, digest, {**listed, **{name: sha256_file(out / name) for name in beside}}, missing)


def _require_free(out: Path, archive: Path) -> None:
    if not out.exists() and not archive.exists():
        return
    try:
        is_pack = json.loads((out / MANIFEST).read_text(encoding="utf-8"))["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        is_pack = False
    if not is_pack and (archive.exists() or not out.is_dir() or any(out.iterdir())):
        problem = f"{out} or {archive.name} beside it is there already and is no evidence pack"
        raise ConfigError([problem], "Name another folder with --out")


def _put_in_place(folder: Path, out: Path) -> None:
    old = folder.with_name("old")
    if out.exists():
        os.rename(out, old)
    os.rename(folder, out)
    shutil.rmtree(old, ignore_errors=True)


def _write_contents(
    lake: Lake, use_case: NamedUseCase | None, evidence: Evidence, folder: Path, signer: Signer | None
) -> list[dict[str, str]]:
    """Everything but the sums and their signature. Returns what is missing."""
    listed = [_write_version(lake, found, folder) for found in evidence.versions]
    facts = facts_of(lake, use_case, evidence)
    documents, not_made = make_documents(facts)
    statement, envelope = (name.removeprefix(f"{DOCUMENTS}/") for name in (STATEMENT, ENVELOPE))
    if signer and statement in documents:
        documents[envelope] = signer.envelope(documents[statement])
    for name, content in documents.items():
        (folder / DOCUMENTS / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / DOCUMENTS / name).write_text(content, encoding="utf-8")
    missing, deployed = [*evidence.missing, *not_made], _deployments(lake, evidence)
    head = {
        "format": FORMAT,
        "use_case": evidence.checkpoint.use_case,
        "checkpoint": evidence.checkpoint.artifact_id,
        "content_hash": evidence.checkpoint.content_hash,
        "written_by": code(),
        "decision": dict(facts.decision) if facts.decision else None,
        "signatures": [dict(one) for one in facts.signatures],
        "waivers": [dict(one) for one in facts.waivers],
        "deployments": [{"id": one["id"], **{key: one[key] for key in TOLD}} for one in deployed],
        "missing": missing,
        "not_made": evidence.not_made,
        "versions": listed,
        "documents": sorted(documents),
    }
    (folder / INDEX).write_text(_index(evidence, head, facts, deployed), encoding="utf-8")
    _write_json(folder / MANIFEST, {**head, "files": folder_hashes(folder)})
    return missing


def facts_of(lake: Lake, use_case: NamedUseCase | None, evidence: Evidence) -> Facts:
    """What documents may state about a checkpoint."""
    found = {
        name: one for name in dict.fromkeys(one.version.name for one in evidence.versions) if (one := evidence.of(name))
    }
    # Of this content, whatever another report has brought.
    for name, manifest in manifests_behind(lake, [evidence.checkpoint]).items():
        found[name] = next(
            one
            for one in evidence.versions
            if (one.version.name, one.version.content_hash) == (name, manifest.content_hash)
        )

    def read(stage: str, name: str) -> Any:
        one = found.get(stage)
        if one is None or name not in one.manifest.files:
            return None
        assert isinstance(one.version, ArtifactVersion)
        content = lake.read_file(one.version, name)
        return json.loads(content) if name.endswith(".json") else content.decode()

    splits = found["splits"].version if "splits" in found else None
    decision = decision_of(lake, evidence)
    return Facts(
        name=evidence.checkpoint.use_case,
        use_case=use_case,
        manifests={name: one.manifest for name, one in found.items()},
        verdicts={name: _verdicts(evidence, one) for name, one in found.items()},
        read=read,
        table=functools.cache(lambda: described_table(lake, splits)) if isinstance(splits, TableVersion) else None,
        links={name: folder_of(one) for name, one in found.items()},
        decision={name: decision[name] for name in ("id", "decision", "valid_until")} if decision else None,
        waivers=waivers_of(lake, evidence, decision),
        signatures=signatures_of(lake, evidence, decision),
    )


def _deployments(lake: Lake, evidence: Evidence) -> list[dict[str, Any]]:
    """Each deployment of the checkpoint: its record, with its id and its folder in the pack, newest first."""
    return [
        {**json.loads(lake.read_file(one.version, DEPLOYMENT_FILE)), "id": one.version.id, "folder": folder_of(one)}
        for one in evidence.versions
        if one.version.name == DEPLOYMENT and isinstance(one.version, ArtifactVersion)
    ]


def _verdicts(evidence: Evidence, found: Found) -> dict[str, Verdict]:
    """Verdicts about a content: those of the newest version with it go first."""
    same = [
        one
        for one in evidence.versions
        if one.version.name == found.version.name and one.version.content_hash == found.version.content_hash
    ]
    return {check: verdict for one in reversed(same) for check, verdict in one.verdicts.items()}


def folder_of(found: Found) -> str:
    """Where a version lies in a pack."""
    return f"{VERSIONS}/{found.version.name}/{found.version.id.replace('@', '-')}"


def _write_version(lake: Lake, found: Found, folder: Path) -> dict[str, Any]:
    """Manifest, verdicts and the files for readers of a version. Of a version with personal data its counts and hashes
    only."""
    place = folder / folder_of(found)
    restricted = found.zone == "restricted"
    manifest = without_names(found.manifest) if restricted else found.manifest
    _write_json(place / MANIFEST, manifest.model_dump(mode="json"))
    for check, verdict in found.verdicts.items():
        value = (only_numbers(verdict) if restricted else verdict).model_dump(mode="json")
        _write_json(place / "verdicts" / f"{check}.json", value)
    # Of another checkpoint, or a report of it, that a report compares with, the manifest is enough.
    taken = [name for name in found.manifest.files if name.endswith(FOR_READERS)] if found.role != "ancestor" else []
    for name in taken:
        assert isinstance(found.version, ArtifactVersion)
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(lake.read_file(found.version, name))
    return {
        "name": found.version.name,
        "id": found.version.id,
        "role": found.role,
        "content_hash": found.version.content_hash,
        "folder": folder_of(found),
        "left_in_the_lake": sorted(set(found.manifest.files) - set(taken)),
    }


def without_names(manifest: Manifest) -> Manifest:
    """The manifest of a version with personal data as it may be handed over: no names of source files, which may name a
    person; their hashes instead."""
    funnel = {"funnel": manifest.counts["funnel"]} if "funnel" in manifest.counts else {}
    counts = {
        name: value
        for name, value in manifest.counts.items()
        if _is_number(value) or (name in RESTRICTED_COUNTS and isinstance(value, str))
    }
    hashes = sorted(map(str, manifest.info.get("files", {}).values()))
    info = {"source_file_hashes": hashes} if hashes else {}
    return manifest.model_copy(update={"counts": {**counts, **funnel}, "info": info, "hash_state": ""})


def only_numbers(verdict: Verdict) -> Verdict:
    """A verdict without names of columns and ids of records."""
    numbers = {name: value for name, value in verdict.numbers.items() if _is_number(value)}
    return verdict.model_copy(update={"numbers": numbers})


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float))


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True), encoding="utf-8")


def _index(evidence: Evidence, head: Mapping[str, Any], facts: Facts, deployed: Sequence[Mapping[str, Any]]) -> str:
    """The page that a reader opens first: what is here, what is missing, and where each thing lies."""
    entries = []
    for listed, found in zip(head["versions"], evidence.versions, strict=True):
        pages = (
            [name for name in sorted(found.manifest.files) if name.endswith((".html", ".md", ".json"))]
            if found.role != "ancestor"
            else []
        )
        rows = found.manifest.rows or None
        entries.append({**listed, "pages": pages, "written_at": found.manifest.written_at, "rows": rows})
    checks = [
        {
            "version": one.version.id,
            "check": check,
            "passed": verdict.passed,
            "checked_at": verdict.checked_at,
            "folder": folder_of(one),
        }
        for one in evidence.versions
        for check, verdict in one.verdicts.items()
    ]
    release = facts.section("model_card", "release.in_card")
    return page(
        "evidence_index.html",
        title=f"Evidence about {head['checkpoint']}",
        head=head,
        manifest=facts.manifests["adapter_checkpoint"],
        reports=[entry for entry in entries if entry["role"] != "ancestor"],
        ancestors=[entry for entry in entries if entry["role"] == "ancestor"],
        checks=checks,
        deployments=deployed,
        intended_use=release.intended_use if release else None,
    )


def evidence_digest(lake: Lake, use_case: NamedUseCase, checkpoint: ArtifactVersion) -> dict[str, Any]:
    """The evidence pack as it is today: its sha256 and the hash of each file (`ft evidence` writes the same bytes)."""
    with tempfile.TemporaryDirectory(prefix="ft-evidence-") as folder:
        pack = write_pack(lake, use_case, gather(lake, checkpoint), Path(folder) / checkpoint.artifact_id)
        return {"sha256": pack.sha256, "files": pack.files, "missing": pack.missing}
