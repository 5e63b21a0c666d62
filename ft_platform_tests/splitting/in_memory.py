"""The splits stage and its check on small tables in memory."""

import tempfile
from pathlib import Path

import pyarrow as pa

from ft_platform.lake.stage_table import Work
from ft_platform.records.engines.in_process import InProcess
from ft_platform.records.rows import TableRows
from ft_platform.records.schemas import splits_schema
from ft_platform.records.stage_results import StageResult
from ft_platform.splitting import leakage as leakage_module
from ft_platform.splitting import split as split_module
from ft_platform.splitting.benchmark_texts import BenchmarkTexts
from ft_platform.splitting.feedback import Asked
from ft_platform.use_case.named import NamedUseCase

BATCH_ROWS = 64


def split(
    case: NamedUseCase,
    records: pa.Table,
    *,
    benchmark: BenchmarkTexts | None = None,
    previous: pa.Table | None = None,
    asked: Asked | None = None,
) -> StageResult:
    with tempfile.TemporaryDirectory() as folder:
        rows, work = TableRows(records, BATCH_ROWS), Work(Path(folder), InProcess())
        earlier = TableRows(previous, BATCH_ROWS) if previous is not None else None
        return split_module.split(case, rows, work, benchmark, earlier, asked).collect(splits_schema(case))


def leakage(
    case: NamedUseCase, splits: pa.Table, *, benchmark: BenchmarkTexts | None = None, asked: Asked | None = None
) -> dict[str, int | bool]:
    with tempfile.TemporaryDirectory() as folder:
        return leakage_module.leakage(case, TableRows(splits, BATCH_ROWS), Path(folder), benchmark, asked)
