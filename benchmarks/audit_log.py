"""What the audit log costs: entries written in a second, one by one and in batches, and how long it takes to verify and
to erase a person from a log of that size.

python benchmarks/audit_log.py --entries 1000000 --json
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from ft_platform.lake.opening import open_lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.audit_log.verify import verify
from ft_platform.people.noted import Noted
from ft_platform.people.person import named
from ft_platform.use_case.settings.environment import Environment

ALONE = 200
PERSONS = [named(f"person{number}@example.org") for number in range(100)]
"""Fictitious."""


def entry(number: int) -> Noted:
    told = {"release": f"release-{number:012x}", "checkpoint": f"ckpt-{number:012x}"}
    return Noted("release", PERSONS[number % len(PERSONS)], "released", "complaint_routing", told)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="on the disk that is measured (default: a temporary one)")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found: dict[str, object] = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        log = AuditLog(open_lake(Environment(home=Path(folder))))
        started = time.perf_counter()
        for number in range(ALONE):
            log(entry(number))
        found["entries_a_second_one_by_one"] = round(ALONE / (time.perf_counter() - started))
        started, rest = time.perf_counter(), arguments.entries - 1 - ALONE
        for first in range(0, rest, arguments.batch):
            log.note([entry(number) for number in range(first, min(first + arguments.batch, rest))])
        found["entries_a_second_in_batches"] = round(rest / (time.perf_counter() - started))
        started, used = time.perf_counter(), time.process_time()
        checked = verify(log)
        found["verify_seconds"] = round(time.perf_counter() - started, 1)
        found["verify_cpu_seconds"] = round(time.process_time() - used, 1)
        if not checked.ok or checked.entries != arguments.entries:
            sys.exit(f"the log is not intact: {checked}")
        found |= {"entries": checked.entries, "megabytes": size_of(Path(log.files.folder)) >> 20}
        started = time.perf_counter()
        erased = log.forget(PERSONS[7].name, Noted("erasure", PERSONS[8], "erased a person from the audit log"))
        found |= {"erase_seconds": round(time.perf_counter() - started, 1), "entries_that_named_the_person": erased}
        found["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    for name, value in found.items() if not arguments.json else ():
        print(f"{name.replace('_', ' '):32} {value}")
    if arguments.json:
        print(json.dumps(found, indent=1))


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
