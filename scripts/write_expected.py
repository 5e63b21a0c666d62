"""Writes `ft_platform/training/expected.json` from what `benchmarks/recipes.py` measured.

python scripts/write_expected.py --folder F
"""

import argparse
import json
import os
import sys
from pathlib import Path
from statistics import mean

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="of benchmarks/recipes.py")
    folder = parser.parse_args().folder.absolute()
    os.environ |= {"FT_HOME": str(folder / "home"), "FT_DEFS": str(folder / "defs")}

    from benchmarks.recipe_tasks.__main__ import COMMITTED
    from benchmarks.recipes import recipe_hash
    from ft_platform.lake.opening import open_lake
    from ft_platform.training.expected import FILE, expected, figures, left_out
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.file import load_use_case, use_case_folder

    environment = load_environment()
    lake, recipe = open_lake(environment), recipe_hash("label")
    runs = [json.loads(path.read_text()) for path in sorted((folder / "results").glob("*.json"))]
    tasks = []
    for task in json.loads(COMMITTED.read_text(encoding="utf-8")):
        own = {"task", "records", "recipe", "seed"}
        mine = [run for run in runs if run["about"]["task"] == task["name"] and run["about"]["recipe"] == recipe]
        reached = [run["metrics"]["fine_tuned"]["value"] for run in mine if run["about"].keys() == own]
        splits = lake.latest(task["name"], "splits")
        if task["kind"] != "label" or not reached or splits is None:
            continue
        use_case = load_use_case(use_case_folder(environment.defs, task["name"]), environment=environment)
        said = expected(use_case, lambda columns, splits=splits: lake.read(splits, columns))
        assert said is not None
        sizes = {"records": said.records, "labels": said.labels, "tfidf": round(said.tfidf, 4)}
        tasks.append({"task": task["name"], **sizes, "reached": round(mean(reached), 4)})
    held = left_out(figures(tasks))
    found = {"recipe": recipe, "tasks": tasks, "left_out": {"held": sum(held), "of": len(held)}}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{FILE.relative_to(REPOSITORY)}: {len(tasks)} tasks, the interval held {sum(held)} that were left out")


if __name__ == "__main__":
    main()
