"""Waits after failed attempts: none for the first ones, then longer each time, for an account and for an address, over
restarts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from ft_platform.lake.keys.given_out import digest
from ft_platform.people.identity.database import Database

FREE = {"account": 5, "address": 30, "note": 30}
"""Failures without a wait. Many people share the address of an office."""
LONGEST_SECONDS = 900
"""96 attempts a day at one account, about as many as NIST SP 800-63B-4, 3.2.2, allows in a row (100)."""
FORGOTTEN_SECONDS = 86_400


@dataclass(frozen=True)
class Tried:
    """What is counted: an account, or an address of the network, never kept as such."""

    kind: str
    value: str

    @property
    def key(self) -> str:
        return digest(f"{self.kind}:{self.value}")


def address(client: str, kind: str = "address") -> Tried:
    """An address. Of IPv6 the network, because one machine has 2^64 addresses in it."""
    found = ip_address(client)
    if found.version == 6:
        return Tried(kind, str(ip_network(f"{found}/64", strict=False)))
    return Tried(kind, client)


class Waits:
    """Args:
    clock: seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def attempt(self, *tried: Tried) -> float:
        """Counts an attempt as failed, before it is known whether it is, so that many at once gain nothing. Returns the
        seconds to wait before it may be made, or 0: then it may be made now."""
        now = self._clock()
        with self._database.changing() as connection:
            connection.execute("delete from waits where until <= ?", (now - FORGOTTEN_SECONDS,))
            latest = now + LONGEST_SECONDS  # later ones are of a clock that was ahead
            connection.execute("update waits set until = ? where until > ?", (latest, latest))
            rows = {
                one: connection.execute("select failures, until from waits where who = ?", (one.key,)).fetchone()
                or (0, now)
                for one in tried
            }
            if (wait := max(until for _, until in rows.values()) - now) > 0:
                return wait
            for one, (failures, _) in rows.items():
                more = failures + 1 - FREE[one.kind]
                seconds = min(LONGEST_SECONDS, 2.0 ** min(more, 30)) if more > 0 else 0.0
                connection.execute(
                    "insert or replace into waits values(?, ?, ?)", (one.key, failures + 1, now + seconds)
                )
        return 0.0

    def succeeded(self, *tried: Tried) -> None:
        """The attempt was good: an account starts anew, an address has one failure less."""
        with self._database.changing() as connection:
            for one in tried:
                if one.kind == "account":
                    connection.execute("delete from waits where who = ?", (one.key,))
                else:
                    connection.execute(
                        "update waits set failures = failures - 1, until = ? where who = ?", (self._clock(), one.key)
                    )
