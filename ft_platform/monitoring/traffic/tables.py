"""The tables that requests to a served model fill, in the restricted zone: `requests` (no text), `texts`, `feedback`,
`shadows` (no text); and what is made of them: `released` (restricted), `records` and `labelled` (shared, anonymized).

They are plain Delta tables with a partition per day, without versions and seals, so that what is deleted is gone: what
a stage takes from them gets both in its own table."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import TableNotFoundError

from ft_platform.lake.files import written_at
from ft_platform.lake.store import Lake
from ft_platform.lake.tables import fsync_delta
from ft_platform.records.columns import MESSAGES

FOLDER = "traffic"
DELTA_SETTINGS = {"delta.dataSkippingStatsColumns": "request_id"}  # smallest and largest texts would stay in the log
LATEST = pa.timestamp("us", tz="UTC")
DAY = pa.field("day", pa.string())
READ_ROWS = 1 << 16
LEFT_SECONDS = 86_400.0
"""Age of a file that no commit names, from which on no writer is about to commit it."""
ANSWER = pa.struct(
    [
        ("decision", pa.string()),
        ("confidence", pa.float64()),
        ("entropy", pa.float64()),
        ("abstained", pa.bool_()),
        ("reason", pa.string()),
        ("characters", pa.int64()),
    ]
)
"""One answer. `decision`: the label, also where the model abstained; null for written answers, whose text is in
`texts`. `confidence`: its probability in [0, 1]; `entropy`: of all labels, in nats. `reason`: why it ended."""
IDENTITY = [("request_id", pa.string()), ("day", pa.string()), ("at", LATEST)]
SERVED = [("release", pa.string()), ("checkpoint", pa.string())]
SCHEMAS = {
    "requests": pa.schema(
        [
            *IDENTITY,
            *SERVED,
            ("model", pa.string()),
            ("route", pa.string()),
            ("status", pa.int16()),
            ("code", pa.string()),
            ("key", pa.string()),
            ("seconds", pa.float64()),
            ("first_seconds", pa.float64()),
            ("prompt_tokens", pa.int64()),
            ("cached_tokens", pa.int64()),
            ("completion_tokens", pa.int64()),
            ("characters", pa.int64()),
            ("guardrails", pa.list_(pa.string())),
            ("answers", pa.list_(ANSWER)),
            ("captured", pa.bool_()),
            ("share", pa.float64()),
            ("trial", pa.bool_()),
        ]
    ),
    "texts": pa.schema(
        [
            *IDENTITY,
            *SERVED,
            ("subject", pa.string()),
            ("consent", pa.string()),
            ("purpose", pa.string()),
            ("conversations", pa.string()),
            ("features", pa.string()),
            ("answers", pa.list_(pa.string())),
        ]
    ),
    "feedback": pa.schema(
        [
            *IDENTITY,
            *SERVED,
            ("feedback_id", pa.string()),
            ("index", pa.int32()),
            ("key", pa.string()),
            ("by", pa.string()),
            ("rating", pa.string()),
            ("label", pa.string()),
            ("answer", pa.string()),
            ("csat", pa.int8()),
            ("comment", pa.string()),
        ]
    ),
    "shadows": pa.schema(
        [
            *IDENTITY,
            *SERVED,
            ("champion", pa.string()),
            ("code", pa.string()),
            ("seconds", pa.float64()),
            ("champion_seconds", pa.float64()),
            ("acted", pa.bool_()),
            ("champion_acted", pa.bool_()),
            ("decisions", pa.list_(pa.string())),
            ("champion_decisions", pa.list_(pa.string())),
            ("agrees", pa.bool_()),
        ]
    ),
}
"""`day`: YYYY-MM-DD, UTC. `key`: a digest of the API key's id, `by`: of who gave feedback. `seconds` from the first
byte to the last, `first_seconds` to the first token. `guardrails`: `<name>:<what it did>`. `share`: with which
probability texts of this request were to be kept, whether or not it said what it must. `trial`: a comparison with the
evaluation, no traffic. `conversations`: JSON, a list of messages for each answer; `features`: JSON, sensitive feature
-> what the request said. `shadows`: what a candidate answered to a request of the champion, seen by nobody; `acted`: a
guardrail changed or withheld its answer; `agrees`: null where it failed or answers are drawn."""


RECORD = [
    ("request_id", pa.string()),
    ("day", pa.string()),
    ("index", pa.int32()),
    ("record_id", pa.string()),
    ("label", pa.string()),
    ("messages", MESSAGES),
]
MADE = {
    "released": pa.schema(
        [
            *RECORD,
            ("at", LATEST),
            ("batch", pa.string()),
            ("subject", pa.string()),
            ("consent", pa.string()),
            ("purpose", pa.string()),
        ]
    ),
    "records": pa.schema([*RECORD, ("subject", pa.string())]),
    "labelled": pa.schema(
        [
            *RECORD,
            ("subject", pa.string()),
            ("decision", pa.string()),
            ("verdict", pa.string()),
            ("edited", pa.bool_()),
            ("votes", pa.int32()),
            ("people", pa.int32()),
            ("share", pa.float64()),
        ]
    ),
}
"""What is made of requests whose texts were kept, one row for each answer. `label`: of `records` the model's decision,
else the right one. `subject` and `messages` of `released` are what was captured, else anonymized. `edited`: people
wrote the answer. `people`: how many said something about it; `share`: with which probability its text was kept."""
SHARED = ("records", "labelled")
ALL = {**SCHEMAS, **MADE}


class TrafficTables:
    """The tables of one use case."""

    def __init__(self, lake: Lake, use_case: str) -> None:
        self._lake, self._use_case = lake, use_case

    def last_of(self, kind: str, writer: str) -> int:
        """Number of the last record that this writer has in a table; 0: none."""
        table = self._table(kind)
        return (table.transaction_version(writer) or 0) if table else 0

    def append(self, kind: str, rows: pa.Table, writer: str, number: int) -> bool:
        """Adds rows in one commit that also says how far the writer is, so that none is added twice.

        Returns:
            False: the writer was that far, and nothing was added.

        Raises:
            DiskFull, TransientError: nothing was added.
        """
        lake, uri = self._lake, self._uri(kind)
        with lake.room_for(f"traffic of {self._use_case}"), self._lock(kind):
            if self.last_of(kind, writer) >= number:
                return False
            there = self._table(kind)
            write_deltalake(
                uri,
                rows,
                mode="append",
                schema_mode="merge",  # an older table gets the columns it lacks
                partition_by=["day"],
                configuration=None if there else DELTA_SETTINGS,
                commit_properties=CommitProperties(app_transactions=[Transaction(writer, number)]),
                storage_options=lake.delta_options(_zone(kind)),
            )
            if lake.is_local:
                fsync_delta(Path(uri), DeltaTable(uri))
            lake.settle(self._path(kind), tree=True)
        return True

    def read(self, kind: str, days: Sequence[str] | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of some days, or of all; empty if there are none."""
        table, schema = self._table(kind), ALL[kind]
        wanted = list(columns or schema.names)
        if table is None:
            return schema.empty_table().select(wanted)
        folder = self._path(kind)
        there, parts = schema.empty_table().select(wanted).schema, []
        stored = pa.schema([field for field in there if field.name != "day"])
        for one in _added(table):
            day = one["partition.day"]
            if days is None or day in days:
                batches = self._lake.read_parquet(f"{folder}/{one['path']}", stored, READ_ROWS, may_lack=True)
                part = pa.Table.from_batches(batches, stored)
                parts.append(part.append_column(DAY, pa.repeat(day, part.num_rows)).select(wanted))
        return pa.concat_tables([there.empty_table(), *(part.cast(there) for part in parts)])

    def rows_of_days(self, kind: str = "requests") -> dict[str, int]:
        """Day -> number of rows, oldest first, from the log alone."""
        table = self._table(kind)
        found: dict[str, int] = defaultdict(int)
        for one in _added(table) if table else []:
            found[one["partition.day"]] += one["num_records"]
        return dict(sorted(found.items()))

    def delete_before(self, kind: str, first: date) -> int:
        """Deletes the rows of earlier days, with their files."""
        return self._delete(kind, f"day < '{first.isoformat()}'")

    def subjects(self) -> dict[str, set[str]]:
        """Person -> ids of the requests with texts of theirs."""
        found: dict[str, set[str]] = defaultdict(set)
        for kind in ("texts", "released"):
            for one in self.read(kind, columns=["request_id", "subject"]).to_pylist():
                if one["subject"]:
                    found[one["subject"]].add(one["request_id"])
        return found

    def replace(self, kind: str, rows: pa.Table) -> None:
        """Puts these rows in place of all."""
        lake, there = self._lake, self._table(kind)
        if there is None and not rows.num_rows:
            return
        with lake.room_for(f"traffic of {self._use_case}"), self._changing(kind):
            write_deltalake(
                self._uri(kind),
                rows.cast(ALL[kind]),
                mode="overwrite",
                partition_by=["day"],
                configuration=None if there else DELTA_SETTINGS,
                storage_options=lake.delta_options(_zone(kind)),
            )
        lake.settle(self._path(kind), tree=True)

    def delete_requests(self, request_ids: Collection[str]) -> int:
        """Deletes the texts of requests, what was made of them and what was written about their answers, with the
        files. The ids stay in the log of the table, and no name of a person."""
        which = f"request_id IN ({', '.join(map(_quoted, sorted(request_ids)))})"
        if not request_ids:
            return 0
        self._without_words(which)
        for kind in MADE:
            self._delete(kind, which)
        return self._delete("texts", which)

    def delete_batches_but(self, names: Collection[str], first: date) -> int:
        """Deletes the texts of batches of earlier days whose release was never finished.

        Args:
            names: batches that were released.
        """
        others = f" AND batch NOT IN ({', '.join(map(_quoted, sorted(names)))})" if names else ""
        return self._delete("released", f"day < '{first.isoformat()}'{others}")

    def delete_batch(self, batch: str) -> int:
        """Deletes the texts of a batch that was released."""
        return self._delete("released", f"batch = {_quoted(batch)}")

    def delete_words_before(self, first: date) -> int:
        """Deletes the texts in the feedback of earlier days, with their files; the opinions stay."""
        return self._without_words(f"day < '{first.isoformat()}'")

    def compact(self, kind: str, before: str) -> None:
        """One file for each earlier day in place of one for each commit."""
        with self._changing(kind) as table:
            if table is not None:
                table.optimize.compact(partition_filters=[("day", "<", before)])

    def _without_words(self, which: str) -> int:
        with self._changing("feedback") as table:
            if table is None:
                return 0
            which = f"({which}) AND (answer IS NOT NULL OR comment IS NOT NULL)"
            return int(table.update(updates={"answer": "NULL", "comment": "NULL"}, predicate=which)["num_updated_rows"])

    def _delete(self, kind: str, which: str) -> int:
        with self._changing(kind) as table:
            return 0 if table is None else int(table.delete(which)["num_deleted_rows"] or 0)

    @contextmanager
    def _changing(self, kind: str) -> Iterator[DeltaTable | None]:
        """What is replaced meanwhile is gone from the disk afterwards."""
        with self._lock(kind):
            table = self._table(kind)
            before = {one["path"] for one in _added(table)} if table else set()
            yield table
            if table is not None:
                table.update_incremental()
                self._remove_replaced(kind, before, {one["path"] for one in _added(table)})

    def _remove_replaced(self, kind: str, before: set[str], after: set[str]) -> None:
        """Removes the files of rows that are not there any more: those of this change, and what a killed process left a
        day ago or more. `DeltaTable.vacuum` goes by the clock, which may be set back meanwhile, and goes only by
        changes."""
        lake, folder = self._lake, self._path(kind)
        lake.fs.invalidate_cache()
        removed = False
        for path, about in lake.fs.find(folder, detail=True).items():  # type: ignore[union-attr]
            name = path.removeprefix(f"{folder}/")
            is_left = name in before or time.time() - written_at(about) > LEFT_SECONDS
            if not name.startswith("_delta_log/") and name not in after and is_left:
                lake.fs.rm_file(path)
                removed = True
        if removed or before != after:
            lake.settle(folder, tree=True)

    def _lock(self, kind: str) -> AbstractContextManager[None]:
        return self._lake.writer_lock(_zone(kind), self._use_case, f"{FOLDER}_{kind}")

    def _path(self, kind: str) -> str:
        return self._lake.path_of(_zone(kind), self._use_case, FOLDER, kind)

    def _uri(self, kind: str) -> str:
        return self._lake.uri(_zone(kind), self._use_case, FOLDER, kind)

    def _table(self, kind: str) -> DeltaTable | None:
        try:
            return DeltaTable(self._uri(kind), storage_options=self._lake.delta_options(_zone(kind)))
        except TableNotFoundError:
            return None


def _zone(kind: str) -> str:
    return "shared" if kind in SHARED else "restricted"


def _added(table: DeltaTable) -> list[dict[str, Any]]:
    """The files of a table, from its log."""
    files = pa.table(table.get_add_actions(flatten=True))
    return files.select(["path", "partition.day", "num_records"]).to_pylist()


def _quoted(text: str) -> str:
    """As a text in SQL."""
    return "'" + text.replace("'", "''") + "'"
