"""traffic_records and labelled_traffic: captured requests through the same stages as training data, anonymized.

Both are made anew as a whole, from the texts that are kept now: what was deleted, or lost its permission, is gone from
them, from the disk too. If a stage fails, they are emptied. Covered: permission, cleaning, anonymization and the second
scan. Not covered: expectations of `validation`, which are claims about the source."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.cleaning.clean import clean
from ft_platform.errors import DataError
from ft_platform.governance.feedback_releases import as_index
from ft_platform.governance.ledger import pin_ledger
from ft_platform.governance.permission import permit
from ft_platform.lake.keys.key_ring import KeyHandle
from ft_platform.lake.stage_table import Work
from ft_platform.lake.store import Lake
from ft_platform.monitoring.traffic.captured import Captured, as_raw, captured
from ft_platform.monitoring.traffic.tables import ALL, SHARED, TrafficTables
from ft_platform.privacy.anonymize import anonymize
from ft_platform.privacy.residual import residual
from ft_platform.records.engines import engine_of
from ft_platform.records.rows import Rows, Spool, TableRows
from ft_platform.records.schemas import anonymized_schema, cleaned_schema, raw_schema
from ft_platform.records.stage_results import StageStream, reason_counts
from ft_platform.use_case.named import NamedUseCase


@dataclass(frozen=True)
class MadeOfTraffic:
    """What became of the captured answers.

    Attributes:
        funnel: of each stage `{"stage", "rows_in", "kept", "removed": {reason: count}}`.
        labelled: records whose right label or answer is known.
    """

    funnel: list[dict[str, Any]]
    labelled: int

    @property
    def rows(self) -> int:
        return self.funnel[-1]["kept"] if self.funnel else 0


def make_traffic_records(lake: Lake, use_case: NamedUseCase, keys: KeyHandle, today: date) -> MadeOfTraffic:
    """Makes both tables anew.

    Raises:
        DataError: nothing is left after a stage, or the second scan finds personal data.
        FtError: a stage cannot work, e.g. without a ledger or a key.
    """
    tables, kept = TrafficTables(lake, use_case.name), captured(lake, use_case.name)
    made, funnel = _Rows.of(kept, use_case.name), list[dict[str, Any]]()
    done = False
    try:
        anonymized = _anonymized(lake, _without_limits(use_case), made, keys, today, funnel) if kept else []
        rows = [{**made.rows[one["record_id"]], **one} for one in anonymized]
        labelled = [one | made.known(one["record_id"]) for one in rows if made.right(one["record_id"])]
        tables.replace("records", pa.Table.from_pylist(rows, ALL["records"]))
        tables.replace("labelled", pa.Table.from_pylist(labelled, ALL["labelled"]))
        done = True
        return MadeOfTraffic(funnel, len(labelled))
    finally:
        if not done:
            for kind in SHARED:
                tables.replace(kind, ALL[kind].empty_table())


@dataclass(frozen=True)
class _Rows:
    answers: dict[str, Captured]
    rows: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, kept: list[Captured], use_case: str) -> "_Rows":
        rows = [one.row(use_case, one.decision) for one in kept]
        ids = [row["record_id"] for row in rows]
        return cls(dict(zip(ids, kept, strict=True)), dict(zip(ids, rows, strict=True)))

    def raw(self, use_case: NamedUseCase) -> pa.Table:
        stated = ("at", "subject", "consent", "purpose")
        rows = [
            {**row, "batch": row["day"], **{name: self.answers[record].text[name] for name in stated}}
            for record, row in self.rows.items()
        ]
        return as_raw(use_case, rows)

    def right(self, record: str) -> str | None:
        return self.answers[record].right

    def known(self, record: str) -> dict[str, Any]:
        one = self.answers[record]
        return {
            "label": one.label,
            "decision": one.decision,
            "verdict": one.known.verdict if one.known else None,
            "edited": one.edited is not None,
            "votes": one.known.votes if one.known else 0,
            "people": one.people,
            "share": one.request["share"],
        }


def _anonymized(
    lake: Lake, use_case: NamedUseCase, made: _Rows, keys: KeyHandle, today: date, funnel: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    with lake.scratch(use_case.name, "traffic_records", zone="restricted") as folder:
        folder.mkdir(mode=0o700)
        work = Work(folder, engine_of(use_case.settings.compute))
        rows: Rows = TableRows(made.raw(use_case))
        ledger, released = pin_ledger(use_case, lake.storage_options), as_index(made.rows)
        stream = permit(use_case, rows, work, today, (), ledger, released=released)
        rows = _stored("permitted", rows, stream, raw_schema(use_case), folder, funnel)
        rows = _stored("cleaned", rows, clean(use_case, rows, work), cleaned_schema(use_case), folder, funnel)
        stream = anonymize(use_case, rows, work, keys)
        rows = _stored("anonymized", rows, stream, anonymized_schema(use_case), folder, funnel)
        found = residual(use_case, rows)
        if not found["passed"]:
            raise DataError(
                f"the second scan finds personal data in {found['rows_with_finding']} of {found['rows']} anonymized"
                f" requests to {use_case.name}",
                "See the findings of `no_residual_pii` in the graph, and add a recognizer",
            )
        return list(_records(rows))


def _records(rows: Rows) -> Iterator[dict[str, Any]]:
    for batch in rows.batches(["record_id", "subject_id", "label", "messages"]):
        for one in batch.to_pylist():
            yield {"subject": one.pop("subject_id"), **one}


def _stored(
    name: str, rows: Rows, stream: StageStream, schema: pa.Schema, folder: Path, funnel: list[dict[str, Any]]
) -> Spool:
    """What a stage keeps, on the disk; what it removes is counted."""
    kept, removed = Spool(folder / f"traffic_{name}.arrow", schema), Counter[str]()
    for goes_on, does_not in stream.parts:
        if goes_on is not None:
            kept.write(goes_on)
        if does_not is not None:
            removed.update(reason_counts(does_not))
    if rows.num_rows != kept.num_rows + removed.total():
        raise DataError(f"{name} got {rows.num_rows} requests and kept {kept.num_rows}: some were lost or duplicated")
    counts = {"rows_in": rows.num_rows, "kept": kept.num_rows, "removed": dict(sorted(removed.items()))}
    funnel.append({"stage": name, **counts})
    return kept


def _without_limits(use_case: NamedUseCase) -> NamedUseCase:
    """Many repeated or refused requests are no fault of a source."""
    settings, limit = use_case.settings, {"max_removed_share": 1.0}
    changed = {name: getattr(settings, name).model_copy(update=limit) for name in ("governance", "cleaning")}
    return use_case.model_copy(update={"settings": settings.model_copy(update=changed)})
