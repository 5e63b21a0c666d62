"""What lies where in a pack, and the zip file that is the same byte for byte for the same folder."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

from ft_platform.lake.files import sha256_file

FORMAT = "ft-evidence/1"
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
"""Signature of the sums. It stands in no list: it is made of the list."""
INDEX = "index.html"
VERSIONS = "versions"
DOCUMENTS = "documents"
STATEMENT = f"{DOCUMENTS}/provenance.intoto.json"
ENVELOPE = f"{DOCUMENTS}/provenance.intoto.dsse.json"
"""The statement in its signed envelope; an unsigned pack has none."""
FOR_READERS = (".html", ".json", ".md", ".png", ".txt")
"""Endings of the files of a report that go into a pack. Weights, predictions and record ids stay in the lake; the pack
has their hashes."""

NEW_YEAR_1980 = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can hold (APPNOTE 4.4.6): times of writing would make equal packs differ."""


def sums(hashes: dict[str, str]) -> str:
    """Lines as `sha256sum` writes and checks them."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))


def write_zip(folder: Path, names: Iterable[str], root: str, path: Path) -> str:
    """A zip file of these files below one folder `root`. Stored, not packed: packed bytes differ between versions of
    zlib.

    Returns:
        its sha256, which anyone can compute again from the folder.
    """
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
        for name in sorted(names):
            entry = zipfile.ZipInfo(f"{root}/{name}", NEW_YEAR_1980)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # Unix, whatever system writes it
            archive.writestr(entry, (folder / name).read_bytes())
    return sha256_file(path)
