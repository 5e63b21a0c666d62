"""scripts/release.py: the same bytes from every build, what a release is made of, and why there is none."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from ft_platform.errors import CorruptVersion
from ft_platform.lake.files import sha256_file
from ft_platform.onboarding.repository.packages import Package, Resolved
from ft_platform.reporting.evidence.layout import SIGNATURE, STATEMENT, SUMS
from ft_platform.reporting.evidence.signing import PublicKey, Signer, signature_problems
from ft_platform_tests.conftest import REPOSITORY

COMMIT = "c" * 40
TOOL = Package("hatchling", "1.27.0", "https://index.example/hatchling-1.27.0-py3-none-any.whl", "a" * 64)


@pytest.fixture(scope="module")
def release() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "scripts"))
        import release

        yield release


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private, public


@pytest.mark.integration
def test_two_builds_of_the_newest_commit_are_equal(release, tmp_path: Path) -> None:
    if subprocess.run(["git", "-C", REPOSITORY, "rev-parse", "HEAD"], capture_output=True).returncode:
        pytest.skip("this is no checkout of git")
    pytest.importorskip("hatchling", reason="hatchling is not installed (extra dev)")
    built = release.build(sys.executable, "HEAD", tmp_path)
    assert [path.suffix for path in built] == [".whl", ".gz"]


@pytest.mark.integration
def test_builds_that_differ_are_refused(release, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("hatchling", reason="hatchling is not installed (extra dev)")

    def checkout(commit: str, folder: Path) -> None:
        settings = '[project]\nname = "acme"\nversion = "1"\n[build-system]\nrequires = []\nbuild-backend = "x"\n'
        (folder / "pyproject.toml").write_text(settings)
        (folder / "acme").mkdir()
        (folder / "acme" / "__init__.py").write_text(f"WHERE = {str(folder)!r}\n")

    monkeypatch.setattr(release, "checkout", checkout)
    with pytest.raises(CorruptVersion, match=r"two builds of acme-1-.+\.whl from commit HEAD differ"):
        release.build(sys.executable, "HEAD", tmp_path)


def made(release: ModuleType, folder: Path, private: Path | None) -> Path:
    folder.mkdir()
    (folder / "ft_platform-1-py3-none-any.whl").write_text("wheel")
    statement = release.provenance(folder, COMMIT, "demo", (TOOL,), datetime.now(UTC))
    release.seal(folder, statement, Signer(private) if private else None)
    return folder


def test_hashes_and_signatures_are_checked_by_standard_tools(release, tmp_path: Path, keys) -> None:
    private, public = keys
    folder = made(release, tmp_path / "out", private)
    assert signature_problems(folder, PublicKey(public)) == []
    verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", SUMS, "-sigfile", SIGNATURE]

    def holds(*command: object) -> bool:
        return subprocess.run(list(map(str, command)), cwd=folder, capture_output=True).returncode == 0

    assert holds(*verify) and holds("sha256sum", "--check", "--strict", SUMS)
    (folder / "ft_platform-1-py3-none-any.whl").write_text("another wheel")
    assert not holds("sha256sum", "--check", "--strict", SUMS)
    (folder / SUMS).write_text((folder / SUMS).read_text().replace("a", "b", 1))
    assert not holds(*verify)
    assert "is not the signature" in signature_problems(folder, PublicKey(public))[0]


def test_the_statement_names_files_commit_and_builder_and_the_formats_own_library_accepts_it(release, tmp_path) -> None:
    folder = made(release, tmp_path / "out", None)
    statement = json.loads((folder / STATEMENT).read_text())
    wheel = folder / "ft_platform-1-py3-none-any.whl"
    assert statement["subject"] == [{"name": wheel.name, "digest": {"sha256": sha256_file(wheel)}}]
    source, tool = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": COMMIT} and tool["digest"] == {"sha256": "a" * 64}
    assert not (folder / SIGNATURE).exists()
    statement_pb2 = pytest.importorskip(
        "in_toto_attestation.v1.statement_pb2", reason="the library of in-toto is not installed (extra dev)"
    )
    from google.protobuf.json_format import ParseDict
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.v1.statement import Statement

    Statement.copy_from_pb(ParseDict(statement, statement_pb2.Statement())).validate()
    ParseDict(statement["predicate"], provenance_pb2.Provenance())


@pytest.mark.parametrize("problems", [["not checked: PyPI has no answer"], []], ids=["red", "green"])
def test_a_release_that_was_not_checked_is_not_written(release, tmp_path: Path, monkeypatch, problems) -> None:
    def build(python: str, commit: str, work: Path) -> list[Path]:
        (work / "ft_platform-1.whl").write_text("wheel")
        return [work / "ft_platform-1.whl"]

    leaf = Package("leaf", "1.0", "https://index.example/leaf-1.0-py3-none-any.whl", "b" * 64)
    monkeypatch.setattr(release, "builder", lambda _: (sys.executable, (TOOL,)))
    monkeypatch.setattr(release, "build", build)
    monkeypatch.setattr(release, "resolve", lambda *_: Resolved((leaf,), "ft-platform", "1", ("leaf",)))
    found = sys.modules["advisories"].Audit("a database", 1, problems)
    monkeypatch.setattr(release, "audit", lambda *_: found)
    assert release.make(tmp_path / "dist" / "1", "demo", None, "") == problems
    assert (tmp_path / "dist" / "1").exists() is not bool(problems)
    assert os.listdir(tmp_path / "dist") == ([] if problems else ["1"])
    if not problems:
        assert (tmp_path / "dist/1/requirements.txt").read_text() == f"leaf==1.0 --hash=sha256:{'b' * 64}\n"
        listed = (tmp_path / "dist/1" / SUMS).read_text()
        assert all(name in listed for name in ("ft_platform-1.whl", "sbom.cdx.json", "audit.json", STATEMENT))
