"""How long it takes to delete many rows whose period is over: every version of every table, reports, lists of training
records. The plan that comes before is measured by itself. All persons are fictitious.

python benchmarks/retention.py --rows 1000000 --expired 100000 --json
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.erasure import ANA, NAME, TABLES, batches, publish, use_case
from ft_platform.erasure.retention import delete_due
from ft_platform.erasure.retention_plan import plan_of
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.provenance import TRAINING_RECORDS
from ft_platform.lake.store import Lake
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.retention import Retention

TODAY = datetime.now(UTC).date()


def retained() -> NamedUseCase:
    """The use case of the benchmark of erasure, whose records have a last day."""
    case = use_case()
    record = case.settings.record.model_copy(update={"expires": "expires"})
    settings = case.settings.model_copy(update={"record": record, "retention": Retention(expired_days=0)})
    return case.model_copy(update={"settings": settings})


def with_statements(batch: pa.RecordBatch, every: int) -> pa.RecordBatch:
    """Rows as a source has them; the last day of each `every`-th was yesterday."""
    numbers = batch.column("source_key").cast(pa.int64())
    over = pc.equal(pc.subtract(numbers, pc.multiply(pc.divide(numbers, every), every)), 0)
    day = str(TODAY - timedelta(1)), str(TODAY + timedelta(900))
    count = batch.num_rows
    columns = {
        "source_uri": pa.repeat(pa.scalar("letters.csv"), count),
        "source_position": numbers,
        "ingested_at": pa.repeat(pa.scalar(datetime.now(UTC), pa.timestamp("us", tz="UTC")), count),
        "purpose": pa.nulls(count, pa.string()),
        "consent": pa.repeat(pa.scalar("yes"), count),
        "expires": pc.if_else(over, *day),
    }
    for name, column in columns.items():
        batch = batch.append_column(name, column)
    return batch


def build(lake: Lake, rows: int, every: int) -> None:
    """Two versions of the source, one of each later table, a checkpoint, and a report."""
    ids = [f"customer-{number:09d}" for number in range(rows // 5 + 1)]
    for name in TABLES:
        restricted = name in TABLES[:3]

        def parts(first: int, last: int, restricted: bool = restricted) -> Iterator[pa.RecordBatch]:
            for batch in batches(first, last, ids):
                yield with_statements(batch, every) if restricted else batch

        schema = next(parts(0, 1)).schema
        for number, half in enumerate([(0, rows // 2), (rows // 2, rows)] if name == "raw_records" else [(0, rows)]):
            version = lake.write_table(
                NAME,
                name,
                parts(*half),
                schema,
                zone="restricted" if restricted else "shared",
                append=bool(number),
                input_hash=f"{half}",
            )
    publish(lake, "adapter_checkpoint", "ckpt", TRAINING_RECORDS, rows, version)
    publish(lake, "evaluation_report", "eval", "predictions.parquet", rows, version)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--expired", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="on the disk that is measured (default: a temporary one)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = measured(Path(folder), arguments.rows, arguments.expired)
    for name, value in found.items() if not arguments.json else ():
        print(f"{name.replace('_', ' '):26} {value}")
    if arguments.json:
        print(json.dumps(found, indent=1))


def measured(home: Path, rows: int, expired: int) -> dict[str, object]:
    environment = Environment(home=home, defs=home, tracking_uri="none")
    create_pseudonym_key(environment)
    lake, case = open_lake(environment), retained()
    build(lake, rows, rows // expired)
    built = peak_mib()
    plan_started = time.perf_counter()
    plan, _ = plan_of(lake, case, TODAY)
    plan_seconds = time.perf_counter() - plan_started
    steps: list[tuple[str, float]] = []
    started, used = time.perf_counter(), time.process_time()
    made = delete_due(
        lake, environment, case, ANA, TODAY, tell=lambda step: steps.append((step.split()[0], time.perf_counter()))
    )
    ended, used = time.perf_counter(), time.process_time() - used
    assert made is not None
    seconds: dict[str, float] = {"plan": round(steps[0][1] - started, 1)}
    for (step, begun), until in zip(steps, [*(at for _, at in steps[1:]), ended], strict=True):
        seconds[step] = round(seconds.get(step, 0.0) + until - begun, 1)
    peak = peak_mib()
    if problems := inspect(open_lake(environment), NAME).problems:
        sys.exit(f"not intact: {problems}")
    if left := plan_of(open_lake(environment), case, TODAY)[0].rows:
        sys.exit(f"{left} rows are left")
    return {
        "rows": rows,
        "records_expired": sum(plan.records.values()),
        "rows_deleted": made["rows"],
        "dry_run_seconds": round(plan_seconds, 1),
        "seconds": round(ended - started, 1),
        "cpu_seconds": round(used, 1),
        "by_step": {step: spent for step, spent in seconds.items() if spent >= 0.1},
        "peak_memory_mib_building": built,
        "peak_memory_mib": peak,
    }


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()
