"""What `anonymized_records` costs on each engine, and how much of it runs in the orchestrator.

    python -m benchmarks.engines --rows 20_000 --json
    python -m benchmarks.engines --engines in_process spark

Each engine runs in processes of its own, one after the other: the real stage with its checks, on the rows of
`benchmarks/data_plane.py`, each of another person. Two sizes are run, and the difference is what 1,000 rows cost; the
rest is the start of the engine. Processor seconds are those of the process (`orchestrator`) and of all processes
below it (`workers`, Java among them).

`processes` and `ray` get `--workers` workers, Spark the session that `SPARK_REMOTE` or spark-defaults.conf names,
otherwise `local[WORKERS]`. Exits with 1 if the content hashes differ.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.data_plane import PSEUDONYM_KEY, family, write_complaints, write_use_case

ENGINES = ["in_process", "processes", "ray", "spark"]
BEFORE = ["raw_records", "permitted_records", "cleaned_records"]
STAGE = "anonymized_records"
TICKS = os.sysconf("SC_CLK_TCK")


def spent() -> tuple[float, float]:
    """Processor seconds of this process, and of those below it, also of those that have ended."""
    own, others = os.times(), 0.0
    for pid in family(os.getpid())[1:]:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        others += sum(map(int, fields[11:15])) / TICKS
    return own.user + own.system, others + own.children_user + own.children_system


def run(folder: Path, source: Path, engine: str, workers: int, ner: str) -> dict[str, Any]:
    """The stage in a fresh installation. In this process."""
    from ft_platform.environment import load_environment
    from ft_platform.lake.opening import open_lake
    from ft_platform.orchestration.execution import prepare_home, run_use_case

    write_use_case(folder / "defs" / "complaints", source, engine, workers, ner)
    os.environ |= {"FT_HOME": str(folder / "home"), "FT_DEFS": str(folder / "defs")}
    os.environ.pop("DAGSTER_HOME", None)
    environment = load_environment()
    environment.key_path.parent.mkdir(parents=True, mode=0o700)
    environment.key_path.write_text(PSEUDONYM_KEY)
    prepare_home(environment)
    # The stages before it run in process: what is measured begins with the start of the engine.
    settings = {"privacy.cache_findings": False}
    before = run_use_case("complaints", {**settings, "compute.engine": "in_process"}, BEFORE, environment)
    begun, (own, others) = time.monotonic(), spent()
    outcome = run_use_case("complaints", settings, [STAGE], environment)
    seconds, (own_then, others_then) = time.monotonic() - begun, spent()
    if not before.success or not outcome.success:
        raise SystemExit(f"{outcome.failed_stage or before.failed_stage} failed: {outcome.error or before.error}")
    version = open_lake(environment).latest("complaints", STAGE)
    assert version is not None
    return {
        "seconds": seconds,
        "orchestrator": own_then - own,
        "workers": others_then - others,
        "content_hash": version.content_hash,
    }


def in_own_process(rows: int, engine: str, arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="engines-", dir=arguments.folder) as name:
        folder = Path(name)
        write_complaints(folder / "complaints.parquet", rows, rows_per_customer=1)
        (folder / "conf").mkdir()
        (folder / "conf" / "spark-defaults.conf").write_text(f"spark.master local[{arguments.workers}]\n")
        command = [sys.executable, "-m", "benchmarks.engines", "--run", str(folder), "--engines", engine]
        command += ["--workers", str(arguments.workers), "--ner", arguments.ner]
        variables = {"SPARK_CONF_DIR": str(folder / "conf"), **os.environ}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=variables)
        return json.loads(done.stdout.splitlines()[-1])


def cost(engine: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """What 1,000 rows cost, and what the start does."""
    small, large = (in_own_process(rows, engine, arguments) for rows in (arguments.rows // 5, arguments.rows))
    thousands = (arguments.rows - arguments.rows // 5) / 1000
    figures: dict[str, Any] = {}
    for name in ("seconds", "orchestrator", "workers"):
        per_1000 = (large[name] - small[name]) / thousands
        figures[name] = {"per_1000_rows": round(per_1000, 3)}
        figures[name]["start"] = round(large[name] - per_1000 * arguments.rows / 1000, 1)
    return {**figures, "content_hash": large["content_hash"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="the larger size; the other one is a fifth of it")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ner", choices=["none", "spacy"], default="none", help="a second model for names")
    parser.add_argument("--folder", help="where files are written; default: the temporary folder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        source = arguments.run / "complaints.parquet"
        found = run(arguments.run, source, arguments.engines[0], arguments.workers, arguments.ner)
        print(json.dumps(found), flush=True)
        os._exit(0)
    costs = {engine: cost(engine, arguments) for engine in arguments.engines}
    print(json.dumps(costs, indent=None if arguments.json else 1))
    if len({one["content_hash"] for one in costs.values()}) > 1:
        raise SystemExit("the engines made different rows")


if __name__ == "__main__":
    main()
