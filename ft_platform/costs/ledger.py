"""The ledger of program runs: a Delta table in the lake to which one row is appended when a program run has ended.

Layout: `<root>/shared/_costs/program_runs/` is the table, `<root>/shared/_costs/open/<run>.json` a run that has not
ended, with its last sign of life. A run whose launcher was killed stays in `open`: it is listed as `running` while
signs of life come, as `lost` afterwards, and moves into the table when the next program starts. So no run that started
can be missing."""

import json
import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from ft_platform.errors import TransientError
from ft_platform.lake import files
from ft_platform.lake.tables import Tables

ZONE, FOLDER, TABLE = "shared", "_costs", "program_runs"
BEAT_SECONDS = 20.0
LOST_AFTER_SECONDS = 3 * BEAT_SECONDS
"""Without a sign of life for so long, a run counts as lost."""
ATTEMPTS = 10

SCHEMA = pa.schema(
    [
        ("run", pa.string()),
        ("use_case", pa.string()),
        ("program", pa.string()),
        ("profile", pa.string()),
        ("started_at", pa.timestamp("us", tz="UTC")),
        ("month", pa.string()),
        ("state", pa.string()),
        ("error", pa.string()),
        ("seconds", pa.float64()),
        ("cpu_seconds", pa.float64()),
        ("gpu_seconds", pa.float64()),
        ("tokens", pa.int64()),
        ("price_per_hour", pa.float64()),
        ("money", pa.float64()),
        ("currency", pa.string()),
        ("kwh", pa.float64()),
        ("dagster_run", pa.string()),
        ("artifact", pa.string()),
        ("host", pa.string()),
        ("team", pa.string()),
    ]
)
"""One row per program run. `state`: `finished`, `failed`, `stopped` or `lost`; `seconds`: wall time; `month`: `YYYY-MM`
of its start, UTC; `money`: null where the profile had no price, `price_per_hour` too; `team`: whose quota it counts
for, null in rows that are older than quotas."""


class Ledger:
    """Reads and appends program runs. Appends of many processes at once are safe.

    Args:
        lake: where the table lies.
    """

    def __init__(self, lake: Tables) -> None:
        self._lake = lake
        self.uri = lake.uri(ZONE, FOLDER, TABLE)

    def open(self, row: dict[str, Any]) -> None:
        """Notes a run that starts, or a sign of life of one that goes on."""
        files.write_bytes(
            self._lake.fs, self._open_path(row["run"]), json.dumps({**row, "seen_at": time.time()}).encode()
        )

    def close(self, row: dict[str, Any]) -> None:
        """Appends a run that has ended."""
        self._append([row])
        self._forget(row["run"])

    def rows(self, month: str | None = None) -> list[dict[str, Any]]:
        """All program runs, those that have not ended or were lost included; oldest first.

        Args:
            month: `YYYY-MM`: only runs that started in it.
        """
        # The open ones first: a run that ends in between would otherwise be in neither.
        still_open = self.open_rows()
        rows = {row["run"]: row for row in still_open}
        rows |= {row["run"]: row for row in self._table(month)}
        wanted = [_known(row) for row in rows.values() if month is None or row["month"] == month]
        return sorted(wanted, key=lambda row: (row["started_at"], row["run"]))

    def settle(self) -> int:
        """Moves lost runs into the table. Returns how many."""
        lost = [row for row in self.open_rows() if row["state"] == "lost"]
        if lost:
            known = {row["run"] for row in self._table(None)}
            self._append([row for row in lost if row["run"] not in known])
            for row in lost:
                self._forget(row["run"])
        return len(lost)

    def _table(self, month: str | None) -> Iterable[dict[str, Any]]:
        try:
            table = DeltaTable(self.uri, storage_options=self._lake.delta_options(ZONE))
        except TableNotFoundError:
            return []
        rows = pa.Table.from_batches(
            self._lake.batches_of(table, self._lake.path_of(ZONE, FOLDER, TABLE), may_lack=True),
            pa.schema(table.schema()),
        )
        return (rows.filter(pc.equal(rows["month"], month)) if month else rows).to_pylist()

    def open_rows(self) -> list[dict[str, Any]]:
        """Runs that have not ended, with the time up to their last sign of life."""
        fs, folder = self._lake.fs, self._open_path("")
        fs.invalidate_cache()
        found = []
        for path in fs.ls(folder, detail=False) if fs.exists(folder) else []:
            if not path.endswith(".json"):
                continue
            try:
                row = json.loads(fs.cat_file(path))
            except FileNotFoundError:  # it ended just now, and is in the table
                continue
            seen_at = row.pop("seen_at")
            row["state"] = "running" if abs(time.time() - seen_at) < LOST_AFTER_SECONDS else "lost"
            found.append(row | {"started_at": _moment(row["started_at"])})
        return found

    def _append(self, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        table = pa.Table.from_pylist(
            [
                {name: row.get(name) for name in SCHEMA.names} | {"started_at": _moment(row["started_at"])}
                for row in rows
            ],
            SCHEMA,
        )
        for attempt in range(ATTEMPTS):
            try:
                with self._lake.room_for("the ledger of costs"):
                    options = self._lake.delta_options(ZONE)
                    # A table that is older than a column gets it.
                    write_deltalake(self.uri, table, mode="append", schema_mode="merge", storage_options=options)
                return
            except CommitFailedError:  # several writers at once; deltalake gives up early (7 times among 8 writers)
                time.sleep(min(0.05 * 2**attempt, 2.0) * random.uniform(0.5, 1.5))
        raise TransientError("the ledger of costs is being written by too many programs at once", "Run the step again")

    def _open_path(self, run: str) -> str:
        return self._lake.path_of(ZONE, FOLDER, "open", *([f"{run}.json"] if run else []))

    def _forget(self, run: str) -> None:
        path = self._open_path(run)
        if self._lake.fs.exists(path):
            self._lake.fs.rm_file(path)


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose cost is null where nobody knows it: earlier versions wrote 0."""
    return row | {"money": row["money"] or (None if row.get("price_per_hour") is None else 0.0)}


def _moment(value: str | datetime) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def month_of(moment: datetime | None = None) -> str:
    """`YYYY-MM` of a moment, by default of now, in UTC."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m")
