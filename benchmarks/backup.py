"""How long a backup, a backup of what has changed, and a restore take, and how much they store; and a copy of the lake.
All persons are fictitious.

python benchmarks/backup.py --gigabytes 10 --json
"""

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.environment import create_pseudonym_key
from ft_platform.lake.backup.copying import copy_lake
from ft_platform.lake.backup.restoring import restore
from ft_platform.lake.backup.taking import take_backup
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.opening import note
from ft_platform.records.columns import text_fields
from ft_platform.settings.backup import BackupSettings
from ft_platform.settings.environment import Environment

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


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    found = what()
    return round(time.perf_counter() - started, 1), found


def measure(size: int, folder: Path) -> dict[str, Any]:
    settings = BackupSettings(to=str(folder / "backups"), keys=str(folder / "keys"))
    environment = Environment(home=folder / "home", tracking_uri="none", backup=settings)
    create_pseudonym_key(environment)
    lake = open_lake(environment)
    note(lake, "", "settings", "began")
    grow(lake, size, 0)
    full_s, full = timed(lambda: take_backup(environment, AuditLog(lake)))
    same_s, same = timed(lambda: take_backup(environment, AuditLog(lake)))
    grow(lake, size // 100, 1)
    changed_s, changed = timed(lambda: take_backup(environment, AuditLog(lake)))
    drill = environment.model_copy(update={"home": folder / "drill"})
    restore_s, restored = timed(lambda: restore(drill))
    verify_s, verified = timed(lambda: inspect(open_lake(drill), NAME))
    shutil.rmtree(drill.home)
    target = open_lake(environment.model_copy(update={"lake_root": str(folder / "copy")}))
    copy_s, copied = timed(lambda: copy_lake(lake, AuditLog(lake), target))
    again_s, again = timed(lambda: copy_lake(lake, AuditLog(lake), target))
    problems = [*full.problems, *changed.problems, *restored.problems, *verified.problems, *copied.problems]
    return {
        "bytes": restored.bytes,
        "files": restored.files,
        "backup_s": full_s,
        "backup_bytes": full.told["new_bytes"],
        "unchanged_s": same_s,
        "unchanged_bytes": same.told["new_bytes"],
        "one_percent_more_s": changed_s,
        "one_percent_more_bytes": changed.told["new_bytes"],
        "restore_s": restore_s,
        "check_s": verify_s,
        "copy_s": copy_s,
        "copy_again_s": again_s,
        "copy_again_bytes": again.bytes,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "problems": len(problems),
    }


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
        for name, value in found.items():
            print(f"{name:24} {value:>16,}")
    return 1 if found["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
