"""The identity of a record: the same for the same content, whatever file it comes from and whenever it is read."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping

import pyarrow as pa

from ft_platform.records import newest_by_key
from ft_platform.sources.mapping import MappedRow

DIGEST_BYTES = 12
"""96 bits: among 10 million records two share an id with a probability of 6e-16 (birthday bound)."""


class RecordIds:
    """Gives out record ids for one use case.

    The id is a hash of use case, source key and all mapped fields, so a changed row gets a new id and an unchanged one
    keeps its own. Identical rows without a source key are told apart by counting them per file.

    Args:
        use_case: its name.
        known: ids that were given out before.
        current: source key -> id of the newest known row. A row that returns to an older content gets a new id, so that
            it can supersede the newest.
    """

    def __init__(self, use_case: str, known: set[str], current: Mapping[str, str] | None = None) -> None:
        self._use_case = use_case
        self._known = known
        self._current = current or {}
        self._given: set[str] = set()
        self._seen_in_file: Counter[str] = Counter()

    def start_file(self) -> None:
        self._seen_in_file.clear()

    def new_id(self, row: MappedRow) -> str | None:
        """The id of a row, or None where the row is known."""
        content = json.dumps([self._use_case, row.key, [list(m.items()) for m in row.messages], row.fields], ensure_ascii=False, separators=(",", ":"))
        count = 0
        if row.key is None:
            count = self._seen_in_file[content_id(content)]
            self._seen_in_file[content_id(content)] += 1
        elif self._current:
            current = self._current.get(row.key)
            while current is not None and (candidate := content_id(content, count)) in self._known and candidate != current:
                count += 1
        record_id = content_id(content, count)
        if record_id in self._known or record_id in self._given:
            return None
        self._given.add(record_id)
        return record_id


def content_id(content: str, count: int = 0) -> str:
    """24 hex digits."""
    return hashlib.blake2b(f"{content}\0{count}".encode(), digest_size=DIGEST_BYTES).hexdigest()


def current_ids(records: pa.Table) -> dict[str, str]:
    """Source key -> record id of its newest row, from a `raw_records` table (also needs column `record_id`)."""
    newest = records.take(newest_by_key(records))
    return {k: v for k, v in zip(newest["source_key"].to_pylist(), newest["record_id"].to_pylist(), strict=True) if k is not None}
