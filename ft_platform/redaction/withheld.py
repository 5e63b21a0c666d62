"""Where withheld texts are kept: in `<DAGSTER_HOME>/restricted/`, for the operating-system account of the platform
only."""

import hashlib
import hmac
import os
import re
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

FOLDER = "restricted"
KEPT_DAYS = 30
"""Withheld texts and captured output are removed after this many days, when the next file is begun: they may hold
personal data, and serve to find a fault."""

DAY = 86_400.0


class Withheld:
    """Keeps what is withheld.

    Args:
        root: DAGSTER_HOME.
    """

    def __init__(self, root: Path | str) -> None:
        self.folder = Path(root).absolute() / FOLDER
        self._key: bytes | None = None

    def file(self, *names: str) -> Path:
        """A file below the folder, whose folders exist and are private. Names are made harmless."""
        private(self.folder)
        path = self.folder
        for name in names[:-1]:
            path = path / harmless(name)
            private(path)
        path = path / harmless(names[-1])
        if not path.exists():
            _remove_old(path.parent)
        return path

    def keep(self, name: str, text: str) -> Path:
        """Appends a text to the file of this name. Where that fails (full disk, read-only folder) it is lost, not
        shown."""
        try:
            path = self.file("withheld", f"{name}.log")
            with open_private(path) as file:
                file.write(
                    f"--- {datetime.now(UTC).isoformat(timespec='seconds')}\n{text.rstrip()}\n".encode(
                        "utf-8", "backslashreplace"
                    )
                )
        except OSError:
            return self.folder
        return path

    def fingerprint(self, text: str) -> str:
        """What stands for a text where equal ones must stay equal, as with a data version. Guessing it needs the key in
        the folder."""
        if self._key is None:
            self._key = _read_key(self.file("fingerprint.key"))
        return (
            f"withheld-{hmac.new(self._key, text.encode('utf-8', 'backslashreplace'), hashlib.sha256).hexdigest()[:32]}"
        )


def private(folder: Path) -> None:
    """Makes a folder that only its owner can enter."""
    for parent in reversed(
        [one for one in folder.parents if not one.exists()]
    ):  # a home of Dagster that nobody made yet is its owner's too
        parent.mkdir(exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def open_private(path: Path, mode: str = "ab"):
    """Opens a file to append to, readable by its owner only."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def harmless(name: str) -> str:
    """A file name out of a key of Dagster; what may lead elsewhere or is too long becomes a hash."""
    if re.fullmatch(r"[\w][\w.\-]{0,99}", name):
        return name
    return hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _remove_old(folder: Path) -> None:
    limit = time.time() - KEPT_DAYS * DAY
    for path in folder.iterdir():
        if path.is_file() and path.suffix != ".key" and path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)


def _read_key(path: Path) -> bytes:
    """The key of fingerprints, made once however many processes ask."""
    if not path.exists():
        own = path.with_name(f"{secrets.token_hex(8)}.key")
        with open_private(own) as file:
            file.write(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(own, path)
        own.unlink()
    return path.read_bytes()
