"""Keys with which clients use the server: made, listed, revoked, and checked at each request.

A key is `ft_<id>_<secret>`. Only the SHA-256 of the secret is kept; it has 256 random bits, so that no slow hash is
needed (NIST SP 800-63B, 5.1.2.2, look-up secrets).

Covered: keys for one use case or all, that end on a day or are revoked, with a number of requests per minute; secrets
are compared in constant time; a running server notices changes within a second, and never becomes open because the file
vanished or was damaged. Not covered: who holds a key, and limits that several servers share.
"""

import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from ft_platform.errors import ConfigError, StateDamaged
from ft_platform.keys.providers.file import write_private
from ft_platform.lake.files import locked
from ft_platform.settings.environment import Environment

LOG = logging.getLogger(__name__)

EVERY_USE_CASE = "all"
KEY = re.compile(r"ft_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
SECRET_BYTES = 32
DEFAULT_RATE = 600
"""Requests per minute: ten a second, more than a person causes and less than keeps others waiting for long."""
LOOK_SECONDS = 1.0
"""Between two looks at the file."""


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret.

    Attributes:
        name: who or what uses it.
        use_case: the one whose models it may ask, or `all`.
        digest: SHA-256 of the secret, hexadecimal.
        created, expires, revoked: times as ISO 8601 in UTC, or None.
        rate: requests per minute.
        unguarded: it may ask for answers without guardrails.
    """

    id: str
    name: str
    use_case: str
    digest: str
    created: str
    expires: str | None = None
    revoked: str | None = None
    rate: Annotated[int, Field(ge=1)] = DEFAULT_RATE
    unguarded: bool = False

    def allows(self, use_case: str) -> bool:
        return self.use_case in (EVERY_USE_CASE, use_case)

    def state(self, now: datetime) -> str:
        """`usable`, `revoked` or `expired`."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and datetime.fromisoformat(self.expires) <= now else "usable"


def keys_path(environment: Environment) -> Path:
    return environment.home / "serving" / "api_keys.json"


def read_keys(path: Path) -> list[ApiKey]:
    """The keys of an installation; none if there is no file.

    Raises:
        StateDamaged: the file cannot be read.
    """
    try:
        keys = TypeAdapter(list[ApiKey]).validate_python(json.loads(path.read_text(encoding="utf-8"))["keys"])
        now = datetime.now(UTC)
        for key in keys:
            key.state(now)
        return keys
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StateDamaged(
            f"the keys of the server in {path} cannot be read ({type(error).__name__})",
            "Restore the file, or remove it and make new keys: ft serve keys add",
        ) from None


def add_key(
    path: Path,
    use_case: str,
    name: str,
    days: int | None = None,
    rate: int = DEFAULT_RATE,
    unguarded: bool = False,
) -> tuple[ApiKey, str]:
    """Makes a key. Returns what is kept, and the key itself, which nobody can show again."""
    now, key_id, secret = _now(), secrets.token_hex(4), secrets.token_urlsafe(SECRET_BYTES)
    expires = (now + timedelta(days=days)).isoformat() if days is not None else None
    made = ApiKey(key_id, name, use_case, _digest(secret), now.isoformat(), expires, rate=rate, unguarded=unguarded)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(path.with_suffix(".lock")):
        _write(path, [*read_keys(path), made])
    return made, f"ft_{key_id}_{secret}"


def revoke_key(path: Path, key_id: str) -> ApiKey:
    """Ends a key for good; it stays in the list.

    Raises:
        ConfigError: there is no such key.
    """
    with locked(path.with_suffix(".lock")):
        keys = read_keys(path)
        found = next((key for key in keys if key.id == key_id), None)
        if found is None:
            raise ConfigError([f"there is no key {key_id!r}"], "List them with: ft serve keys list")
        ended = found if found.revoked else replace(found, revoked=_now().isoformat())
        _write(path, [ended if key.id == key_id else key for key in keys])
    return ended


def _write(path: Path, keys: list[ApiKey]) -> None:
    write_private(path, json.dumps({"keys": [asdict(key) for key in keys]}, indent=1))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class KeyRefused(Exception):
    """A request has no key, or one that is not good. The words name no key."""


class RateExceeded(Exception):
    """A key has used up its requests.

    Attributes:
        retry_after: seconds until the next one.
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class ApiKeys:
    """The keys as a running server uses them.

    Attributes:
        required: whether a request needs a key; once true, it stays so.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._keys: dict[str, ApiKey] = {}
        self._buckets: dict[str, tuple[float, float]] = {}
        self._looked_at = -LOOK_SECONDS
        self._stamp: tuple[int, int, int] | None = None
        self.required = False
        self.look(always=True)

    def look(self, *, always: bool = False) -> None:
        """Reads the file again if it has changed.

        Raises:
            StateDamaged: it cannot be read, at the start. Later, no key is good until it can.
        """
        now = self._clock()
        if self._path is None or (now - self._looked_at < LOOK_SECONDS and not always):
            return
        self._looked_at, stamp = now, None
        with suppress(OSError):
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp == self._stamp and not always:
            return
        try:
            self._keys = {key.id: key for key in read_keys(self._path)}
        except StateDamaged as error:
            self._keys, self.required = {}, True
            if always:
                raise
            LOG.error(f"{error} Until then no key is good.")
        self._stamp = stamp
        self.required = self.required or bool(self._keys)

    @property
    def has_usable(self) -> bool:
        now = datetime.now(UTC)
        return any(key.state(now) == "usable" for key in self._keys.values())

    def check(self, given: str | None) -> ApiKey:
        """The key that a client gives.

        Raises:
            KeyRefused: none, or no good one.
        """
        found = KEY.fullmatch(given or "")
        if found is None:
            raise KeyRefused("a key is needed: Authorization: Bearer ft_..." if not given else "this is not a key")
        key = self._keys.get(found[1])
        # An unknown id takes as long as a wrong secret.
        same = hmac.compare_digest(key.digest if key else "0" * 64, _digest(found[2]))
        if key is None or not same:
            raise KeyRefused("this key is not known here")
        if (state := key.state(datetime.now(UTC))) != "usable":
            raise KeyRefused(f"this key is {state}")
        return key

    def charge(self, key: ApiKey, requests: int = 1) -> None:
        """Takes requests from what a key may ask in a minute: a bucket that holds one minute's worth.

        Raises:
            RateExceeded: it is empty. A request that counts for more than a minute's worth needs a full one.
        """
        now = self._clock()
        left, at = self._buckets.get(key.id, (float(key.rate), now))
        left = min(key.rate, left + (now - at) * key.rate / 60)
        needed = min(requests, key.rate)
        if left < needed:
            self._buckets[key.id] = (left, now)
            raise RateExceeded((needed - left) * 60 / key.rate)
        self._buckets[key.id] = (left - requests, now)
