"""What is to be told and what was, in a file of the installation: alarms that last, and messages for each channel.

SQLite, where each change is one transaction under its lock, so two daemons queue a message once. Who sends a message
holds it for `LEASE_SECONDS` before another may. Covered: a killed process (its message is sent again, with the same
id), a channel that is down (its messages wait, in their order). Not covered: two homes.
"""

import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ft_platform.errors import TransientError
from ft_platform.monitoring.alerts.alert import SEVERITIES, Alert
from ft_platform.use_case.settings.alerting import Alerting, Severity

BUSY_SECONDS = 10.0
LEASE_SECONDS = 300.0
LONGEST_SECONDS = 2 * 86400.0
"""More than quiet hours or a failed channel hold a message back: one that is due later is of a clock that was ahead."""
KEPT_DAYS = 90
"""Messages that were sent, and keys of events, are forgotten then."""
TABLES = """
CREATE TABLE IF NOT EXISTS alarms (
    use_case TEXT NOT NULL, key TEXT NOT NULL, alert TEXT NOT NULL, channels TEXT NOT NULL,
    raised REAL NOT NULL, told REAL NOT NULL, PRIMARY KEY (use_case, key)
);
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, channel TEXT NOT NULL, use_case TEXT NOT NULL,
    key TEXT NOT NULL, content TEXT NOT NULL, held INTEGER NOT NULL, due REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, leased REAL NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '', sent REAL
);
CREATE TABLE IF NOT EXISTS digests (
    channel TEXT NOT NULL, recipient TEXT NOT NULL, state TEXT NOT NULL, day TEXT NOT NULL,
    PRIMARY KEY (channel, recipient)
);
CREATE INDEX IF NOT EXISTS unsent ON messages (channel, due) WHERE sent IS NULL;
"""
DIGEST = "digest"
NEEDS = "needs"
"""Event of a message that says what waits for its recipient."""
EARLIER = """EXISTS (
    SELECT 1 FROM messages AS e WHERE e.channel = m.channel AND e.number < m.number AND e.sent IS NULL AND {which} AND (
        (e.use_case = m.use_case AND e.key = m.key)
        OR (e.key = 'digest' AND instr(e.content, '"key": ' || json_quote(m.key)))
    )
)"""
"""An earlier message of the same alarm, by itself or in a digest, that has not arrived: nobody must hear of the end
before the start."""
NEXT = f"""
SELECT * FROM messages AS m WHERE channel = :channel AND sent IS NULL
AND (due <= :at OR due > :at + {LONGEST_SECONDS}) AND (leased <= :at OR leased > :at + {2 * LEASE_SECONDS})
AND NOT {EARLIER.format(which="1")} ORDER BY attempts, number LIMIT 1
"""
HELD = f"""
SELECT number, content FROM messages AS m WHERE channel = :channel AND held AND sent IS NULL
AND (due <= :at OR due > :at + {LONGEST_SECONDS})
AND NOT {EARLIER.format(which="NOT e.held")} ORDER BY number
"""


@dataclass(frozen=True)
class Message:
    """One message to one channel.

    Attributes:
        id: the same however often it is sent.
        event: `raised`, `reminder`, `resolved`, `digest`, `needs` or `test`.
        alerts: with the event of each; several in a digest.
        at: when it was queued, ISO 8601 in UTC.
    """

    id: str
    event: str
    alerts: tuple[tuple[str, Alert], ...]
    at: str

    def to_dict(self) -> dict[str, Any]:
        told = [{"event": event, **asdict(alert)} for event, alert in self.alerts]
        return {"id": self.id, "event": self.event, "at": self.at, "alerts": told}


def message_of(content: dict[str, Any]) -> Message:
    """The message that `to_dict` wrote."""
    alerts = tuple((one["event"], Alert(**{k: v for k, v in one.items() if k != "event"})) for one in content["alerts"])
    return Message(content["id"], content["event"], alerts, content["at"])


class Outbox:
    """One open file of messages; `opened` opens it."""

    def __init__(self, connection: sqlite3.Connection, settings: Alerting) -> None:
        self._connection, self._settings = connection, settings

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield self._connection

    def raised(self, alert: Alert, channels: Sequence[str], now: datetime) -> None:
        """Takes in an alarm that lasts at this moment, or an event."""
        with self._writing() as connection:
            self._raise(connection, alert, channels, now)

    def resolved(self, use_case: str, key: str, now: datetime) -> None:
        """The alarm is over, if there is one with this key."""
        with self._writing() as connection:
            self._resolve(connection, use_case, key, now)

    def lasting(
        self, use_case: str, source: str, alerts: Sequence[Alert], channels: Sequence[str], now: datetime
    ) -> None:
        """Takes in all alarms of a source that last at this moment; others of this source are over."""
        with self._writing() as connection:
            for alert in alerts:
                self._raise(connection, alert, channels, now)
            known = connection.execute("SELECT key, alert FROM alarms WHERE use_case = ?", (use_case,)).fetchall()
            for row in known:
                kept = Alert(**json.loads(row["alert"]))
                if kept.source == source and not kept.once and row["key"] not in {alert.key for alert in alerts}:
                    self._resolve(connection, use_case, row["key"], now)

    def _raise(self, connection: sqlite3.Connection, alert: Alert, channels: Sequence[str], now: datetime) -> None:
        at = now.timestamp()
        found = connection.execute(
            "SELECT * FROM alarms WHERE use_case = ? AND key = ?", (alert.use_case, alert.key)
        ).fetchone()
        before = Alert(**json.loads(found["alert"])) if found else None
        worse = before and SEVERITIES.index(alert.severity) > SEVERITIES.index(before.severity)
        told = bool(found) and abs(at - found["told"]) < self._settings.remind_days * 86400
        if found and not worse and (alert.once or told):
            return
        self._queue(connection, "reminder" if found and not worse else "raised", alert, channels, now)
        connection.execute(
            "INSERT OR REPLACE INTO alarms VALUES (?, ?, ?, ?, ?, ?)",
            (
                alert.use_case,
                alert.key,
                json.dumps(asdict(alert)),
                json.dumps(sorted({*channels, *(json.loads(found["channels"]) if found else [])})),
                found["raised"] if found else at,
                at,
            ),
        )

    def _resolve(self, connection: sqlite3.Connection, use_case: str, key: str, now: datetime) -> None:
        found = connection.execute("SELECT * FROM alarms WHERE use_case = ? AND key = ?", (use_case, key)).fetchone()
        if found and not (alert := Alert(**json.loads(found["alert"]))).once:
            self._queue(connection, "resolved", alert, json.loads(found["channels"]), now)
            connection.execute("DELETE FROM alarms WHERE use_case = ? AND key = ?", (use_case, key))

    def _queue(
        self, connection: sqlite3.Connection, event: str, alert: Alert, channels: Sequence[str], now: datetime
    ) -> None:
        quiet = self._settings.quiet_hours
        waits = quiet.until(now) if quiet and alert.severity not in quiet.passes else None
        for channel in channels:
            message = Message(uuid.uuid4().hex, event, ((event, alert),), _iso(now))
            self._insert(
                connection, channel, message, alert.use_case, alert.key, (waits or now).timestamp(), bool(waits)
            )

    def _insert(
        self,
        connection: sqlite3.Connection,
        channel: str,
        message: Message,
        use_case: str,
        key: str,
        due: float,
        held: bool = False,
    ) -> None:
        connection.execute(
            "INSERT INTO messages (id, channel, use_case, key, content, held, due) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (message.id, channel, use_case, key, json.dumps(message.to_dict()), held, due),
        )

    def claim(self, channel: str, now: datetime) -> tuple[int, int, Message] | None:
        """The next message that is due, which nobody else gets for a while: number, attempts before, message. What
        quiet hours held back is one message from here on."""
        at = now.timestamp()
        with self._writing() as connection:
            self._digest(connection, channel, now)
            found = connection.execute(NEXT, {"channel": channel, "at": at}).fetchone()
            if found is None:
                return None
            connection.execute("UPDATE messages SET leased = ? WHERE number = ?", (at + LEASE_SECONDS, found["number"]))
            return found["number"], found["attempts"], message_of(json.loads(found["content"]))

    def _digest(self, connection: sqlite3.Connection, channel: str, now: datetime) -> None:
        rows = connection.execute(HELD, {"channel": channel, "at": now.timestamp()}).fetchall()
        if len(rows) > 1:
            alerts = tuple(pair for row in rows for pair in message_of(json.loads(row["content"])).alerts)
            connection.executemany("DELETE FROM messages WHERE number = ?", [(row["number"],) for row in rows])
            message = Message(uuid.uuid4().hex, DIGEST, alerts, _iso(now))
            self._insert(connection, channel, message, "", DIGEST, now.timestamp())

    def digest(
        self, channel: str, recipient: str, alerts: Sequence[Alert], state: str, day: str, now: datetime
    ) -> bool:
        """Takes in what waits for a recipient: a message about it is queued at most once a day, and if it is other than
        in the message before. One that did not arrive yet is replaced.

        Args:
            alerts: none: nothing waits, and the next thing that does is told.
            state: hash of what waits.
            day: ISO 8601.

        Returns:
            Whether a message is queued.
        """
        key, at = f"{NEEDS}/{recipient}", now.timestamp()
        with self._writing() as connection:
            known = connection.execute(
                "SELECT state, day FROM digests WHERE channel = ? AND recipient = ?", (channel, recipient)
            ).fetchone()
            if known and (known["state"] == state or (alerts and known["day"] == day)):
                return False
            kept = (channel, recipient, state, day if alerts or not known else known["day"])
            connection.execute("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?)", kept)
            waiting = "DELETE FROM messages WHERE channel = ? AND key = ? AND sent IS NULL AND leased <= ?"
            connection.execute(waiting, (channel, key, at))
            if alerts:
                message = Message(uuid.uuid4().hex, NEEDS, tuple((NEEDS, one) for one in alerts), _iso(now))
                self._insert(connection, channel, message, "", key, at)
            return bool(alerts)

    def digested(self, channel: str) -> set[str]:
        """Recipients who were told once what waits for them."""
        return {
            row[0] for row in self._connection.execute("SELECT recipient FROM digests WHERE channel = ?", (channel,))
        }

    def sent(self, number: int, now: datetime) -> None:
        """A message arrived."""
        old = (now - timedelta(days=KEPT_DAYS)).timestamp()
        with self._writing() as connection:
            connection.execute(
                "UPDATE messages SET sent = ?, attempts = attempts + 1, problem = '' WHERE number = ?",
                (now.timestamp(), number),
            )
            connection.execute("DELETE FROM messages WHERE sent < ?", (old,))
            connection.execute("DELETE FROM alarms WHERE told < ? AND json_extract(alert, '$.once')", (old,))

    def failed(self, number: int, problem: str, again: datetime) -> None:
        """A message did not arrive; it is due again at that moment."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE messages SET attempts = attempts + 1, problem = ?, due = ?, leased = 0 WHERE number = ?",
                (problem, again.timestamp(), number),
            )

    def alarms(self, use_case: str) -> list[tuple[Alert, datetime]]:
        """Those that last, with the time of each."""
        rows = self._connection.execute("SELECT * FROM alarms WHERE use_case = ? ORDER BY raised", (use_case,))
        found = [(Alert(**json.loads(row["alert"])), datetime.fromtimestamp(row["raised"], UTC)) for row in rows]
        return [(alert, raised) for alert, raised in found if not alert.once]

    def messages(self, use_case: str) -> list[dict[str, Any]]:
        """Each message with an alert of a use case, oldest first: what it says, and whether it arrived."""
        rows = self._connection.execute("SELECT * FROM messages ORDER BY number").fetchall()
        return [told for row in rows if (told := _told(row, use_case))["alerts"]]

    def waiting(self) -> set[str]:
        """Channels with messages that did not arrive yet."""
        return {row[0] for row in self._connection.execute("SELECT DISTINCT channel FROM messages WHERE sent IS NULL")}


def severity_of(message: Message) -> Severity:
    """The highest of its alerts."""
    return SEVERITIES[max(SEVERITIES.index(alert.severity) for _, alert in message.alerts)]


def _told(row: sqlite3.Row, use_case: str) -> dict[str, Any]:
    """A message without the alerts of other use cases."""
    content = json.loads(row["content"])
    return {
        **content,
        "alerts": [one for one in content["alerts"] if one["use_case"] == use_case],
        "channel": row["channel"],
        "attempts": row["attempts"],
        "problem": row["problem"],
        "due": _iso(datetime.fromtimestamp(row["due"], UTC)),
        "sent": row["sent"] and _iso(datetime.fromtimestamp(row["sent"], UTC)),
    }


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def outbox_path(home: Path) -> Path:
    return home / "alerts.db"


@contextmanager
def opened(home: Path, settings: Alerting) -> Iterator[Outbox]:
    """The outbox of an installation, made if there is none; only its account may read it.

    Raises:
        TransientError: it cannot be read or written at the moment.
    """
    path = outbox_path(home)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous=FULL")
            connection.executescript(TABLES)
            yield Outbox(connection, settings)
    except (sqlite3.Error, PermissionError) as error:
        raise TransientError(f"{path} cannot be used: {error}", "Look at its account and at the disk") from None
