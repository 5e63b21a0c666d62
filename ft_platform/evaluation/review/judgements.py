"""What raters say in the browser, one transaction for each click, until the review is published.

A SQLite file of the installation, beside what else it keeps of its lakes. Covered: a server that is killed, two windows
and two servers of one machine at once: what was said of a record last counts, and nothing else is lost. Not covered:
two machines, and whoever may act as the account that has the file."""

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ft_platform.errors import NotCurrent, VersionRefused
from ft_platform.lake.seals import NO_KEYS

if TYPE_CHECKING:
    from ft_platform.lake.store import Lake

Better = Literal["a", "b", "equal", "both_bad"]
PATIENCE_SECONDS = 10
LEFT_BEHIND = 2
"""A record that somebody has while each rater judges so many others is given to another one too: no record behind it
counts before it is judged."""
TABLES = """
create table if not exists raters(review text not null, person text not null, number integer not null,
    primary key (review, person));
create table if not exists given(review text not null, person text not null, record text not null, at real not null,
    primary key (review, person));
create table if not exists judgements(number integer primary key, review text not null, person text not null,
    record text not null, better text not null, scores text not null, comment text not null, at real not null,
    seconds real not null, unique (review, person, record));
create table if not exists ended(review text primary key, person text not null, at real not null);
"""


@dataclass(frozen=True)
class Judgement:
    """What one rater said of one record.

    Attributes:
        rater: `rater_1`, ..., in the order in which they began.
        better: `a` is the answer that this rater saw first.
        scores: criterion -> of answer `a` and `b`, 1 to 5.
        at: when it was first said, seconds since 1970; `seconds`: how long that took.
    """

    person: str
    rater: str
    record: str
    better: Better
    scores: Mapping[str, tuple[int, int]]
    comment: str
    at: float
    seconds: float


def file_of(lake: "Lake", use_case: str) -> Path:
    """
    Raises:
        VersionRefused: the lake was opened without keys.
    """
    if lake.signing is None:
        raise VersionRefused(NO_KEYS)
    return lake.signing.folder / "reviews" / lake.signing.place_of(lake.root) / f"{use_case}.sqlite"


class Judgements:
    """Those of one review.

    Args:
        review: its id.
    """

    def __init__(self, lake: "Lake", use_case: str, review: str) -> None:
        self._file, self._review = file_of(lake, use_case), review

    def raters(self) -> dict[str, str]:
        """Person -> handle of who has begun."""
        with _opened(self._file) as connection:
            return _raters(connection, self._review)

    def all(self) -> list[Judgement]:
        """In the order in which they were first said."""
        with _opened(self._file) as connection:
            return _judgements(connection, self._review)

    def given_to(self, person: str) -> str | None:
        """The record that a rater has before them."""
        with _opened(self._file) as connection:
            found = connection.execute(
                "select record from given where review = ? and person = ?", (self._review, person)
            ).fetchone()
        return found[0] if found else None

    def ended(self) -> bool:
        """Whether nothing is taken any more."""
        with _opened(self._file) as connection:
            return _has_ended(connection, self._review)

    def begin(self, person: str) -> str:
        """Makes somebody a rater. Returns their handle."""
        with _changing(self._file) as connection:
            number = len(_raters(connection, self._review)) + 1
            connection.execute("insert or ignore into raters values (?, ?, ?)", (self._review, person, number))
            return _raters(connection, self._review)[person]

    def give(self, person: str, wanted: Mapping[str, int]) -> str | None:
        """Gives a rater the next record. Returns it; None: nothing is left for them.

        Args:
            wanted: record -> judgements that it should have, in the order that was drawn.
        """
        with _changing(self._file) as connection:
            if _has_ended(connection, self._review):
                return None
            taken: dict[str, set[str]] = {}
            for one in _judgements(connection, self._review):
                taken.setdefault(one.record, set()).add(one.person)
            held = self._held(connection, person)
            left = [one for one, count in wanted.items() if len(taken.get(one, ())) < count]
            left = [one for one in left if person not in taken.get(one, ())]
            free = (one for one in left if len(taken.get(one, ())) + held[one] < wanted[one])
            found = next(free, next(iter(left), None))
            connection.execute("delete from given where review = ? and person = ?", (self._review, person))
            if found is not None:
                connection.execute("insert into given values (?, ?, ?, ?)", (self._review, person, found, time.time()))
        return found

    def _held(self, connection: sqlite3.Connection, person: str) -> Counter[str]:
        """Record -> how many others have it before them, and may be expected to judge it soon."""
        many = LEFT_BEHIND * len(_raters(connection, self._review))
        held = connection.execute(
            "select record from given where review = ?1 and person != ?2 and"
            " (select count(*) from judgements where review = ?1 and judgements.at > given.at) < ?3",
            (self._review, person, many),
        )
        return Counter(record for (record,) in held)

    def say(self, person: str, record: str, better: Better, scores: Mapping[str, Sequence[int]], comment: str) -> None:
        """Keeps what a rater says of a record that they have, or had.

        Raises:
            NotCurrent: the review has ended, or the rater never had the record.
        """
        with _changing(self._file) as connection:
            if _has_ended(connection, self._review):
                raise NotCurrent("the review has ended, so nothing was recorded", "Thank you")
            mine = "review = ? and person = ? and record = ?"
            whose = (self._review, person, record)
            given = connection.execute(f"select at from given where {mine}", whose).fetchone()
            known = connection.execute(f"select 1 from judgements where {mine}", whose).fetchone()
            if not given and not known:
                raise NotCurrent("this record is not yours to judge, so nothing was recorded", "Go on with the next")
            now = time.time()
            connection.execute(
                "insert into judgements(review, person, record, better, scores, comment, at, seconds)"
                " values (?, ?, ?, ?, ?, ?, ?, ?) on conflict(review, person, record) do update set"
                " better = excluded.better, scores = excluded.scores, comment = excluded.comment",
                (*whose, better, json.dumps(scores), comment, now, max(0.0, now - given[0]) if given else 0.0),
            )

    def end(self, person: str) -> None:
        """From now on nothing is taken."""
        with _changing(self._file) as connection:
            connection.execute("insert or ignore into ended values (?, ?, ?)", (self._review, person, time.time()))

    def forget(self) -> None:
        """Removes all that was said."""
        with _changing(self._file) as connection:
            for table in ("raters", "given", "judgements"):
                connection.execute(f"delete from {table} where review = ?", (self._review,))


def records_judged(lake: "Lake", use_case: str) -> set[str]:
    """Every record that somebody has judged, or was given."""
    if not file_of(lake, use_case).exists():
        return set()
    with _opened(file_of(lake, use_case)) as connection:
        return {row[0] for row in connection.execute("select record from judgements union select record from given")}


def erase_records(lake: "Lake", use_case: str, records: Collection[str], texts: Collection[str] = ()) -> int:
    """Removes what was said of records, in every review, and comments that hold one of these texts.

    Returns:
        Judgements that changed.
    """
    if not file_of(lake, use_case).exists():
        return 0
    wanted = set(records)
    with _changing(file_of(lake, use_case)) as connection:
        found = list(_about(connection, wanted, texts))
        for number, record in found:
            if record in wanted:
                connection.execute("delete from judgements where number = ?", (number,))
            else:
                connection.execute("update judgements set comment = '' where number = ?", (number,))
        connection.executemany("delete from given where record = ?", [(one,) for one in wanted])
    return len(found)


def count_of_records(lake: "Lake", use_case: str, records: Collection[str], texts: Collection[str] = ()) -> int:
    """How many judgements `erase_records` would change."""
    if not file_of(lake, use_case).exists():
        return 0
    with _opened(file_of(lake, use_case)) as connection:
        return sum(1 for _ in _about(connection, set(records), texts))


def _about(connection: sqlite3.Connection, records: set[str], texts: Collection[str]) -> Iterator[tuple[int, str]]:
    """Number and record of judgements of these records, and of those whose comment holds one of these texts."""
    words = [text.casefold() for text in texts if text]
    for number, record, comment in connection.execute("select number, record, comment from judgements").fetchall():
        if record in records or any(word in comment.casefold() for word in words):
            yield number, record


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(file, PATIENCE_SECONDS, isolation_level=None)) as connection:
        connection.execute("pragma synchronous = full")
        connection.execute("pragma secure_delete = on")
        for statement in TABLES.split(";"):
            connection.execute(statement)
        yield connection


@contextmanager
def _changing(file: Path) -> Iterator[sqlite3.Connection]:
    """One after the other; what the block changes is kept if it does not raise."""
    with _opened(file) as connection:
        connection.execute("begin immediate")
        try:
            yield connection
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")


def _raters(connection: sqlite3.Connection, review: str) -> dict[str, str]:
    found = connection.execute("select person, number from raters where review = ? order by number", (review,))
    return {person: f"rater_{number}" for person, number in found}


def _has_ended(connection: sqlite3.Connection, review: str) -> bool:
    return connection.execute("select 1 from ended where review = ?", (review,)).fetchone() is not None


def _judgements(connection: sqlite3.Connection, review: str) -> list[Judgement]:
    raters = _raters(connection, review)
    columns = "person, record, better, scores, comment, at, seconds"
    found = connection.execute(f"select {columns} from judgements where review = ? order by number", (review,))
    return [
        Judgement(person, raters[person], record, better, _scores(scores), comment, at, seconds)
        for person, record, better, scores, comment, at, seconds in found
    ]


def _scores(text: str) -> dict[str, tuple[int, int]]:
    return {name: (pair[0], pair[1]) for name, pair in json.loads(text).items()}
