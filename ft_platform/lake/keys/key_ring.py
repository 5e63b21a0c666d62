"""Key rings with versions, the keys of one use case that are derived from them, and handles that name a key without
holding it.

Decision: pseudonyms are HMAC-SHA-256 under a key derived per use case, not AES-SIV ciphertexts. A ciphertext of a name
is 35 characters or longer, grows with the original, shows its length and turns the key of the anonymization step into a
key that reads every record; a truncated HMAC has one short form, costs a language model few tokens, and whoever deletes
the key version ends all linking for good. Reading originals back is left to the vault (`privacy.vault`), which has a
key of its own and can be left out.

Covered: keys never stand in settings, manifests, the event log or pickles (`UseCaseKeys` refuses to be pickled; workers
get a `KeyHandle` and open the provider themselves). Not covered: the memory of the process, a provider whose access
rights are too wide."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from ft_platform.errors import ConfigError, KeyMissing
from ft_platform.lake.keys.providers import KeyPlace

if TYPE_CHECKING:
    from ft_platform.use_case.settings.environment import Environment

KEY_BYTES = 32
SALT = b"ft_platform pseudonyms v1"


@dataclass(frozen=True)
class KeyRing:
    """All versions of one secret. The highest is the newest; a retired version is gone, only its number stays.

    Attributes:
        keys: version -> secret of at least 32 bytes.
        retired: version -> date of its removal.
    """

    keys: Mapping[int, bytes] = field(repr=False)
    retired: Mapping[int, str] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        return max(self.keys)

    def version(self, wanted: int) -> int:
        """The version that a setting asks for; 0 asks for the newest.

        Raises:
            KeyMissing: it was retired or never made.
        """
        if wanted in self.retired:
            problem = f"version {wanted} of the pseudonym key was retired on {self.retired[wanted]}"
            raise KeyMissing(problem, "Set `privacy.key_version: 0`")
        if wanted and wanted not in self.keys:
            raise KeyMissing(
                f"there is no version {wanted} of the pseudonym key, only {sorted(self.keys)}",
                "Make a new one with: ft keys rotate",
            )
        return wanted or self.newest

    def rotated(self) -> "KeyRing":
        """With a new secret as the newest version. Numbers are never used again."""
        number = max([*self.keys, *self.retired], default=0) + 1
        return KeyRing({**self.keys, number: secrets.token_bytes(KEY_BYTES)}, self.retired)

    def without(self, version: int) -> "KeyRing":
        """Without the secret of a version: its pseudonyms can be made and linked by nobody any more.

        Raises:
            ConfigError: it is the newest one or does not exist.
        """
        if version not in self.keys or version == self.newest:
            problem = f"version {version} cannot be retired: there is {sorted(self.keys)}, and the newest stays"
            raise ConfigError([problem], "Rotate first: ft keys rotate")
        today = datetime.now(UTC).date().isoformat()
        return KeyRing({n: key for n, key in self.keys.items() if n != version}, {**self.retired, version: today})

    def to_text(self) -> str:
        """What a provider stores. A ring of one version is plain hex, as `openssl rand -hex 32` makes it."""
        if list(self.keys) == [1] and not self.retired:
            return self.keys[1].hex()
        keys = {str(n): key.hex() for n, key in sorted(self.keys.items())}
        return json.dumps({"keys": keys, "retired": {str(n): day for n, day in self.retired.items()}})

    @classmethod
    def from_text(cls, text: str, where: str) -> "KeyRing":
        """Inverse of `to_text`.

        Raises:
            KeyMissing: it is neither hex nor such a mapping, or a secret is shorter than 32 bytes.
        """
        try:
            plain = json.loads(text) if text.lstrip().startswith("{") else {"keys": {"1": text.strip()}}
            keys = {int(n): bytes.fromhex(digits) for n, digits in plain["keys"].items()}
            retired = {int(n): str(day) for n, day in plain.get("retired", {}).items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            expected = '{"keys": {"1": "<hex digits>"}}'
            raise KeyMissing(
                f"{where} contains neither hexadecimal digits nor {expected}", "Restore the key of this installation"
            ) from None
        if not keys or min(map(len, keys.values())) < KEY_BYTES:
            raise KeyMissing(
                f"{where} contains a key of less than {KEY_BYTES} bytes, or none", "Create one once with: ft init"
            )
        return cls(keys, retired)


def pseudonym_key_place(environment: "Environment") -> KeyPlace:
    return KeyPlace(environment.pseudonym_key_provider, environment.key_path, "FT_PSEUDONYM_KEY")


def vault_key_place(environment: "Environment") -> KeyPlace:
    return KeyPlace(environment.vault_key_provider, environment.vault_key_path, "FT_VAULT_KEY")


def read_key_ring(place: KeyPlace) -> KeyRing:
    """The keys that are kept at a place. There is no fallback.

    Raises:
        ConfigError: there is no such provider.
        KeyMissing: there is no key, or it cannot be read.
    """
    provider = place.open()
    text = provider.read()
    if text is None:
        problem = f"there is no key in {provider.where}"
        raise KeyMissing(problem, "Create one once with: ft init, or restore the key of this installation")
    return KeyRing.from_text(text, provider.where)


class UseCaseKeys:
    """Keys of one use case, each for one purpose, derived from one version of the ring.

    Args:
        secret: of the installation, at least 32 bytes.
        use_case: name; another use case has keys that tell nothing about these.

    Raises:
        KeyMissing: the secret is too short.
    """

    def __init__(self, secret: bytes, use_case: str) -> None:
        if len(secret) < KEY_BYTES:
            problem = f"the pseudonym key must have at least {KEY_BYTES} bytes, got {len(secret)}"
            raise KeyMissing(problem, "Create one once with: ft init")
        self.use_case = use_case
        self._extracted = hmac.digest(SALT, secret, hashlib.sha256)
        self.fingerprint = hmac.digest(self.derived(""), b"fingerprint", "sha256").hex()[:16]
        """16 hex digits that tell keys apart and give nothing away about them."""

    def derived(self, purpose: str) -> bytes:
        """32 bytes by HKDF-SHA256 (RFC 5869) with one block of output: fixed salt, use case and purpose as context."""
        context = f"{purpose}/{self.use_case}" if purpose else self.use_case
        return hmac.digest(self._extracted, context.encode() + b"\x01", "sha256")

    def __reduce__(self) -> NoReturn:
        raise TypeError("keys are not pickled: hand on a KeyHandle")

    def __repr__(self) -> str:
        return f"UseCaseKeys({self.use_case!r}, fingerprint={self.fingerprint!r})"


@dataclass(frozen=True)
class KeyHandle:
    """Names the keys of one use case without holding them. What a worker in another process gets: it opens the provider
    itself.

    Attributes:
        place: where the ring is kept.
        version: of the ring.
        fingerprint: of the use case's keys; another key is noticed.
    """

    place: KeyPlace
    use_case: str
    version: int
    fingerprint: str

    def open(self) -> UseCaseKeys:
        """The keys.

        Raises:
            KeyMissing: there are none, or they are others than those of the process that made the handle.
        """
        ring = read_key_ring(self.place)
        keys = UseCaseKeys(ring.keys[ring.version(self.version)], self.use_case)
        if not hmac.compare_digest(keys.fingerprint, self.fingerprint):
            raise KeyMissing(
                f"{self.use_case}: this process reads a different pseudonym key from the step's (fingerprint"
                f" {self.fingerprint} expected)",
                "Give all machines one key",
            )
        return keys


def key_handle(ring: KeyRing, place: KeyPlace, use_case: str, version: int = 0) -> KeyHandle:
    """A handle of a version of the ring at a place, 0 for the newest.

    Raises:
        KeyMissing: there is not this version.
    """
    number = ring.version(version)
    return KeyHandle(place, use_case, number, UseCaseKeys(ring.keys[number], use_case).fingerprint)


def require_known_key(ring: KeyRing, use_case: str, info: Mapping[str, str]) -> None:
    """Returns if the ring is the one that an earlier version of the use case was made with.

    A rotated ring still holds the earlier key, or says that it was retired: then new pseudonyms are meant.

    Args:
        info: of that version's manifest: `key_fingerprint`, and `key_version`, which was 1 before there were others.

    Raises:
        KeyMissing: it is another ring. New pseudonyms would not match the old ones by mistake: persons would be split
            in two.
    """
    version, fingerprint = int(info.get("key_version", 1)), info["key_fingerprint"]
    if version in ring.retired:
        return
    if version not in ring.keys or not hmac.compare_digest(
        fingerprint, UseCaseKeys(ring.keys[version], use_case).fingerprint
    ):
        raise KeyMissing(
            f"{use_case}: the pseudonym key is not the one behind earlier versions of anonymized_records (version"
            f" {version}, fingerprint {fingerprint} expected); with a different key, the same person would get a"
            " different pseudonym",
            "Restore the key (FT_KEY_PROVIDER, FT_KEY_FILE or FT_PSEUDONYM_KEY), or change it on purpose with: ft keys"
            " rotate",
        )
