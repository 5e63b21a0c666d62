"""Makes a release of the platform: sdist and wheel, built twice; SBOM; advisories; provenance; signatures.

python scripts/release.py dist/0.2.0 --sign-with release_key.pem
python scripts/release.py dist/0.2.0 --compare                     # builds the commit of a release again, and compares

    ft_platform-*.tar.gz, *.whl         the same bytes for the same commit, whoever builds
    requirements.txt                    what pip installs for the extras, with hashes
    sbom.cdx.json                       the same as a CycloneDX 1.6 bill of materials
    audit.json                          what the database of advisories said
    documents/provenance.intoto.json    in-toto statement, SLSA provenance 1.0; .dsse.json: signed
    SHA256SUMS, SHA256SUMS.sig          hashes of all of them, and the signature (Ed25519)

Nothing is written if the two builds differ, or if an advisory is not accepted, or if packages could not be checked.
"""

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import venv
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from advisories import audit

from ft_platform.errors import ConfigError, CorruptVersion, FtError
from ft_platform.lake.files import folder_hashes, sha256_file
from ft_platform.onboarding.repository.packages import Package, build_requirements, resolve
from ft_platform.onboarding.repository.sbom import sbom
from ft_platform.process.git import git
from ft_platform.reporting.evidence.layout import ENVELOPE, SIGNATURE, STATEMENT, SUMS, sums
from ft_platform.reporting.evidence.signing import Signer

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "demo,ner,aws,postgres"
"""Of the two images and of `make demo`."""
BUILD_TYPE = "https://ft-platform.example/build/release/v1"


def checkout(commit: str, folder: Path) -> None:
    """The files of a commit, and nothing else."""
    done = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=False)
    if done.returncode:
        raise ConfigError([f"git has no commit {commit}"])
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")


def build(python: str, commit: str, work: Path) -> list[Path]:
    """sdist and wheel of a commit, built twice: in other folders, under another umask and in another time zone.

    Args:
        python: interpreter that has hatchling.

    Raises:
        CorruptVersion: the builds differ.
    """
    epoch = (git(ROOT, "show", "-s", "--format=%ct", commit) or "0").strip()
    built = []
    for name, umask, zone in (("first", 0o022, "UTC"), ("second/below", 0o077, "Asia/Tokyo")):
        tree, out = work / name / "tree", work / name / "dist"
        tree.mkdir(parents=True)
        checkout(commit, tree)
        command = [python, "-m", "hatchling", "build", "--directory", str(out)]
        variables = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "TZ": zone}
        done = subprocess.run(
            command, cwd=tree, env=variables, capture_output=True, text=True, umask=umask, check=False
        )
        if done.returncode:
            raise ConfigError([f"hatchling cannot build: {(done.stderr.strip().splitlines() or ['?'])[-1]}"])
        built.append(sorted(out.iterdir()))
    for first, second in zip(*built, strict=True):
        if (first.name, sha256_file(first)) != (second.name, sha256_file(second)):
            raise CorruptVersion(
                f"two builds of {first.name} from commit {commit} differ", "Find out what is not fixed"
            )
    return built[0]


def builder(work: Path) -> tuple[str, tuple[Package, ...]]:
    """An interpreter with nothing but what builds the platform, and those packages."""
    tools = resolve(sys.executable, build_requirements(ROOT)).packages
    pins = work / "tools.txt"
    pins.write_text("".join(f"{one.pin}\n" for one in tools))
    venv.create(work / "venv", with_pip=True, symlinks=True)
    python = str(work / "venv" / "bin" / "python")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    subprocess.run([python, "-m", "pip", "install", *options, "-r", str(pins)], check=True)
    return python, tools


def provenance(folder: Path, commit: str, extras: str, tools: tuple[Package, ...], started: datetime) -> str:
    """In-toto statement (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md) with a predicate of
    SLSA (https://slsa.dev/spec/v1.0/provenance) about all files of a folder."""
    tool_digests = [
        {"name": one.name, "uri": f"pkg:pypi/{one.key}@{one.version}", "digest": {"sha256": one.sha256}}
        for one in tools
    ]
    definition: dict[str, Any] = {
        "buildType": BUILD_TYPE,
        "externalParameters": {"commit": commit, "extras": extras},
        "internalParameters": {"python": platform.python_version(), "machine": f"{sys.platform}-{platform.machine()}"},
        "resolvedDependencies": [{"name": "source", "digest": {"gitCommit": commit}}, *tool_digests],
    }
    moments = {"startedOn": _utc(started), "finishedOn": _utc(datetime.now(UTC))}
    hashes = folder_hashes(folder)
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(hashes.items())],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": definition,
            "runDetails": {"builder": {"id": "https://ft-platform.example/scripts/release.py"}, "metadata": moments},
        },
    }
    return json.dumps(statement, indent=1) + "\n"


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def seal(folder: Path, statement: str, signer: Signer | None) -> None:
    """Writes the statement, the hashes of all files, and with a key both signatures."""
    (folder / STATEMENT).parent.mkdir()
    (folder / STATEMENT).write_text(statement)
    if signer:
        (folder / ENVELOPE).write_text(signer.envelope(statement))
    content = sums(folder_hashes(folder)).encode()
    (folder / SUMS).write_bytes(content)
    if signer:
        (folder / SIGNATURE).write_bytes(signer.sign(content))


def make(out: Path, extras: str, signer: Signer | None, osv_url: str) -> list[str]:
    """Makes the release. Returns why there is none; then nothing was written.

    Raises:
        FtError: it cannot be built or resolved.
    """
    if out.exists():
        raise ConfigError([f"{out} is there already"])
    started, commit = datetime.now(UTC), (git(ROOT, "rev-parse", "HEAD") or "").strip()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        work, folder = Path(scratch), Path(scratch, "release")
        folder.mkdir()
        python, tools = builder(work)
        files = {path.name: sha256_file(path.rename(folder / path.name)) for path in build(python, commit, work)}
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        resolved = resolve(sys.executable, [f"{work / 'first' / 'tree'}[{extras}]"])
        (folder / "requirements.txt").write_text("".join(f"{one.pin}\n" for one in resolved.packages))
        (folder / "sbom.cdx.json").write_text(sbom(resolved.name, resolved.version, resolved, version, files))
        found = audit(folder / "requirements.txt", osv_url)
        if found.problems:
            return found.problems
        (folder / "audit.json").write_text(json.dumps({"on": _utc(started), **asdict(found)}, indent=1) + "\n")
        seal(folder, provenance(folder, commit, extras, tools, started), signer)
        os.rename(folder, out)
    return []


def compare(release: Path) -> list[str]:
    """Builds the commit of a release again. Returns which files differ."""
    statement = json.loads((release / STATEMENT).read_bytes())
    commit = statement["predicate"]["buildDefinition"]["externalParameters"]["commit"]
    with tempfile.TemporaryDirectory() as work:
        built = build(builder(Path(work))[0], commit, Path(work))
        return [
            f"{path.name} is not what commit {commit} builds"
            for path in built
            if not (release / path.name).is_file() or sha256_file(release / path.name) != sha256_file(path)
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the release")
    parser.add_argument("--extras", default=EXTRAS, help="whose packages are listed and checked (default: %(default)s)")
    parser.add_argument("--sign-with", type=Path, metavar="KEYFILE", help="Ed25519 private key (PEM)")
    parser.add_argument("--osv-url", default="", help="ask this server, with OSV's interface, instead of PyPI")
    parser.add_argument("--compare", action="store_true", help="build the commit of this release again, and compare")
    arguments = parser.parse_args()
    out = arguments.folder.absolute()
    try:
        signer = Signer(arguments.sign_with) if arguments.sign_with else None
        problems = compare(out) if arguments.compare else make(out, arguments.extras, signer, arguments.osv_url)
    except FtError as error:
        problems = [str(error)]
    for problem in problems:
        print(f"release: {problem}", file=sys.stderr)
    if not problems:
        print(f"{out}: {'builds to the same bytes' if arguments.compare else 'released'}")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
