"""Checks a bundle: every file is as it was written, none is missing, and none was added. With certificates, also who
signed it. Needs Python and, for the signature, openssl 3; a bundle carries a copy as `verify.py`.

    python verify.py [--roots roots.pem] [FOLDER]

Not covered: who can change the bundle can change this file in it. `--roots` proves nothing unless both the certificates
and this file came another way.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
LINE = re.compile(r"([0-9a-f]{64})  (.+)")
CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)
OPENSSL_SECONDS = 30


def problems_of(folder: Path, roots: Path | None = None) -> list[str]:
    """Everything that is wrong with a bundle. Empty: it is whole.

    Args:
        roots: certificates of those who may have signed it (`ft seals certificates`); None: a signature is not looked
            at.
    """
    if not (folder / SUMS).is_file() or (folder / SUMS).is_symlink():
        return [f"{SUMS} is missing: {folder} is no bundle"]
    problems = [] if roots is None else _signature_problems(folder, roots)
    sums, wrong = _read(folder / SUMS)
    if wrong:
        return [*problems, *wrong]
    there = {path.relative_to(folder).as_posix() for path in _files(folder)} - {SUMS, SIGNATURE}
    problems += [f"{name} is missing" for name in sorted(sums.keys() - there)]
    problems += [f"{name} was added" for name in sorted(there - sums.keys())]
    for name in sorted(there & sums.keys()):
        path = folder / name
        if path.is_symlink() or not path.is_file():
            problems.append(f"{name} is no plain file")
        elif (got := sha256(path)) != sums[name]:
            problems.append(f"{name} has another hash: expected {sums[name]}, got {got}")
    return problems


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> list[Path]:
    """All that is no folder; links to folders are not followed."""
    return [
        Path(parent, name)
        for parent, folders, files in os.walk(folder)
        for name in [*files, *(one for one in folders if Path(parent, one).is_symlink())]
    ]


def _read(path: Path) -> tuple[dict[str, str], list[str]]:
    sums, problems = {}, []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        found = LINE.fullmatch(line)
        if found is None or found[2].startswith("/") or ".." in found[2].split("/"):
            problems.append(f"{SUMS}, line {number}, names no file of a bundle")
        else:
            sums[found[2]] = found[1]
    return sums, problems


def _signature_problems(folder: Path, roots: Path) -> list[str]:
    if not (folder / SIGNATURE).is_file():
        return [f"{SIGNATURE} is missing: the bundle is not signed"]
    if shutil.which("openssl") is None:
        return ["the signature cannot be checked: openssl is not installed"]
    certificates = CERTIFICATE.findall(roots.read_text(encoding="utf-8", errors="replace")) if roots.is_file() else []
    if not certificates:
        return [f"{roots} holds no certificate"]
    if any(_signed(folder, certificate) for certificate in certificates):
        return []
    return [f"{SIGNATURE} is not the signature of {SUMS} by a key of {roots}: one was altered, or another signed it"]


def _signed(folder: Path, certificate: str) -> bool:
    """Whether the key of a certificate (Ed25519) signed the sums."""
    with tempfile.TemporaryDirectory() as work:
        key = Path(work, "key.pem")
        key.write_bytes(_openssl(["x509", "-noout", "-pubkey"], certificate.encode()).stdout)
        names = ["-inkey", str(key), "-in", str(folder / SUMS), "-sigfile", str(folder / SIGNATURE)]
        return _openssl(["pkeyutl", "-verify", "-pubin", "-rawin", *names]).returncode == 0


def _openssl(words: list[str], given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["openssl", *words], input=given, capture_output=True, timeout=OPENSSL_SECONDS, check=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--roots", type=Path, help="certificates of those who may have signed it")
    arguments = parser.parse_args()
    problems = problems_of(arguments.folder, arguments.roots)
    for problem in problems[:20]:
        print(f"verify: {problem}", file=sys.stderr)
    if len(problems) > 20:
        print(f"verify: and {len(problems) - 20} more", file=sys.stderr)
    if not problems:
        signed = "its signature is good" if arguments.roots else "its signature was not looked at (--roots)"
        print(f"verify: the bundle is whole; {signed}")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
