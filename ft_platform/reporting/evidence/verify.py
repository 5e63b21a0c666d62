"""Checks a pack without the lake: every byte, that nothing is missing or added, and that the chain of manifests is
closed.

A pack is foreign input: no path of it leads outside the folder, and nothing in it is run. Not covered: that the pack is
the one which was written, unless its sha256 or the public key of who signed it is given.
"""

import json
import os
import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from ft_platform.errors import ConfigError
from ft_platform.lake.artifacts import artifact_hash
from ft_platform.lake.erased_rows import WHOLE, from_numbers
from ft_platform.lake.files import sha256_file
from ft_platform.lake.manifest import Manifest, Verdict
from ft_platform.reporting.evidence.layout import (
    DOCUMENTS,
    FOR_READERS,
    FORMAT,
    INDEX,
    MANIFEST,
    SIGNATURE,
    SUMS,
    sums,
    write_zip,
)
from ft_platform.reporting.evidence.signing import PublicKey, signature_problems

SHA256 = re.compile(r"[0-9a-f]{64}")
MOST_MANIFEST_BYTES = 200_000_000


def problems_of(folder: Path, sha256: str | None = None, key: PublicKey | None = None) -> list[str]:
    """Everything that is wrong with a pack. Empty: it is whole.

    Args:
        sha256: of the zip file as it was written; found again from the folder.
        key: of who must have signed the pack; None: a signature is not looked at.

    Raises:
        ConfigError: there is no such folder.
    """
    if not folder.is_dir():
        remedy = "Name the folder that `ft evidence <checkpoint>` wrote, or that its zip file holds"
        raise ConfigError([f"there is no folder {folder}"], remedy)
    head, problems = _head(folder)
    problems += signature_problems(folder, key) if key else []
    if head is None:
        return problems
    problems += _byte_problems(folder, head["files"])
    problems += _chain_problems(folder, head)
    if sha256 and not problems:
        problems += _other_pack(folder, head, sha256)
    return problems


def _head(folder: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """The manifest of the pack, or None and why it cannot be used."""
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        return None, [f"{MANIFEST} is missing"]
    if path.stat().st_size > MOST_MANIFEST_BYTES:
        return None, [f"{MANIFEST} is too large"]
    try:
        head = json.loads(path.read_bytes())
    except ValueError:
        return None, [f"{MANIFEST} cannot be read"]
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        return None, [f"{MANIFEST} is not of the format {FORMAT}"]
    files, versions = head.get("files"), head.get("versions")
    if not isinstance(files, dict) or not all(
        _is_inside(name) and isinstance(value, str) and SHA256.fullmatch(value) for name, value in files.items()
    ):
        return None, [f"{MANIFEST} names files that no pack can hold"]
    if (
        not isinstance(versions, list)
        or not all(_is_listed(one) for one in versions)
        or not all(isinstance(head.get(k), str) for k in ("checkpoint", "use_case"))
    ):
        return None, [f"{MANIFEST} does not list its versions"]
    return head, []


def _is_inside(name: object) -> bool:
    """Whether a name is one below the folder, spelled in one way only."""
    if not isinstance(name, str) or "\\" in name or "\0" in name:
        return False
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and str(path) == name


def _is_listed(one: object) -> bool:
    texts = ("name", "id", "role", "content_hash", "folder")
    return (
        isinstance(one, dict)
        and all(isinstance(one.get(key), str) for key in texts)
        and _is_inside(one["folder"])
        and _are_texts(one.get("left_in_the_lake"))
    )


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _byte_problems(folder: Path, files: dict[str, str]) -> list[str]:
    """Altered, missing and extra files."""
    problems = []
    there = {str(path.relative_to(folder).as_posix()): path for path in _walk(folder)}
    for name, expected in sorted(files.items()):
        path = there.get(name)
        if path is None:
            problems.append(f"{name} is missing")
        elif path.is_symlink() or not path.is_file():
            problems.append(f"{name} is no file of its own")
        elif sha256_file(path) != expected:
            problems.append(f"{name} was altered: its hash is not the one in {MANIFEST}")
    problems += [
        f"{name} was added: {MANIFEST} does not list it"
        for name in sorted(set(there) - set(files) - {MANIFEST, SUMS, SIGNATURE})
    ]
    if (signature := there.get(SIGNATURE)) and (signature.is_symlink() or not signature.is_file()):
        problems.append(f"{SIGNATURE} is no file of its own")
    if INDEX not in files:
        problems.append(f"{INDEX} is missing")
    listed = {**files, MANIFEST: sha256_file(folder / MANIFEST)}
    path = folder / SUMS
    if path.is_symlink() or not path.is_file():
        problems.append(f"{SUMS} is missing")
    elif path.read_bytes() != sums(listed).encode():
        problems.append(f"{SUMS} and {MANIFEST} do not agree: one of them was altered")
    return problems


def _walk(folder: Path) -> list[Path]:
    """Every entry that is no plain folder; links are not followed."""
    found = []
    for root, folders, names in os.walk(folder):
        found += [Path(root) / name for name in names]
        found += [Path(root) / name for name in folders if (Path(root) / name).is_symlink()]
    return found


def _chain_problems(folder: Path, head: dict[str, Any]) -> list[str]:
    """Whether every version agrees with its own manifest, and every parent is there with the content that its child was
    made from."""
    problems = []
    manifests: dict[str, Manifest] = {}
    for listed in head["versions"]:
        manifest = _read(folder, f"{listed['folder']}/{MANIFEST}", Manifest, head["files"])
        if manifest is None:
            problems.append(f"{listed['id']} has no manifest that can be read")
            continue
        if (manifest.name, manifest.id, manifest.content_hash) != (
            listed["name"],
            listed["id"],
            listed["content_hash"],
        ):
            problems.append(f"{listed['id']}: its manifest is of another version than {MANIFEST} lists")
        manifests[manifest.id] = manifest
        problems += _artifact_problems(folder, listed, manifest, head["files"]) if manifest.version is None else []
        problems += _verdict_problems(folder, listed, manifest, head["files"])
    contents = {(manifest.name, manifest.content_hash) for manifest in manifests.values()}
    for manifest in manifests.values():
        for parent in manifest.parents:
            if (parent.name, parent.content_hash) not in contents:
                problems.append(
                    f"{manifest.id} was made from {parent.id} ({parent.content_hash[:12]}), which is not in the pack:"
                    " the chain is open"
                )
    checkpoint = manifests.get(head["checkpoint"])
    if checkpoint is None or checkpoint.content_hash != head.get("content_hash"):
        problems.append(f"the checkpoint {head['checkpoint']} itself is not among the versions")
    folders = {listed["folder"] for listed in head["versions"]}
    strays = [
        n
        for n in head["files"]
        if n != INDEX and not n.startswith(f"{DOCUMENTS}/") and not any(n.startswith(f"{place}/") for place in folders)
    ]
    problems += [f"{name} belongs to no version" for name in sorted(strays)]
    return problems


def _artifact_problems(folder: Path, listed: dict[str, Any], manifest: Manifest, files: dict[str, str]) -> list[str]:
    """Whether the files of a checkpoint or report are those that its content hash is made of, but for what was erased
    since."""
    problems = []
    erased = _read(folder, f"{listed['folder']}/verdicts/{WHOLE}.json", Verdict, files)
    try:
        now = from_numbers(erased.numbers).files(manifest.files) if erased else manifest.files
    except (KeyError, TypeError, ValidationError):
        return [f"what was erased of {manifest.id} cannot be read"]
    if artifact_hash(manifest.files) != manifest.content_hash:
        problems.append(f"the manifest of {manifest.id} contradicts itself: its content hash is not that of its files")
    for name, digest in now.items():
        packed = files.get(f"{listed['folder']}/{name}")
        if packed is None and name not in listed["left_in_the_lake"]:
            problems.append(f"{manifest.id} lacks its file {name}")
        elif packed is None and name.endswith(FOR_READERS) and listed["role"] != "ancestor":
            problems.append(f"{manifest.id} has its file {name}, which readers need, left out")
        elif packed is not None and packed != digest:
            problems.append(f"{name} of {manifest.id} is not the file that was published")
    return problems


def _verdict_problems(folder: Path, listed: dict[str, Any], manifest: Manifest, files: dict[str, str]) -> list[str]:
    problems = []
    for name in sorted(name for name in files if name.startswith(f"{listed['folder']}/verdicts/")):
        verdict = _read(folder, name, Verdict, files)
        if verdict is None:
            problems.append(f"{name} cannot be read")
        elif verdict.content_hash != manifest.content_hash:
            problems.append(f"{name} was made on other content than {manifest.id}")
    return problems


def _read(folder: Path, name: str, kind: type[Any], files: dict[str, str]) -> Any:
    """A manifest or verdict of the pack, or None. Only files that are listed, and no links, are opened."""
    path = folder / name
    if name not in files or path.is_symlink() or not path.is_file():
        return None
    try:
        return kind.model_validate_json(path.read_bytes())
    except (ValidationError, OSError):
        return None


def _other_pack(folder: Path, head: dict[str, Any], sha256: str) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="ft-evidence-") as temporary:
        beside = [MANIFEST, SUMS, *([SIGNATURE] if (folder / SIGNATURE).is_file() else [])]
        found = write_zip(folder, [*head["files"], *beside], head["checkpoint"], Path(temporary) / "pack.zip")
    return (
        []
        if found == sha256.lower()
        else [f"the pack is whole, and another one than was written: its sha256 is {found}"]
    )
