"""A bundle: everything that an installation without a network needs, for one Python on one platform.

    wheels/           every package, and the platform itself
    requirements.txt  the packages with their hashes
    models/           weights, as safetensors; those inside a package are among the wheels
    images/           images of containers
    sources/          the files of the repository
    install.sh, verify.py, bundle.json, sbom.cdx.json, SHA256SUMS, SHA256SUMS.sig

It is made in `<target>.partial`, which a second call goes on with, and gets its name when it is whole.
"""

import fcntl
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ft_platform import __version__
from ft_platform.errors import ConfigError, DiskFull
from ft_platform.lake.files import fsync_path, sha256_file
from ft_platform.onboarding.repository.bundle_plan import Plan, model_files, sources
from ft_platform.onboarding.repository.images import save
from ft_platform.onboarding.repository.packages import build_wheel, fetch, pinned, wheel_of
from ft_platform.onboarding.repository.sbom import sbom
from ft_platform.onboarding.repository.verify_bundle import SIGNATURE, SUMS
from ft_platform.process.git import git

if TYPE_CHECKING:
    from ft_platform.lake.signing.keys import SigningKeys

FORMAT = "ft-bundle/1"
HERE = Path(__file__).parent
SPARE_BYTES = 200_000_000
"""Left on the disk beyond what is known to come."""


def free_place(target: Path) -> None:
    """
    Raises:
        ConfigError: something is there already.
    """
    if target.exists():
        raise ConfigError([f"{target} is there already"], "Name another folder or .tar, or remove it")


def write_bundle(plan: Plan, target: Path, keys: "SigningKeys", tell: Callable[[str], None]) -> dict[str, Any]:
    """Makes the bundle, and returns its `bundle.json`.

    Raises:
        DiskFull: it would not fit.
        ConfigError: the target is there already, or another process makes it.
        CorruptVersion: what an earlier call left is not what was pinned.
        TransientError: something cannot be fetched now.
    """
    free_place(target)
    work = target.with_name(f"{target.name}.partial")
    work.mkdir(parents=True, exist_ok=True)
    with _alone(work):
        _require_room(plan, work)
        built = fetch(plan.python, plan.resolved.packages, work / "wheels", plan.torch, plan.known, tell)
        for image in plan.images:
            tell(f"image {image.name}")
            save(image, work / "images" / image.file)
        tell("weights, sources")
        _copy(
            work / "models",
            {f"{one.name}/{path.name}": path for one in plan.weights for path in model_files(one.folder)},
        )
        _copy(work / "sources", {str(path.relative_to(plan.project)): path for path in sources(plan.project)})
        _remove_others(plan, work)
        build_wheel(plan.python, plan.project, work / "wheels")
        told = _describe(plan, built)
        _write_texts(plan, work, told)
        tell("hashes")
        _seal(work, keys)
    if target.suffix == ".tar":
        tell("archive")
        _pack(work, target)
    else:
        os.rename(work, target)
    fsync_path(target.parent)
    return told


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Holds the folder for this process; the lock is the folder itself, so that nothing of it stays."""
    descriptor = os.open(work, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigError([f"another process makes {work.name.removesuffix('.partial')}"], "Wait for its end") from None
    finally:
        os.close(descriptor)


def _require_room(plan: Plan, work: Path) -> None:
    there = sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
    wanted, free = plan.bytes - there + SPARE_BYTES, shutil.disk_usage(work).free
    if wanted > free:
        problem = f"the bundle needs {wanted / 1e9:,.1f} GB more, and {work.parent} has {free / 1e9:,.1f} GB free"
        raise DiskFull(problem, "Name a folder on a larger disk")


def _copy(folder: Path, files: dict[str, Path]) -> None:
    """Makes a folder of these files anew. Links are followed: a bundle holds plain files."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, source in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)


def _describe(plan: Plan, built: Sequence[str]) -> dict[str, Any]:
    commit, changed = git(plan.project, "rev-parse", "HEAD"), git(plan.project, "status", "--porcelain", "-uno")
    return {
        "format": FORMAT,
        "platform_version": __version__,
        "commit": (commit or "").strip(),
        "changed_since_commit": changed != "",
        "python": plan.target[0],
        "machine": plan.target[1],
        "extras": plan.extras,
        "torch": plan.torch,
        "packages": len(plan.resolved.packages),
        "built_from_source": list(built),
        "weights": [
            {"uri": one.uri, "commit": one.commit, "folder": f"models/{one.name}", "sha256": one.sha256}
            for one in plan.weights
        ],
        "images": [asdict(one) for one in plan.images],
    }


def _write_texts(plan: Plan, work: Path, told: dict[str, Any]) -> None:
    (version, machine), name = plan.target, plan.name
    script = (HERE / "install_bundle.sh").read_text(encoding="utf-8")
    for word, value in {"name": name, "python": version, "machine": machine, "extras": plan.extras}.items():
        script = script.replace(f"{{{word}}}", value)
    texts = {
        "install.sh": script,
        "verify.py": (HERE / "verify_bundle.py").read_text(encoding="utf-8"),
        "requirements.txt": pinned(plan.resolved.packages, work / "wheels"),
        "bundle.json": json.dumps(told, indent=1) + "\n",
        "sbom.cdx.json": sbom(plan.name, plan.version, plan.resolved, version),
    }
    for file, text in texts.items():
        (work / file).write_text(text, encoding="utf-8")
    (work / "install.sh").chmod(0o755)


def _remove_others(plan: Plan, work: Path) -> None:
    """Takes out what an earlier call with another plan left."""
    wheels = {wheel_of(one, work / "wheels") for one in plan.resolved.packages}
    images = {work / "images" / one.file for one in plan.images}
    for path in [*(work / "wheels").iterdir(), *(work / "images").glob("*")]:
        if path not in wheels | images:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _seal(work: Path, keys: "SigningKeys") -> None:
    """Writes the hashes of all files, and their signature where this installation has a key."""
    for name in (SUMS, SIGNATURE):
        (work / name).unlink(missing_ok=True)
    names = sorted(path.relative_to(work).as_posix() for path in work.rglob("*") if path.is_file())
    content = "".join(f"{sha256_file(work / name)}  {name}\n" for name in names).encode()
    (work / SUMS).write_bytes(content)
    if keys.public:
        (work / SIGNATURE).write_bytes(keys.sign(content))
    for path in work.rglob("*"):
        fsync_path(path)


def _pack(work: Path, target: Path) -> None:
    """One file of the folder; the folder is gone then."""
    aside = target.with_name(f".{target.name}.new")
    with tarfile.open(aside, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(work, target.stem, filter=_plain)
    fsync_path(aside)
    os.replace(aside, target)
    shutil.rmtree(work)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without the person who made it."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
