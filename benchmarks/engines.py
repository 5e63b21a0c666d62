"""What `anonymized_records` costs on each engine, and how much of it runs in the orchestrator.

    python -m benchmarks.engines --rows 20_000 --json
    python -m benchmarks.engines --engines in_process spark
    python -m benchmarks.engines --engines in_process processes --without-names --json

Each engine runs in a process of its own, one after the other: the stage on the texts of `benchmarks/data_plane.py`,
each of another person, and written to a lake. It runs on one row, on a fifth of the rows and then on all: the first is
the start of the engine, and the difference of the others what 1,000 rows cost. Processor seconds are those of the
process (`orchestrator`) and of all processes below it (`workers`, Java among them). `residual` is the check
`no_residual_pii`, which runs in the orchestrator whatever the engine.

`processes` and `ray` get `--workers` workers, Spark the session that `SPARK_REMOTE` or `SPARK_CONF_DIR` names, or else
`local[WORKERS]`. `--without-names` looks for no persons and places, so that the built-in network reads nothing. Exits
with 1 if the content hashes differ.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.data_plane import family, left_out, write_complaints

ENGINES = ["in_process", "processes", "ray", "spark"]
STAGE = "anonymized_records"
TICKS = os.sysconf("SC_CLK_TCK")


def spent() -> tuple[float, float, float]:
    """Seconds on the wall; processor seconds of this process, and of those below it, also of those that have ended."""
    own, others = os.times(), 0.0
    for pid in family(os.getpid())[1:]:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        others += sum(map(int, fields[11:15])) / TICKS
    return time.monotonic(), own.user + own.system, others + own.children_user + own.children_system


def measured(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    before = spent()
    made = work()
    names = ("seconds", "orchestrator", "workers")
    return {name: then - now for name, now, then in zip(names, before, spent(), strict=True)}, made


def run(folder: Path, engine: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Both sizes in a fresh lake. In this process."""
    from ft_platform.lake.opening import open_lake
    from ft_platform.lake.stage_table import Written, write_stage
    from ft_platform.privacy.anonymize import anonymize
    from ft_platform.privacy.residual import residual
    from ft_platform.records.columns import contents_sha256
    from ft_platform.records.schemas import anonymized_schema, cleaned_schema
    from ft_platform.use_case.settings.environment import Environment
    from ft_platform_tests.privacy.anonymizing import key_in
    from ft_platform_tests.tables import table, use_case

    rows, workers = arguments.rows, arguments.workers if engine != "spark" else 0
    case = use_case(compute={"engine": engine, "workers": workers}, privacy={"left_out": left_out(arguments)})
    texts = pq.read_table(folder / "complaints.parquet")["text"].to_pylist()
    lake, keys = open_lake(Environment(home=folder)), key_in(folder, case.name)

    def stage(size: int) -> Written:
        persons = [str(number) for number in range(size)]
        known = {
            "sha256_after": [contents_sha256([text]) for text in texts[:size]],
            "text_characters": [len(text) for text in texts[:size]],
        }
        records = table(cleaned_schema(case), texts[:size], record_id=persons, subject_id=persons, **known)
        cleaned = lake.write_table(
            case.name, "cleaned_records", records.to_batches(), records.schema, zone="restricted"
        )
        found, written = measured(
            lambda: write_stage(
                lake,
                case,
                STAGE,
                [cleaned],
                lambda work: anonymize(case, lake.rows(cleaned), work, keys),
                anonymized_schema(case),
            )
        )
        costs.append(found)
        return written

    costs: list[dict[str, float]] = []
    stage(1)  # Spark's session stays, and would be counted with the fifth
    stage(rows // 5)
    version = stage(rows).version
    check, _ = measured(lambda: residual(case, lake.rows(version)))
    return {"costs": costs, "residual": check["orchestrator"], "content_hash": version.content_hash}


def in_own_process(engine: str, arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="engines-", dir=arguments.folder) as name:
        folder = Path(name)
        write_complaints(folder / "complaints.parquet", arguments.rows)
        (folder / "conf").mkdir()
        (folder / "conf" / "spark-defaults.conf").write_text(f"spark.master local[{arguments.workers}]\n")
        command = [sys.executable, "-m", "benchmarks.engines", "--run", name, "--engines", engine]
        command += ["--rows", str(arguments.rows), "--workers", str(arguments.workers)]
        command += ["--without-names"] if arguments.without_names else []
        variables = {"SPARK_CONF_DIR": str(folder / "conf"), **os.environ}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=variables)
        return json.loads(done.stdout.splitlines()[-1])


def cost(found: dict[str, Any], rows: int) -> dict[str, Any]:
    """What 1,000 rows cost, and what the start does."""
    start, small, large = found["costs"]
    thousands = (rows - rows // 5) / 1000
    figures: dict[str, Any] = {}
    for name in small:
        per_1000 = (large[name] - small[name]) / thousands
        figures[name] = {"per_1000_rows": round(per_1000, 3), "start": round(start[name], 1)}
    figures["residual"] = {"orchestrator_per_1000_rows": round(found["residual"] / rows * 1000, 3)}
    return {**figures, "content_hash": found["content_hash"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="the larger size; the other one is a fifth of it")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--without-names", action="store_true", help="look for no persons and places")
    parser.add_argument("--folder", help="where files are written; default: the temporary folder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        found = run(arguments.run, arguments.engines[0], arguments)
        print(json.dumps(found), flush=True)
        os._exit(0)
    costs = {engine: cost(in_own_process(engine, arguments), arguments.rows) for engine in arguments.engines}
    print(json.dumps(costs, indent=None if arguments.json else 1))
    if len({one["content_hash"] for one in costs.values()}) > 1:
        raise SystemExit("the engines made different rows")


if __name__ == "__main__":
    main()
