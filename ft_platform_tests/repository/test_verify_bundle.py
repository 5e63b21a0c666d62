"""verify.py of a bundle: whatever differs from what was written is named, and so is another signature."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ft_platform.lake.keys.providers import KeyPlace
from ft_platform.lake.signing.keys import SigningKeys
from ft_platform.onboarding.repository import verify_bundle
from ft_platform.onboarding.repository.verify_bundle import SIGNATURE, SUMS, problems_of, sha256

WHEEL = "wheels/leaf-1.0-py3-none-any.whl"


def keys_of(folder: Path) -> SigningKeys:
    return SigningKeys(KeyPlace("file", folder / "signing.key", ""), folder)


def sealed(folder: Path, keys: SigningKeys) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (SUMS, SIGNATURE))
    content = "".join(f"{sha256(path)}  {path.relative_to(folder)}\n" for path in files).encode()
    (folder / SUMS).write_bytes(content)
    (folder / SIGNATURE).write_bytes(keys.sign(content))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    for name in (WHEEL, "sources/pyproject.toml"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(name)
    shutil.copy(verify_bundle.__file__, folder / "verify.py")
    sealed(folder, keys_of(tmp_path / "keys"))
    return folder


@pytest.fixture
def roots(bundle: Path, tmp_path: Path) -> Path:
    path = tmp_path / "roots.pem"
    path.write_text("".join(key.root for key in keys_of(tmp_path / "keys").public.values()))
    return path


FAULTS = {
    "another wheel": (lambda folder: (folder / WHEEL).write_text("x"), f"{WHEEL} has another hash"),
    "a lost file": (lambda folder: (folder / WHEEL).unlink(), f"{WHEEL} is missing"),
    "one more wheel": (
        lambda folder: (folder / "wheels/torch-99.whl").write_text("x"),
        "wheels/torch-99.whl was added",
    ),
    "a link in place of a file": (
        lambda folder: ((folder / WHEEL).rename(folder.parent / "w"), (folder / WHEEL).symlink_to(folder.parent / "w")),
        f"{WHEEL} is no plain file",
    ),
    "a linked folder": (lambda folder: (folder / "models").symlink_to("/etc"), "models was added"),
    "a list that leads outside": (
        lambda folder: (folder / SUMS).write_text(f"{'0' * 64}  ../x\n"),
        "line 1, names no file of a bundle",
    ),
    "no list": (lambda folder: (folder / SUMS).unlink(), "SHA256SUMS is missing"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_differs_is_named(bundle: Path, fault: str) -> None:
    assert problems_of(bundle) == []
    plant, words = FAULTS[fault]
    plant(bundle)
    [problem] = problems_of(bundle)
    assert words in problem


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_only_the_keys_that_are_trusted_may_have_signed_it(bundle: Path, roots: Path, tmp_path: Path) -> None:
    assert problems_of(bundle, roots) == []
    others = keys_of(tmp_path / "others")
    strangers = tmp_path / "strangers.pem"
    assert others.newest
    strangers.write_text("".join(key.root for key in others.public.values()))
    assert "is not the signature" in problems_of(bundle, strangers)[0]
    # Somebody who changes a wheel and writes the list anew has no key.
    (bundle / WHEEL).write_text("x")
    sealed(bundle, others)
    assert problems_of(bundle) == []
    assert "is not the signature" in problems_of(bundle, roots)[0]
    (bundle / SIGNATURE).unlink()
    assert "the bundle is not signed" in problems_of(bundle, roots)[0]


def test_without_openssl_or_certificates_no_signature_is_taken_for_good(
    bundle: Path, tmp_path: Path, monkeypatch
) -> None:
    assert "holds no certificate" in problems_of(bundle, tmp_path / "no.pem")[0]
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "openssl is not installed" in problems_of(bundle, tmp_path / "no.pem")[0]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_copy_in_the_bundle_needs_nothing_but_python(bundle: Path, roots: Path) -> None:
    def verify(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", "-B", str(bundle / "verify.py"), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert verify().stdout == "verify: the bundle is whole; its signature was not looked at (--roots)\n"
    assert verify("--roots", str(roots)).stdout == "verify: the bundle is whole; its signature is good\n"
    (bundle / WHEEL).write_text("x")
    done = verify("--roots", str(roots))
    assert done.returncode == 1 and f"{WHEEL} has another hash" in done.stderr
