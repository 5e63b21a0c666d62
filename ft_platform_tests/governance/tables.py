"""Runs `permit` on small tables and tells each row's fate. Persons are fictitious."""

import csv
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.governance.ledger import PinnedLedger, pin_ledger
from ft_platform.governance.permission import permit
from ft_platform.lake.stage_table import Work
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import raw_schema
from ft_platform.records.stage_results import StageResult
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.tables import raw, use_case

TODAY = date(2026, 6, 15)


def case_with(record: dict[str, Any] | None = None, **governance: Any) -> NamedUseCase:
    return use_case(record=record or {}, governance=governance)


def result_of(
    case: NamedUseCase,
    table: pa.Table,
    absent: Sequence[str] = (),
    ledger: PinnedLedger | None = None,
    batch_rows: int = 8192,
    **options: Any,
) -> StageResult:
    with tempfile.TemporaryDirectory() as folder:
        stream = permit(
            case, TableRows(table, batch_rows), Work(Path(folder), InProcess()), TODAY, absent, ledger, **options
        )
        return stream.collect(raw_schema(case))


def fates(case: NamedUseCase, rows: int, absent: Sequence[str] = (), **columns: Sequence[Any]) -> list[str]:
    """`kept` or the reason of each row, in order."""
    table = raw(case, [f"text {i}" for i in range(rows)], **columns)
    result = result_of(case, table, absent, pin_ledger(case, {}), batch_rows=3)
    assert result.kept.schema == raw_schema(case)
    assert result.kept.num_rows + result.removed.num_rows == rows
    by_id = dict.fromkeys(result.kept["record_id"].to_pylist(), "kept") | {
        r["record_id"]: r["reason"] for r in result.removed.to_pylist()
    }
    return [by_id[f"r{i:03d}"] for i in range(rows)]


def write_ledger(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path
