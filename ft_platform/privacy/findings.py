"""Remembers where findings are in texts that were scanned before, so that another version scans only what is new.

Covered: offsets, entity and score behind a keyed hash of the text, each with a code of authentication: without the key
nobody can ask whether a text was there, and a changed entry is scanned again. Another setting, recognizer or model
starts a new file and removes the old one. Not covered: texts that were erased since keep their entry; it tells nothing
without the text. Deleting the folder is always safe."""

import hmac
import json
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ft_platform.errors import DataError
from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.privacy.ner import identity
from ft_platform.privacy.scan import Scanner
from ft_platform.privacy.spans import Span
from ft_platform.process.code_hash import code
from ft_platform.use_case.settings.hash import settings_hash
from ft_platform.use_case.settings.privacy import Privacy

TAG_BYTES = 16
ASKED_AT_ONCE = 500
"""Below SQLite's oldest limit of 999 variables in a statement."""
WAIT_SECONDS = 120
"""Until another worker has written its batch."""


class RememberedFindings:
    """A scanner with a memory on disk, shared by the worker processes of a machine.

    Args:
        folder: private folder of the use case in the restricted zone of this machine.
        secret: 32 bytes, derived from the keys of the use case.

    Raises:
        DataError: the file cannot be read or written.
    """

    def __init__(self, folder: Path, secret: bytes, scanner: Scanner, privacy: Privacy) -> None:
        self._scanner = scanner
        self._secret = secret
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = folder / f"{_what_finds(scanner, privacy)}.sqlite"
        for other in folder.glob("*.sqlite"):
            if other != self._file:
                other.unlink(missing_ok=True)
        os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        self._run("CREATE TABLE IF NOT EXISTS findings (text BLOB PRIMARY KEY, spans BLOB NOT NULL) WITHOUT ROWID")

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """As `Scanner.find`; only texts that are not remembered are scanned. Of those in which nothing can be found,
        nothing is remembered."""
        keys = [
            hmac.digest(self._secret, text.encode(errors="surrogatepass"), "sha256") if may_find else None
            for text, may_find in zip(texts, self._scanner.may_find(texts), strict=True)
        ]
        known = self._known([key for key in keys if key])
        new = {key: text for key, text in zip(keys, texts, strict=True) if key and key not in known}
        found = dict(zip(new, self._scanner.find(list(new.values())), strict=True))
        if found:
            self._run(
                "INSERT OR REPLACE INTO findings VALUES (?, ?)",
                [(key, self._sealed(key, spans)) for key, spans in found.items()],
            )
        return [list(known[key] if key in known else found[key]) if key else [] for key in keys]

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, list[Span]]:
        wanted = list(dict.fromkeys(keys))
        known = {}
        for start in range(0, len(wanted), ASKED_AT_ONCE):
            asked = wanted[start : start + ASKED_AT_ONCE]
            for key, sealed in self._run(
                f"SELECT text, spans FROM findings WHERE text IN ({','.join('?' * len(asked))})", asked
            ):
                spans = self._opened(key, sealed)
                if spans is not None:
                    known[key] = spans
        return known

    def _sealed(self, key: bytes, spans: list[Span]) -> bytes:
        content = json.dumps(
            [[s.start, s.end, s.entity, s.score, s.recognizer] for s in spans], separators=(",", ":")
        ).encode()
        return self._tag(key, content) + content

    def _opened(self, key: bytes, sealed: bytes) -> list[Span] | None:
        content = sealed[TAG_BYTES:]
        if hmac.compare_digest(self._tag(key, content), sealed[:TAG_BYTES]):
            return [Span(*values) for values in json.loads(content)]
        return None

    def _tag(self, key: bytes, content: bytes) -> bytes:
        return hmac.digest(self._secret, b"findings\0" + key + content, "sha256")[:TAG_BYTES]

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            # A connection for each batch: none is open when a process is forked or killed.
            connection = sqlite3.connect(self._file, timeout=WAIT_SECONDS)
            try:
                with connection:
                    connection.execute("PRAGMA synchronous=OFF")  # what a power cut tears fails its tag
                    if values and isinstance(values[0], tuple):
                        connection.executemany(statement, values)
                        return []
                    return connection.execute(statement, values).fetchall()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise DataError(
                f"{self._file}: remembered findings cannot be read or written ({type(error).__name__})",
                "Delete the file: it will be made again",
            ) from None


def remembering_scanner(privacy: Privacy, keys: UseCaseKeys, folder: Path | None) -> "Scanner | RememberedFindings":
    """The scanner of a use case, with a memory where there is a folder for it."""
    scanner = Scanner(privacy)
    return RememberedFindings(folder, keys.derived("findings"), scanner, privacy) if folder else scanner


def _what_finds(scanner: Scanner, privacy: Privacy) -> str:
    """Hash of all that decides what is found in a text: settings, code, model."""
    custom = {name: entity.model_dump() for name, entity in privacy.custom.items()}
    settings = {
        "entities": sorted(scanner.entities),
        "custom": custom,
        "min_score": privacy.min_score,
        "kept": scanner.kept,
    }
    return settings_hash({**settings, "code": code(), "ner": privacy.ner, "model": identity(privacy)})
