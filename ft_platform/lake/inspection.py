"""Everything that a use case has in the lake compared with what was signed, and the signing of a lake that was written
before there were signatures."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from ft_platform.errors import FtError, VersionRefused
from ft_platform.lake.files import move_folder, read_bytes
from ft_platform.lake.manifest import Manifest, now
from ft_platform.lake.seals import Seals, control_files
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version


@dataclass
class Inspection:
    """What was looked at, and what is wrong with it.

    Attributes:
        entries: of the chain, each signature verified.
        files: manifests and verdicts.
        tables, artifacts: versions whose bytes were compared with their manifest.
        adopted: files that were signed after they were written, because there were no signatures yet.
        erased: versions whose content was deleted lawfully.
    """

    use_case: str
    entries: int = 0
    files: int = 0
    tables: int = 0
    artifacts: int = 0
    adopted: int = 0
    erased: int = 0
    problems: list[str] = field(default_factory=list)


def inspect(lake: Lake, use_case: str, tell: Callable[[str], None] = lambda what: None) -> Inspection:
    """Reads all that is signed, whatever was found intact before.

    Args:
        tell: called with the id of each version before its bytes are read.
    """
    found = Inspection(use_case)
    try:
        seals = _seals(lake, use_case)
        seals.require_known()
        found.problems += [f"the chain of signatures {problem}" for problem in seals.journal.verify_signatures()]
        signed = seals.paths()
    except VersionRefused as refusal:
        found.problems.append(refusal.message)
        return found
    found.entries, found.files = len(seals.journal.entries()), len(signed)
    found.adopted = sum(entry.what == "adopted" for entry in signed.values())
    found.erased = sum(entry.what == "erased" for entry in signed.values())
    for relative, entry in signed.items():
        try:
            content = seals.read(f"{lake.folder}/{relative}")
            if entry.what != "erased" and "/verdicts/" not in relative:
                version = version_of(lake, Manifest.model_validate_json(content), relative.split("/")[0])
                tell(version.id)
                _compare(lake, version)
                found.tables += isinstance(version, TableVersion)
                found.artifacts += isinstance(version, ArtifactVersion)
        except FileNotFoundError:
            found.problems.append(f"{relative} was deleted")
        except FtError as error:
            found.problems.append(error.message)
    return found


def adopt(lake: Lake, use_case: str, tell: Callable[[str], None] = lambda what: None, *, note: str = "") -> Inspection:
    """Compares every version of a use case with the hashes of its manifest and signs it as it is, marked as signed
    afterwards.

    Args:
        note: who answers for it and why, where a chain is there that this installation does not know; it is moved
            aside.

    Raises:
        VersionRefused: versions are not what their manifests say; nothing is signed.
    """
    seals, plain = _seals(lake, use_case), Lake(lake.root, lake.storage_options)
    root, found, contents = lake.folder, Inspection(use_case), {}
    for path in control_files(lake.fs, root, use_case):
        contents[path] = read_bytes(lake.fs, path)
        if "/verdicts/" in path.removeprefix(root):
            continue
        try:
            version = version_of(
                plain, Manifest.model_validate_json(contents[path]), path.removeprefix(f"{root}/").split("/")[0]
            )
            tell(version.id)
            _compare(plain, version)
        except (FtError, ValueError) as error:
            found.problems.append(error.message if isinstance(error, FtError) else f"{path} cannot be read")
            continue
        found.tables += isinstance(version, TableVersion)
        found.artifacts += isinstance(version, ArtifactVersion)
    if found.problems:
        raise VersionRefused(
            f"nothing was signed, because versions of {use_case} are damaged: " + "; ".join(found.problems),
            "Remove or restore them first",
        )
    with seals.writing():
        with suppress(VersionRefused):  # it may be broken, but not newer
            seals.journal.entries(again=True)
        if note:
            move_folder(lake.fs, f"{root}/{seals.journal.name}", f"{root}/{seals.journal.name}-before-{now()}")
            seals.journal.forget()
        seals.begin(note)
        for path, content in contents.items():
            seals.adopt(path, content)
    found.entries, found.files, found.adopted = len(seals.journal.entries()), len(contents), len(contents)
    return found


def _compare(lake: Lake, version: Version) -> None:
    if isinstance(version, TableVersion):
        lake.verify_table(version)
    else:
        lake.verify_artifact(version)


def version_of(lake: Lake, manifest: Manifest, zone: str) -> Version:
    """The handle of what a manifest is about."""
    if manifest.version is None:
        uri = lake.uri("shared", manifest.use_case, manifest.name, manifest.id)
        return ArtifactVersion(manifest.use_case, manifest.name, manifest.id, manifest.content_hash, uri)
    uri = lake.uri(zone, manifest.use_case, "tables", manifest.name)
    return TableVersion(
        manifest.use_case, manifest.name, zone, manifest.version, manifest.content_hash, manifest.rows, uri
    )


def _seals(lake: Lake, use_case: str) -> Seals:
    seals = lake.seals(use_case)
    if seals is None:
        raise VersionRefused(
            "the lake was opened without the keys of its installation", "Open it with open_lake(environment)"
        )
    return seals


def signed_use_cases(lake: Lake) -> Iterator[str]:
    """Names of the use cases that have something in the lake."""
    names = set()
    for zone in ("restricted", "shared"):
        folder = lake.path_of(zone, "").rstrip("/")
        if lake.fs.exists(folder):
            names |= {path.rstrip("/").rsplit("/", 1)[-1] for path in lake.fs.ls(folder, detail=False)}
    yield from sorted(name for name in names if any(True for _ in control_files(lake.fs, lake.folder, name)))
