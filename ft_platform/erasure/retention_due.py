"""Which records are due to be deleted: by what they and the ledger state, and those that stayed in quarantine.

Covered: every file of every restricted table that has what a record states, whether or not a version names it; older
rows of a source key whose newest row is due. Not covered: a last day that cannot be read: it permits nothing, and
deletes nothing; a source that counts its rows from 1 after another one did: its keys tell nothing of the older rows."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from copy import copy
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ft_platform.erasure.rewriting import parquet_files
from ft_platform.erasure.selecting import Selection
from ft_platform.erasure.tables import Table, files_of, tables_of, versions_of
from ft_platform.governance.feedback_releases import as_index, released_now
from ft_platform.governance.judge import NEVER
from ft_platform.governance.ledger import Ledger, pin_ledger
from ft_platform.governance.permission import judge_of
from ft_platform.governance.reasons import CODES, NAMES, PERMITTED
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.key_hashes import KeyHashes, KeyIndex, joined, key_hashes
from ft_platform.records.newest_rows import newest_rows
from ft_platform.use_case.named import NamedUseCase

QUARANTINED = "quarantined"
DueRows = Callable[[pa.RecordBatch], np.ndarray]
"""Rows of records -> code of `reasons.CODES` why each is due, 0 where it is not. Shape `(rows,)`, dtype uint8."""


class Due(Selection):
    """Rows of records that are due, and whole files.

    Args:
        ids: hashes of the ids of the records.
    """

    def __init__(self, ids: KeyHashes) -> None:
        super().__init__((), ())
        self._index, self._files = KeyIndex(ids), frozenset[str]()

    def with_files(self, files: Collection[str]) -> "Due":
        """The same records, and whole files."""
        found = copy(self)
        found._files = frozenset(files)
        return found

    def among(self, records: Collection[str]) -> list[str]:
        """Those of these ids of records that are due."""
        ids = sorted(records)
        found = self._index.find(key_hashes(pa.array(ids, pa.string()))) >= 0
        return [one for one, due in zip(ids, found.tolist(), strict=True) if due]

    def of_file(self, name: str) -> Selection:
        return _Everything() if name in self._files else self

    def columns(self, names: Collection[str]) -> list[str]:
        return [name for name in ("record_id",) if name in names and len(self._index)]

    def rows(self, batch: pa.RecordBatch) -> np.ndarray:
        if not self.columns(batch.schema.names):
            return np.zeros(batch.num_rows, bool)
        return self._index.find(key_hashes(batch.column("record_id"))) >= 0


class _Everything(Selection):
    """All rows of a file."""

    def __init__(self) -> None:
        super().__init__((), ())

    def columns(self, names: Collection[str]) -> list[str]:
        return list(names)[:1]

    def rows(self, batch: pa.RecordBatch) -> np.ndarray:
        return np.ones(batch.num_rows, bool)


@dataclass
class Found:
    """Records that are due.

    Attributes:
        ids: hash of the id of each, once.
        records: how many, by reason.
        share: of the rows of the newest `raw_records`, in [0, 1].
    """

    ids: KeyHashes = field(default_factory=lambda: joined([]))
    records: Counter[str] = field(default_factory=Counter)
    share: float = 0.0

    def add(self, ids: KeyHashes, reason: str) -> None:
        """Notes records, each once, whatever else is against it."""
        ids = ids[np.lexsort((ids.low, ids.high))]
        repeated = (ids.high[1:] == ids.high[:-1]) & (ids.low[1:] == ids.low[:-1])
        ids = ids[np.concatenate([np.ones(min(len(ids), 1), bool), ~repeated])]
        fresh = ids[KeyIndex(self.ids).find(ids) < 0]
        self.ids = joined([self.ids, fresh])
        self.records += Counter({reason: len(fresh)})


def due_rows(use_case: NamedUseCase, lake: Lake, day: date, ledger: Ledger | None) -> DueRows | None:
    """The judge of rows on a day; None: what a record states deletes nothing in this use case."""
    retention = use_case.settings.retention
    if not retention.judges_rows:
        return None
    judge = judge_of(use_case, day, "column", ledger, as_index(released_now(lake, use_case.name)))
    over = day.toordinal() - retention.expired_days if retention.expired_days is not None else -NEVER
    withdrawn = CODES["consent_withdrawn"]

    def of(batch: pa.RecordBatch) -> np.ndarray:
        judged = judge.judge(batch)
        codes = np.where(judged.last_days < over, np.uint8(CODES["expired"]), np.uint8(PERMITTED))
        if retention.withdrawn:
            gone = judged.codes == withdrawn
            if ledger:  # another reason of the record may hide it
                gone |= ledger.look_up(batch.column("subject_id")).codes == withdrawn
            codes = np.where(gone, np.uint8(withdrawn), codes)
        return codes

    return of


def ledger_of(lake: Lake, use_case: NamedUseCase, day: date) -> Ledger | None:
    """The ledger as it is now, judged for a day.

    Raises:
        SourceError: it cannot be read, so nobody can tell who withdrew.
    """
    pinned = pin_ledger(use_case, lake.storage_options) if use_case.settings.retention.judges_rows else None
    if pinned is None:
        return None
    with lake.scratch(use_case.name, "retention_due", zone="restricted") as folder:
        folder.mkdir(mode=0o700)
        return pinned.read(use_case, folder, day)


def find_due(lake: Lake, use_case: NamedUseCase, day: date) -> Found:
    """Every record of a use case that is due on a day. Changes nothing.

    Raises:
        SourceError: the ledger cannot be read.
    """
    found = Found()
    due = due_rows(use_case, lake, day, ledger_of(lake, use_case, day))
    if due:
        keys = _keys_of_newest(lake, use_case.name, due)
        codes_of: dict[int, list[KeyHashes]] = {}
        for batch, present in _stated(lake, use_case.name):
            codes = due(batch)
            if present and len(keys):
                codes = np.where(codes == PERMITTED, keys.look_up(batch.column("source_key")), codes)
            for code in np.unique(codes[codes != PERMITTED]).tolist():
                ids = batch.column("record_id").filter(pa.array(codes == code))
                codes_of.setdefault(code, []).append(key_hashes(ids))
        for code, ids in sorted(codes_of.items(), reverse=True):
            found.add(joined(ids), NAMES[code])
    found.add(_quarantined(lake, use_case, day), QUARANTINED)
    found.share = _share(lake, use_case.name, found.ids)
    return found


class _Keys:
    """Source keys whose newest row is due, each with its reason."""

    def __init__(self, keys: KeyHashes, codes: np.ndarray) -> None:
        self._index = KeyIndex(keys)
        self._codes = codes[self._index.order]

    def __len__(self) -> int:
        return len(self._index)

    def look_up(self, source_keys: pa.Array) -> np.ndarray:
        places = self._index.find(key_hashes(source_keys))
        hit = (places >= 0) & source_keys.is_valid().to_numpy(zero_copy_only=False)
        found = np.zeros(len(places), np.uint8)
        found[hit] = self._codes[places[hit]]
        return found


def _keys_of_newest(lake: Lake, use_case: str, due: DueRows) -> _Keys:
    raw = lake.latest(use_case, "raw_records")
    keys, found, start = [], [np.empty(0, np.uint8)], 0
    if raw is not None:
        rows = lake.rows(raw)
        newest = newest_rows(rows)
        for batch in rows.batches([name for name in rows.schema.names if name != "messages"]):
            codes, column = due(batch), batch.column("source_key")
            hit = (codes != PERMITTED) & newest[start : start + batch.num_rows]
            hit &= column.is_valid().to_numpy(zero_copy_only=False)
            start += batch.num_rows
            keys.append(key_hashes(column.filter(pa.array(hit))))
            found.append(codes[hit])
    return _Keys(joined(keys), np.concatenate(found))


def _stated(lake: Lake, use_case: str) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """Rows with what their records state, of all restricted files; and whether they are of the present source."""
    present = _files_of_present_source(lake, use_case)
    for table in tables_of(lake, use_case):
        if table.zone != "restricted":
            continue
        for path in parquet_files(lake, table.folder(lake)):
            with lake.fs.open(path, "rb") as stream, pq.ParquetFile(stream, pre_buffer=False) as file:
                names = file.schema_arrow.names
                if not {"record_id", "source_uri", "source_key", "subject_id"} <= set(names):
                    continue
                wanted = [name for name in names if name != "messages"]
                own = f"{table.name}/{path.rsplit('/', 1)[-1]}" in present
                yield from ((batch, own) for batch in file.iter_batches(columns=wanted))


def _files_of_present_source(lake: Lake, use_case: str) -> set[str]:
    """`<table>/<file>` of `raw_records` and `permitted_records` in which equal source keys mean the same row."""
    found: set[str] = set()
    ids: set[str] = set()
    now = next(lake.manifests(use_case, "raw_records"), None)
    for name in ("raw_records", "permitted_records"):
        for version, manifest in versions_of(lake, Table("restricted", use_case, name)):
            if name == "raw_records":
                files = set(manifest.info.get("files", {}))
                same = now is not None and (
                    now.settings_hash == manifest.settings_hash or not files.isdisjoint(now.info.get("files", {}))
                )
                ids |= {version.id} if same else set()
            else:
                same = any(parent.id in ids for parent in manifest.parents)
            found |= {f"{name}/{file}" for file in files_of(lake, version, manifest)} if same else set()
    return found


def _quarantined(lake: Lake, use_case: NamedUseCase, day: date) -> KeyHashes:
    """Records that are in quarantine now, and were long enough ago."""
    days = use_case.settings.retention.quarantined_days
    if days is None:
        return joined([])
    versions = list(versions_of(lake, Table("restricted", use_case.name, "quarantined_records")))
    long_ago = [one for one, manifest in versions if (day - date.fromisoformat(manifest.written_at[:10])).days >= days]
    if not long_ago:
        return joined([])
    now = _ids(lake, [versions[0][0]])
    return now[KeyIndex(_ids(lake, long_ago)).find(now) >= 0]


def _ids(lake: Lake, versions: Collection[TableVersion]) -> KeyHashes:
    return joined(
        [key_hashes(batch.column("record_id")) for one in versions for batch in lake.read(one, ["record_id"])]
    )


def _share(lake: Lake, use_case: str, ids: KeyHashes) -> float:
    raw = lake.latest(use_case, "raw_records")
    if raw is None or not len(ids):
        return 0.0
    index, rows, hit = KeyIndex(ids), 0, 0
    for batch in lake.read(raw, ["record_id"], batch_rows=1 << 16):
        rows += batch.num_rows
        hit += int((index.find(key_hashes(batch.column("record_id"))) >= 0).sum())
    return hit / rows if rows else 0.0
