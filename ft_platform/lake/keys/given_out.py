"""Private lists in a file that its owner alone may read, and secrets that are given out once and known again.

Of a secret only the SHA-256 is kept; it has 256 random bits, so that no slow hash is needed (NIST SP 800-63B, 5.1.2.2,
look-up secrets).

Covered: several processes that change a list at once; a running server notices changes within a second, and never
becomes open because the file vanished or was damaged; secrets are compared in constant time. Not covered: who holds a
secret.
"""

import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from ft_platform.errors import StateDamaged
from ft_platform.lake.files import locked
from ft_platform.lake.keys.providers.file import write_private

LOG = logging.getLogger(__name__)

SECRET_BYTES = 32
LOOK_SECONDS = 1.0
"""Between two looks at a file."""


@dataclass(frozen=True, kw_only=True)
class GivenOut:
    """A secret that was given out, without the secret itself.

    Attributes:
        name: who or what uses it.
        digest: SHA-256 of the secret, hexadecimal.
        created, expires, revoked: times as ISO 8601 in UTC, or None.
    """

    id: str
    name: str
    digest: str
    created: str
    expires: str | None = None
    revoked: str | None = None

    def __post_init__(self) -> None:
        self.state(now())

    def state(self, at: datetime) -> str:
        """`usable`, `revoked` or `expired`."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and datetime.fromisoformat(self.expires) <= at else "usable"


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def give_out(prefix: str, days: int | None) -> tuple[dict[str, Any], str]:
    """Fields of a new `GivenOut` but for its name, and what is given out, `<prefix>_<id>_<secret>`, which nobody can
    show again."""
    key_id, secret, made = secrets.token_hex(4), secrets.token_urlsafe(SECRET_BYTES), now()
    expires = (made + timedelta(days=days)).isoformat() if days is not None else None
    fields = {"id": key_id, "digest": digest(secret), "created": made.isoformat(), "expires": expires}
    return fields, f"{prefix}_{key_id}_{secret}"


G = TypeVar("G", bound=GivenOut)


class NotGood(Exception):
    """What somebody gives is none of the secrets, or one that is not good any more. The words do not quote it."""


def known_again(given: str, prefix: str, kept: Iterable[G]) -> G:
    """The one of `kept` that somebody gives.

    Raises:
        NotGood: it is none of them, or one that is revoked or expired.
    """
    parts = re.fullmatch(rf"{prefix}_([0-9a-f]{{8}})_([A-Za-z0-9_-]{{43}})", given)
    if parts is None:
        raise NotGood("has another form")
    found = next((one for one in kept if one.id == parts[1]), None)
    # An unknown id takes as long as a wrong secret.
    same = hmac.compare_digest(found.digest if found else "0" * 64, digest(parts[2]))
    if found is None or not same:
        raise NotGood("is not known here")
    if (state := found.state(datetime.now(UTC))) != "usable":
        raise NotGood(f"is {state}")
    return found


T = TypeVar("T")


class PrivateList(Generic[T]):
    """A list in a JSON file with mode 0600.

    Args:
        kind: dataclass of its items.
        name: key in the file that the list stands under.
        what: what it is, for errors: `the keys of the server`.
        remedy: what to do where the file cannot be read.
    """

    def __init__(self, path: Path, kind: type[T], name: str, what: str, remedy: str) -> None:
        self.path, self._name, self._what, self._remedy = path, name, what, remedy
        self._items: TypeAdapter[list[T]] = TypeAdapter(list[kind])  # pyright: ignore[reportInvalidTypeForm]

    def read(self) -> list[T]:
        """Its items; none if there is no file.

        Raises:
            StateDamaged: the file cannot be read.
        """
        try:
            return self._items.validate_python(json.loads(self.path.read_text(encoding="utf-8"))[self._name])
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StateDamaged(
                f"{self._what} in {self.path} cannot be read ({type(error).__name__})", self._remedy
            ) from None

    def change(self, change: Callable[[list[T]], list[T]]) -> None:
        """Puts what `change` makes of the items in their place, while no other process does.

        Raises:
            StateDamaged: the file cannot be read; it stays as it is.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self.path.with_suffix(".lock")):
            items = [asdict(item) for item in change(self.read())]  # pyright: ignore[reportArgumentType]
            write_private(self.path, json.dumps({self._name: items}, indent=1))


class Watched(Generic[T]):
    """A private list as a running server uses it.

    Attributes:
        items: those of the newest look; none while the file cannot be read.
        required: whether there were items at any time, or the file was damaged; once true, it stays so.

    Raises:
        StateDamaged: the file cannot be read at the start.
    """

    def __init__(self, kept: PrivateList[T] | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept, self._clock = kept, clock
        self.items: list[T] = []
        self.required = False
        self._looked_at = -LOOK_SECONDS
        self._stamp: tuple[int, int, int] | None = None
        self.look(always=True)

    def look(self, *, always: bool = False) -> None:
        """Reads the file again if it has changed.

        Raises:
            StateDamaged: it cannot be read, and `always` is set. Otherwise there are no items until it can.
        """
        at = self._clock()
        if self._kept is None or (at - self._looked_at < LOOK_SECONDS and not always):
            return
        self._looked_at, stamp = at, None
        with suppress(OSError):
            found = self._kept.path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        if stamp == self._stamp and not always:
            return
        try:
            self.items = self._kept.read()
        except StateDamaged as error:
            self.items, self.required = [], True
            if always:
                raise
            LOG.error(f"{error} Until then none of them is good.")
        self._stamp = stamp
        self.required = self.required or bool(self.items)
