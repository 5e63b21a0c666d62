"""What counts once, and only for a while: sign-ins that were begun, and ids of logout tokens."""

import json
import time
from collections.abc import Callable, Sequence

from ft_platform.lake.keys.given_out import digest
from ft_platform.people.identity.database import Database

MOST = 10_000
"""Kept at once; the oldest go first, so that nobody fills the disk."""


class Once:
    """Args:
    clock: seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock

    def keep(self, what: str, values: Sequence[str], seconds: float) -> None:
        """Keeps something until it is taken, or the time is over."""
        self._put(what, json.dumps(list(values)), seconds)

    def take(self, what: str) -> list[str] | None:
        """What was kept, which is gone then; None if there is nothing."""
        with self._database.changing() as connection:
            rows = connection.execute(
                "delete from once where what = ? returning value, until", (digest(what),)
            ).fetchall()
        return json.loads(rows[0][0]) if rows and rows[0][1] > self._clock() else None

    def is_first(self, what: str, seconds: float) -> bool:
        """Whether something happens for the first time, as far as is remembered."""
        return self._put(what, "[]", seconds)

    def _put(self, what: str, value: str, seconds: float) -> bool:
        now = self._clock()
        with self._database.changing() as connection:
            connection.execute("delete from once where until <= ?", (now,))
            excess = "select what from once order by until desc limit -1 offset ?"
            connection.execute(f"delete from once where what in ({excess})", (MOST - 1,))
            put = connection.execute("insert or ignore into once values(?, ?, ?)", (digest(what), value, now + seconds))
            return put.rowcount == 1
