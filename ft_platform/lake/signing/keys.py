"""Ed25519 keys (RFC 8032) of an installation, in versions. Programs sign with the newest; everybody verifies with the
public halves.

The private keys are a key ring like that of pseudonyms, kept by the same providers (a file, AWS KMS, AWS Secrets
Manager, a variable). The public halves and their state stand in `keys.json`, which whoever may write to the lake must
not be able to write.

Covered: a version that was rotated out still verifies what it signed. A version that was lost stays, too. One that was
stolen verifies only what it signed before a moment that a person names, and nothing that came after the day of the
report. A thief of the newest version has no older one with it: rotation keeps the private half of the new version only.
Not covered: whoever may act as the account of the
operating system that runs the programs has the newest private key and can sign anything.
"""

import base64
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from ft_platform.errors import ConfigError, CorruptVersion, KeyMissing
from ft_platform.lake.files import locked, write_bytes
from ft_platform.lake.keys.key_ring import KeyRing, read_key_ring
from ft_platform.lake.keys.providers import KeyPlace
from ft_platform.lake.signing.certificates import certificates, model_key

FILE = "keys.json"


@dataclass(frozen=True)
class PublicKey:
    """The public half of one version.

    Attributes:
        key_id: first 16 hex digits of the sha256 of the public key (32 bytes).
        public: the public key in base64.
        stolen_since: moment from which on its signatures count no more, ISO 8601; empty: it was not stolen.
        last_entries: of a stolen key: folder of seals -> number of the newest entry when that was reported. Later ones
            do not count.
        root: certificate of this key (PEM), under which others verify models; empty: of a version that was never the
            newest since there are any.
        leaf: certificate of the key that signs models.
    """

    version: int
    key_id: str
    public: str
    stolen_since: str = ""
    last_entries: tuple[tuple[str, int], ...] = ()
    root: str = ""
    leaf: str = ""

    @cached_property
    def _verifier(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(base64.b64decode(self.public))

    def signed(self, content: bytes, signature: bytes) -> bool:
        """Whether the private half made this signature of these bytes."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._verifier.verify(signature, content)
        except InvalidSignature:
            return False
        return True

    def trusted(self, folder: str, number: int, at: str) -> bool:
        """Whether a good signature of an entry counts: always, but for a stolen key."""
        return not self.stolen_since or (at < self.stolen_since and number <= dict(self.last_entries).get(folder, -1))


class SigningKeys:
    """Keys of one installation.

    Args:
        place: where the private keys are kept.
        folder: where `keys.json` lies.
    """

    def __init__(self, place: KeyPlace, folder: Path) -> None:
        self._place, self._file = place, folder / FILE
        self._read: tuple[Any, dict[str, PublicKey]] = None, {}

    @property
    def public(self) -> dict[str, PublicKey]:
        """Public keys by id; none before the first was made. Another process may add one at any time.

        Raises:
            CorruptVersion: the file cannot be read.
        """
        try:
            state = self._file.stat()
        except FileNotFoundError:
            return {}
        seen = state.st_ino, state.st_mtime_ns, state.st_size
        if self._read[0] != seen:
            self._read = seen, self._load()
        return self._read[1]

    def _load(self) -> dict[str, PublicKey]:
        try:
            found = [
                PublicKey(**{**one, "last_entries": tuple(map(tuple, one["last_entries"]))})
                for one in json.loads(self._file.read_text())["keys"]
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = f"the public keys in {self._file} cannot be read ({type(error).__name__})"
            raise CorruptVersion(problem, "Restore the file from a backup") from None
        return {key.key_id: key for key in found}

    @cached_property
    def _newest(self) -> tuple[str, Any]:
        """Id and private key of the newest version; the first time it is made.

        Raises:
            KeyMissing: it was there and is not any more, or it is another than the public one.
        """
        with locked(self._file.with_suffix(".lock")):
            provider = self._place.open()
            if provider.read() is None:
                if self.public:
                    problem = f"the signing key is not in {provider.where} any more"
                    raise KeyMissing(problem, "Restore it, or go on with a new one: ft seals rotate")
                provider.write(KeyRing({}).rotated().to_text())
            ring = read_key_ring(self._place)
            key = _private(ring.keys[ring.newest])
            own = _public(ring.newest, key)
            known = self.public.get(own.key_id)
            if known is None and self.public and ring.newest <= max(one.version for one in self.public.values()):
                problem = f"the signing key in {provider.where} is another than the one in {self._file}"
                raise KeyMissing(problem, "Restore it, or go on with: ft seals rotate")
            if known is None or not known.root:
                root, leaf = certificates(own.version, own.key_id, key)
                self._save({**self.public, own.key_id: replace(known or own, root=root, leaf=leaf)})
        if self.public[own.key_id].stolen_since:
            raise KeyMissing("the signing key was reported stolen", "Make a new one with: ft seals rotate")
        return own.key_id, key

    @property
    def newest(self) -> str:
        """Id of the key that signs."""
        return self._newest[0]

    def sign(self, content: bytes) -> bytes:
        """The signature of the newest key, 64 bytes."""
        return self._newest[1].sign(content)

    def model_signer(self) -> tuple[bytes, PublicKey]:
        """The P-256 key that signs models, as PEM (PKCS#8), and the version it belongs to. Keep it off every disk.

        Raises:
            KeyMissing: as of `newest`.
        """
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        key_id, key = self._newest
        secret = key.private_bytes_raw()
        return (model_key(secret).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), self.public[key_id])

    def rotate(self) -> PublicKey:
        """Makes a new version, which signs from now on. Its private half is the only one that is kept: older ones
        verify without."""
        with locked(self._file.with_suffix(".lock")):
            provider = self._place.open()
            ring = (
                read_key_ring(self._place)
                if provider.read() is not None
                else KeyRing({}, {one.version: "lost" for one in self.public.values()})
            )
            while not ring.keys or ring.newest <= max((one.version for one in self.public.values()), default=0):
                ring = ring.rotated()
            for older in sorted(ring.keys)[:-1]:
                ring = ring.without(older)
            provider.write(ring.to_text())
        self.__dict__.pop("_newest", None)
        newest = self.newest
        return self.public[newest]

    def report_stolen(self, key_id: str, since: str, last_entries: dict[str, int]) -> None:
        """Notes that a key is in wrong hands: its signatures count up to `since` and to these entries only.

        Raises:
            ConfigError: there is no such key.
        """
        with locked(self._file.with_suffix(".lock")):
            if key_id not in self.public:
                raise ConfigError([f"there is no signing key {key_id!r}; there are {sorted(self.public)}"])
            stolen = replace(self.public[key_id], stolen_since=since, last_entries=tuple(sorted(last_entries.items())))
            self._save({**self.public, key_id: stolen})
        self.__dict__.pop("_newest", None)

    def _save(self, keys: dict[str, PublicKey]) -> None:
        write_bytes(
            LocalFileSystem(),
            str(self._file),
            json.dumps({"keys": [asdict(key) for key in keys.values()]}, indent=1).encode(),
        )


def _private(seed: bytes) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed[:32])


def _public(version: int, key: Any) -> PublicKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return PublicKey(version, hashlib.sha256(raw).hexdigest()[:16], base64.b64encode(raw).decode())
