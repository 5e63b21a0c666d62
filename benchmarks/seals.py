"""What signing costs in processor time: verdicts written and read with and without signatures, side by side, in a chain
that grows.

python benchmarks/seals.py --verdicts 500
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.use_case.settings.environment import Environment

SCHEMA = pa.schema([("record_id", pa.string()), ("text", pa.string())])


def median_milliseconds(work: Callable[[int], object], times: int) -> float:
    taken = []
    for number in range(times):
        started = time.process_time()
        work(number)
        taken.append(time.process_time() - started)
    return round(1000 * statistics.median(taken), 3)


def main() -> None:
    """Prints medians in cpu-milliseconds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdicts", type=int, default=500)
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = Environment(home=Path(folder) / "home")
        lakes = {"signed": open_lake(environment), "plain": Lake(Path(folder) / "plain")}
        rows = [pa.RecordBatch.from_pydict({"record_id": ["r1"], "text": ["fictitious"]}, SCHEMA)]
        for name, lake in lakes.items():
            version = lake.write_table("case", "splits", rows, SCHEMA, zone="shared")
            write = median_milliseconds(
                lambda n, lake=lake, version=version: lake.add_verdict(version, f"check_{n % 50}", True, "s"),
                arguments.verdicts,
            )
            read = median_milliseconds(lambda _, lake=lake, version=version: lake.verdicts(version), 50)
            found[name] = {"write_a_verdict": write, "read_50_verdicts": read}
        opened = time.process_time()
        seals = open_lake(environment).seals("case")
        assert seals
        entries = len(seals.journal.entries())
        found["chain"] = {"entries": entries, "opened_in": round(1000 * (time.process_time() - opened), 1)}
        started = time.process_time()
        assert not inspect(open_lake(environment), "case").problems
        found["chain"]["verified_in"] = round(1000 * (time.process_time() - started), 1)
    found["ratio"] = {name: round(found["signed"][name] / found["plain"][name], 2) for name in found["plain"]}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
