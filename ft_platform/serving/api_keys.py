"""Keys with which clients use the server: made, listed, revoked, and checked at each request.

A key is `ft_<id>_<secret>`; how it is kept and known again says `lake.keys.given_out`.

Covered: keys for one use case or all, that end on a day or are revoked, with a number of requests per minute. Not
covered: who holds a key, and limits that several servers share.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ft_platform.errors import ConfigError
from ft_platform.lake.keys.given_out import GivenOut, NotGood, PrivateList, Watched, give_out, known_again, now
from ft_platform.use_case.settings.environment import Environment

EVERY_USE_CASE = "all"
PREFIX = "ft"
DEFAULT_RATE = 600
"""Requests per minute: ten a second, more than a person causes and less than keeps others waiting for long."""


@dataclass(frozen=True, kw_only=True)
class ApiKey(GivenOut):
    """A key without its secret.

    Attributes:
        use_case: the one whose models it may ask, or `all`.
        rate: requests per minute.
        unguarded: it may ask for answers without guardrails.
    """

    use_case: str
    rate: Annotated[int, Field(ge=1)] = DEFAULT_RATE
    unguarded: bool = False

    def allows(self, use_case: str) -> bool:
        return self.use_case in (EVERY_USE_CASE, use_case)


def keys_path(environment: Environment) -> Path:
    return environment.home / "serving" / "api_keys.json"


def _list(path: Path) -> PrivateList[ApiKey]:
    remedy = "Restore the file, or remove it and make new keys: ft serve keys add"
    return PrivateList(path, ApiKey, "keys", "the keys of the server", remedy)


def read_keys(path: Path) -> list[ApiKey]:
    """The keys of an installation; none if there is no file.

    Raises:
        StateDamaged: the file cannot be read.
    """
    return _list(path).read()


def add_key(
    path: Path,
    use_case: str,
    name: str,
    days: int | None = None,
    rate: int = DEFAULT_RATE,
    unguarded: bool = False,
) -> tuple[ApiKey, str]:
    """Makes a key. Returns what is kept, and the key itself, which nobody can show again."""
    fields, key = give_out(PREFIX, days)
    made = ApiKey(**fields, name=name, use_case=use_case, rate=rate, unguarded=unguarded)
    _list(path).change(lambda keys: [*keys, made])
    return made, key


def revoke_key(path: Path, key_id: str) -> ApiKey:
    """Ends a key for good; it stays in the list.

    Raises:
        ConfigError: there is no such key.
    """
    ended: list[ApiKey] = []

    def revoked(keys: list[ApiKey]) -> list[ApiKey]:
        found = next((key for key in keys if key.id == key_id), None)
        if found is None:
            raise ConfigError([f"there is no key {key_id!r}"], "List them with: ft serve keys list")
        ended.append(found if found.revoked else replace(found, revoked=now().isoformat()))
        return [ended[0] if key.id == key_id else key for key in keys]

    _list(path).change(revoked)
    return ended[0]


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
    """The keys as a running server uses them."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept = Watched(_list(path) if path else None, clock)
        self._buckets: dict[str, tuple[float, float]] = {}

    def look(self, *, always: bool = False) -> None:
        """Reads the file again if it has changed; while it cannot be read, no key is good."""
        self._kept.look(always=always)

    @property
    def required(self) -> bool:
        """Whether a request needs a key; once true, it stays so."""
        return self._kept.required

    @property
    def has_usable(self) -> bool:
        at = datetime.now(UTC)
        return any(key.state(at) == "usable" for key in self._kept.items)

    def check(self, given: str | None) -> ApiKey:
        """The key that a client gives.

        Raises:
            KeyRefused: none, or no good one.
        """
        if not given:
            raise KeyRefused("a key is needed: Authorization: Bearer ft_...")
        try:
            return known_again(given, PREFIX, self._kept.items)
        except NotGood as error:
            raise KeyRefused(f"this key {error}") from None

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
