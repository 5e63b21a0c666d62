"""Sessions: who is signed in, kept here, and known by a random id in a cookie.

Covered: a session ends when it is idle or old, at sign-out, when its user changes (disabled, removed, another
password), and when the provider says so; each sign-in has a new id; only hashes of ids are kept. Not covered: who reads
the cookie of a browser has its session.
"""

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from ft_platform.lake.keys.given_out import digest
from ft_platform.people.identity.database import Database
from ft_platform.people.person import Person

ID_BYTES = 32
SEEN_SECONDS = 30
"""How exact idle time is: a session is written at most this often."""
COLUMNS = "name, groups, known_by, epoch, subject, provider_session, started, seen"


@dataclass(frozen=True)
class Session:
    """One session.

    Attributes:
        epoch: that of the user when they signed in; empty where the person is none of `ft users`.
        subject: name of the person at the provider, with the provider's address.
        provider_session: the provider's own name of its session.
    """

    person: Person
    epoch: str = ""
    subject: str = ""
    provider_session: str = ""


class Sessions:
    """The sessions of an installation.

    Args:
        idle_seconds: without a request after which a session ends.
        most_seconds: after which it ends in any case.
        clock: seconds since 1970.
    """

    def __init__(
        self, database: Database, idle_seconds: float, most_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._database, self._idle, self._most, self._clock = database, idle_seconds, most_seconds, clock

    def start(self, session: Session) -> str:
        """The id of a new session, which is only told to the browser."""
        made, now, person = secrets.token_urlsafe(ID_BYTES), self._clock(), session.person
        row = (person.name, json.dumps(sorted(person.groups)), person.known_by, session.epoch, session.subject)
        with self._database.changing() as connection:
            connection.execute(
                "delete from sessions where seen <= ? or started <= ? or seen > ?",
                (now - self._idle, now - self._most, now + SEEN_SECONDS),
            )
            connection.execute(
                f"insert into sessions(id, {COLUMNS}) values(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (digest(made), *row, session.provider_session, now, now),
            )
        return made

    def find(self, session_id: str, *, is_used: bool = True) -> Session | None:
        """The session with an id, or None if there is none or it has ended.

        Args:
            is_used: a person asks for something; False: only look.
        """
        kept, now = digest(session_id), self._clock()
        with self._database.reading() as connection:
            row = connection.execute(f"select {COLUMNS} from sessions where id = ?", (kept,)).fetchone()
        if row is None:
            return None
        name, groups, known_by, epoch, subject, provider_session, started, seen = row
        if seen <= now - self._idle or started <= now - self._most or seen > now + SEEN_SECONDS:
            return None  # the last: the clock was ahead, and this would be good for as long
        if is_used and seen < now - SEEN_SECONDS:
            with self._database.changing() as connection:
                connection.execute("update sessions set seen = ? where id = ?", (now, kept))
        return Session(Person(name, frozenset(json.loads(groups)), known_by), epoch, subject, provider_session)

    def end(self, session_id: str) -> None:
        with self._database.changing() as connection:
            connection.execute("delete from sessions where id = ?", (digest(session_id),))

    def end_of_subject(self, subject: str, provider_session: str) -> list[str]:
        """Ends the sessions that a provider names: one of its own where it gives that, else all of a person. Returns
        whose they were."""
        where, values = "subject = ?", [subject]
        if provider_session:
            where, values = f"provider_session = ? or provider_session = '' and {where}", [provider_session, subject]
        with self._database.changing() as connection:
            rows = connection.execute(f"delete from sessions where {where} returning name", values).fetchall()
        return [name for (name,) in rows]
