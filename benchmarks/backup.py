"""How long a backup, a backup of what has changed, and a restore take, and how much they store; and a copy of the lake.
All persons are fictitious.

python benchmarks/backup.py --gigabytes 10 --json
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.lake.backup.copying import copy_lake
from ft_platform.lake.backup.restoring import restore
from ft_platform.lake.backup.taking import take_backup
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.records.columns import text_fields
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.settings.backup import BackupSettings
from ft_platform.use_case.settings.environment import Environment

NAME = "complaints"
SCHEMA = pa.schema(text_fields("record_id text"))
ROWS, TEXT = 4096, 1024
CHECKPOINT, FILE = 4, 64 << 20
"""Of a checkpoint: files, and bytes of each."""
SHARE_OF_TABLES = 0.3


def batches(rows: int, first: int) -> Iterator[pa.RecordBatch]:
    for start in range(first, first + rows, ROWS):
        texts = [os.urandom(TEXT // 2).hex() for _ in range(ROWS)]
        yield pa.RecordBatch.from_pydict(
            {"record_id": [str(number) for number in range(start, start + ROWS)], "text": texts}, SCHEMA
        )


def grow(lake: Lake, size: int, number: int) -> None:
    """Adds about so many bytes: rows to a table, and checkpoints."""
    rows = int(size * SHARE_OF_TABLES / TEXT) // ROWS * ROWS
    lake.write_table(NAME, "splits", batches(rows, number * 10**9), SCHEMA, zone="shared", append=number > 0)
    left, one = int(size * (1 - SHARE_OF_TABLES)), 0
    while left > 0:
        with lake.scratch(NAME, "adapter_checkpoint") as folder:
            folder.mkdir()
            for file in range(CHECKPOINT):
                (folder / f"weights-{file}.bin").write_bytes(os.urandom(min(FILE, max(left // CHECKPOINT, 1))))
            artifact = f"ckpt-{number}-{one}"
            lake.publish(
                NAME, "adapter_checkpoint", artifact, folder, parents=[], settings_hash="", input_hash=artifact
            )
        left, one = left - CHECKPOINT * FILE, one + 1


def peak_bytes() -> int:
    """Resident memory of this process at its highest, since the last `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def forget_peak() -> None:
    """See proc_pid_clear_refs(5): 5 resets the highest resident size."""
    Path("/proc/self/clear_refs").write_text("5")


def timed(what: Callable[[], Any], steps: dict[str, Any], name: str) -> Any:
    """What the step returned; notes its wall and CPU seconds (of all threads) and its peak of memory."""
    forget_peak()
    started, used = time.perf_counter(), time.process_time()
    found = what()
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    steps[name] = {"s": round(seconds, 1), "cpu_s": round(cpu, 1), "peak_mib": peak_bytes() >> 20}
    print(f"{name}: {steps[name]}", file=sys.stderr, flush=True)
    return found


def measure(size: int, folder: Path) -> dict[str, Any]:
    steps: dict[str, Any] = {}
    settings = BackupSettings(to=str(folder / "backups"), keys=str(folder / "keys"))
    environment = Environment(home=folder / "home", tracking_uri="none", backup=settings)
    create_pseudonym_key(environment)
    lake = open_lake(environment)
    note(lake, "", "settings", "began")
    grow(lake, size, 0)
    full = timed(lambda: take_backup(environment, AuditLog(lake)), steps, "backup")
    same = timed(lambda: take_backup(environment, AuditLog(lake)), steps, "unchanged")
    grow(lake, size // 100, 1)
    changed = timed(lambda: take_backup(environment, AuditLog(lake)), steps, "one_percent_more")
    drill = environment.model_copy(update={"home": folder / "drill"})
    restored = timed(lambda: restore(drill), steps, "restore")
    verified = timed(lambda: inspect(open_lake(drill), NAME), steps, "check")
    shutil.rmtree(drill.home)
    target = open_lake(environment.model_copy(update={"lake_root": str(folder / "copy")}))
    copied = timed(lambda: copy_lake(lake, AuditLog(lake), target), steps, "copy")
    again = timed(lambda: copy_lake(lake, AuditLog(lake), target), steps, "copy_again")
    problems = [*full.problems, *changed.problems, *restored.problems, *verified.problems, *copied.problems]
    stored = {
        "backup": full.told["new_bytes"],
        "unchanged": same.told["new_bytes"],
        "one_percent_more": changed.told["new_bytes"],
        "restore": restored.bytes,
        "check": restored.bytes,
        "copy": copied.bytes,
        "copy_again": again.bytes,
    }
    for name, step in steps.items():
        step |= {"bytes": stored[name], "mb_per_cpu_s": round(stored[name] / 1e6 / max(step["cpu_s"], 0.1), 1)}
    return {"bytes": restored.bytes, "files": restored.files, "steps": steps, "problems": len(problems)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of the lake (default: 1)")
    parser.add_argument("--folder", type=Path, help="where there is room for four times as much (default: /tmp)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ft-backup-", dir=arguments.folder) as folder:
        found = measure(int(arguments.gigabytes * 10**9), Path(folder))
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        for name, step in found["steps"].items():
            print(f"{name:18}" + "".join(f"{what} {value:>14,}  " for what, value in step.items()))
    return 1 if found["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
