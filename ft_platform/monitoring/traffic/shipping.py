"""From the spool of a server to the tables of the lake, each record once.

A commit to a table also notes how far the spool was read (a Delta transaction). Whoever is killed between the commit
and the removal from the spool finds that number, and does not add the rows again. Covered: a kill at any point, two
that ship at once. Not covered: a spool whose disk is lost."""

import logging
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.governance.feedback_releases import feedback_releases, note_forgotten
from ft_platform.governance.ledger import pin_ledger
from ft_platform.governance.reasons import NAMES
from ft_platform.governance.retention import is_held
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.spool import Reader, Spooled, reading
from ft_platform.monitoring.traffic.tables import SCHEMAS, SHARED, TrafficTables
from ft_platform.people.audit_log.opening import note
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.monitoring import Monitoring

LOG = logging.getLogger(__name__)
BATCH = 5_000
DAMAGES = (pa.ArrowException, KeyError, ValueError, TypeError, AttributeError, OverflowError)
"""What a record raises that fits no table; arrow raises Python's own errors too."""


def spool_path(environment: Environment) -> Path:
    """The spool of the servers of this machine."""
    return environment.home / "serving" / "traffic" / "spool.sqlite"


def ship(lake: Lake, spool: Path, later: timedelta = timedelta()) -> dict[str, dict[str, int]]:
    """Ships all that waits.

    Args:
        later: added to the time of each record, for a time-lapse (`ft loop`).

    Returns:
        Use case -> kind -> records added.

    Raises:
        FtError: the lake takes no more; what was not shipped stays in the spool.
    """
    added: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    with reading(spool) as reader:
        while reader and (batch := reader.batch(BATCH)):
            for (use_case, kind), records in _grouped(batch).items():
                added[use_case][kind] += _added(TrafficTables(lake, use_case), kind, records, reader, later)
            reader.remove(batch[-1].number)
    return {use_case: dict(kinds) for use_case, kinds in added.items()}


def _grouped(batch: list[Spooled]) -> dict[tuple[str, str], list[Spooled]]:
    found: dict[tuple[str, str], list[Spooled]] = defaultdict(list)
    for one in batch:
        found[one.use_case, one.kind].append(one)
    return found


def _added(tables: TrafficTables, kind: str, records: list[Spooled], reader: Reader, later: timedelta) -> int:
    if kind not in SCHEMAS:
        return _set_aside(reader, records)
    known = tables.last_of(kind, reader.id)
    new = [one for one in records if one.number > known]
    try:
        rows = as_rows(kind, new, later)
    except DAMAGES:  # seldom, so each is looked at only then
        new, damaged = _apart(kind, new)
        _set_aside(reader, damaged)
        rows = as_rows(kind, new, later)
    if new:
        tables.append(kind, rows, reader.id, records[-1].number)
    return len(new)


def _apart(kind: str, records: list[Spooled]) -> tuple[list[Spooled], list[Spooled]]:
    """Those that fit the table, and those that do not."""
    fit, damaged = [], []
    for one in records:
        try:
            as_rows(kind, [one])
            fit.append(one)
        except DAMAGES:
            damaged.append(one)
    return fit, damaged


def _set_aside(reader: Reader, damaged: list[Spooled]) -> int:
    reader.set_aside([one.number for one in damaged])
    LOG.error(f"{len(damaged)} records of traffic fit no table; they stay in the spool, in the table `damaged`")
    return 0


def as_rows(kind: str, records: list[Spooled], later: timedelta = timedelta()) -> pa.Table:
    """Records as rows of their table."""
    return pa.Table.from_pylist([_row(one.record, later) for one in records], schema=SCHEMAS[kind])


def _row(record: dict[str, Any], later: timedelta) -> dict[str, Any]:
    at = datetime.fromisoformat(record["at"]) + later
    return {**record, "request_id": record["request_id"], "at": at, "day": at.astimezone(UTC).date().isoformat()}


def tidy(lake: Lake, use_case: str, monitoring: Monitoring) -> dict[str, int]:
    """Deletes what is older than the use case allows, from the disk too, and joins the files of past days. Once a day
    is enough. A legal hold keeps all.

    Returns:
        Kind -> rows deleted; `words`: opinions that lost their text.
    """
    if is_held(lake, use_case):
        return {}
    tables, today = TrafficTables(lake, use_case), datetime.now(UTC).date()
    first = today - timedelta(monitoring.retention_days)
    first_text = today - timedelta(monitoring.capture.retention_days)
    gone = {kind: tables.delete_before(kind, first) for kind in ("requests", "feedback", "shadows")}
    for kind in SHARED:
        tables.delete_before(kind, first_text)
    tables.delete_batches_but({one.release.batch for one in feedback_releases(lake, use_case)}, first_text)
    gone |= {"texts": tables.delete_before("texts", first_text), "words": tables.delete_words_before(first_text)}
    for kind in SCHEMAS:
        tables.compact(kind, today.isoformat())
    return gone


def forget_subject(lake: Lake, spool: Path, use_case: str, subject: str) -> int:
    """Deletes every text of a person, what was made of them and what was written about their answers: what waits in the
    spool and what is in the lake. What was released of them for training may not be learned any more.

    Returns:
        Requests that had texts.
    """
    note(lake, use_case, "erasure", "deleted the requests of a person")
    ship(lake, spool)
    tables = TrafficTables(lake, use_case)
    with reading(spool) as reader:
        waiting = reader.remove_texts_of(use_case, subject) if reader else 0
    requests = tables.subjects().get(subject, set())
    released = tables.read("released", columns=["request_id", "record_id"]).to_pylist()
    note_forgotten(lake, use_case, {one["record_id"] for one in released if one["request_id"] in requests})
    tables.delete_requests(requests)
    return waiting + len(requests)


def forget_withdrawn(lake: Lake, spool: Path, use_case: NamedUseCase) -> int:
    """The same for each person who withdrew the consent, as the ledger of the use case says; not while a legal hold
    stands. Returns how many persons.

    Raises:
        SourceError: the ledger cannot be read.
    """
    pinned = pin_ledger(use_case, lake.storage_options)
    if pinned is None or is_held(lake, use_case.name):
        return 0
    ship(lake, spool)
    subjects = sorted(TrafficTables(lake, use_case.name).subjects())
    if not subjects:
        return 0
    with lake.scratch(use_case.name, "forget_withdrawn", zone="restricted") as folder:
        folder.mkdir(mode=0o700)
        found = pinned.read(use_case, folder, datetime.now(UTC).date()).look_up(pa.array(subjects, pa.string())).codes
    withdrawn = [subject for subject, code in zip(subjects, found, strict=True) if NAMES[code] == "consent_withdrawn"]
    for subject in withdrawn:
        forget_subject(lake, spool, use_case.name, subject)
    return len(withdrawn)
