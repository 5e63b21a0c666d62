"""What each part of the recipe for labels brings: one thing changed at a time, on development tasks.

    python benchmarks/recipe_tricks.py --folder F --tasks film_sentences noisy_intents --json

The tasks are those of `benchmarks/recipe_tasks`; their splits are made by `benchmarks/recipes.py --folder F`, or by
`ft run <task> --until splits` with `FT_HOME=F/home FT_DEFS=F/defs`. Every training is the platform's own loop with
other settings. What was measured is kept in `F/tricks`, and not measured again. What other code would bring stands in
`docs/adr/0047-what-the-recipe-leaves-out.md`.

Prints `{"tasks": {task: {variant: {"value": [one per seed], "start": [...], "last": [...], "mean": [...],
"seconds": [...], ...}}}}`: the task's metric on (at most 300) test records of the weights that are kept, of those
before the first step, of the last ones, and of the mean over the second half of the steps. Where answers are written,
`before` and `after` are the scores on the suites of `regression_report`.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from benchmarks.recipe_tasks.__main__ import COMMITTED  # noqa: E402
from benchmarks.results import NotMeasured, kept  # noqa: E402
from benchmarks.trick_training import trained  # noqa: E402

HEAD = {"recipe": "manual", "objective": "label_head", "validations_per_epoch": 1, "patience": 1000}
STEPS = {**HEAD, "epochs": 4, "batch_rows": 8, "learning_rate": 3e-4}
TOKENS = {**STEPS, "label_head_start": "label_tokens"}
TYPICAL = {**STEPS, "label_head_start": "typical_tokens"}
SCALED = {**TYPICAL, "label_head_scale": 0.25}
SMOOTH = {**SCALED, "label_smoothing": 0.1}
LABELS: dict[str, dict[str, Any]] = {
    "before: labels are written": {"recipe": "manual"},
    "label head": {"recipe": "manual", "objective": "label_head"},
    "+ more steps": STEPS,
    "+ head at the labels' tokens": TOKENS,
    "+ and at those typical of texts": TYPICAL,
    "+ a quarter of that start": SCALED,
    "+ label smoothing": SMOOTH,
    "+ weights by the metric = recipe": {},
    "head at the labels' tokens only": {"label_head_start": "label_tokens"},
    "head start, not made smaller": {"label_head_scale": 1.0},
    "head start, a quarter": {"label_head_scale": 0.25},
    "head start, a tenth": {"label_head_scale": 0.1},
    "head at nothing": {"label_head_scale": 0.0},
    "head at random, a quarter": {"label_head_start": "random", "label_head_scale": 0.25},
    "rate 1e-4": {"learning_rate": 1e-4},
    "rate 5e-4": {"learning_rate": 5e-4},
    "rate 1e-3": {"learning_rate": 1e-3},
    "twice the epochs": {"epochs": 8},
    "cosine": {"schedule": "cosine"},
    "rank 4": {"rank": 4, "alpha": 8},
    "rank 64, rsLoRA": {"rank": 64, "alpha": 16, "rslora": True},
    "q_proj and v_proj": {"target_modules": ["q_proj", "v_proj"]},
    "dropout 0.1": {"dropout": 0.1},
    "dropout 0.3": {"dropout": 0.3},
    "half of the epochs": {"epochs": 2},
    "no label smoothing": {"label_smoothing": 0.0},
    "weight decay 0.1": {"weight_decay": 0.1},
}
WRITTEN = {"recipe": "manual", "validations_per_epoch": 1, "patience": 1000, "epochs": 4, "batch_rows": 8}
ANSWERS: dict[str, dict[str, Any]] = {
    "before": {"recipe": "manual"},
    "+ more steps": WRITTEN,
    "+ weights by the metric = recipe": {},
    "rate 2e-4": {"learning_rate": 2e-4},
    "rate 1e-3": {"learning_rate": 1e-3},
    "half of the epochs": {"epochs": 2},
    "twice the epochs": {"epochs": 8},
    "cosine": {"schedule": "cosine"},
    "rank 64, rsLoRA": {"rank": 64, "alpha": 16, "rslora": True},
    "q_proj and v_proj": {"target_modules": ["q_proj", "v_proj"]},
    "dropout 0.1": {"dropout": 0.1},
}
RECIPE_ROW = "+ weights by the metric = recipe"
ATTACKS = ("loss_area", "area", "found")
KEPT = ("value", *ATTACKS, "path", "start", "last", "mean", "before", "after", "seconds")


def variants(task: str) -> dict[str, dict[str, Any]]:
    tasks = {one["name"]: one for one in json.loads(COMMITTED.read_text(encoding="utf-8"))}
    return LABELS if tasks[task]["kind"] == "label" else ANSWERS


def measured(
    folder: Path,
    task: str,
    variant: str,
    seed: int,
    *,
    best_weights: bool = False,
    only_kept: bool = False,
    with_path: bool = False,
) -> dict[str, Any] | None:
    """One training, or what it came to before; None where nothing did and nothing is to be trained."""
    from ft_platform.use_case.settings.training import RECIPE

    settings = {**variants(task)[variant], "seed": seed}
    key = hashlib.sha256(
        json.dumps([task, variant, settings, RECIPE, *(["path"] if with_path else [])], sort_keys=True).encode()
    ).hexdigest()[:16]

    def train() -> dict[str, Any]:
        about = {"task": task, "variant": variant, "settings": settings}
        return {**about, **trained(task, settings, only_best=best_weights, with_path=with_path)}

    try:
        return kept(folder / "tricks" / f"{task}-{key}.json", None if only_kept else train)
    except NotMeasured:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of benchmarks/recipes.py")
    parser.add_argument("--tasks", nargs="+", required=True)
    parser.add_argument("--variants", nargs="+", choices=[*LABELS, *ANSWERS], metavar="VARIANT", help="default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[17])
    parser.add_argument("--best-weights", action="store_true", help="score no others than those that a training keeps")
    parser.add_argument("--path", action="store_true", help="of labels: what is found out after each validation")
    parser.add_argument("--only-kept", action="store_true", help="what F/tricks has; trains nothing")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder.absolute()
    os.environ |= {"FT_HOME": str(folder / "home"), "FT_DEFS": str(folder / "defs"), "FT_TRACKERS": "none"}
    from ft_platform.programs.reporting import prepare_process
    from ft_platform.training.threads import pin_threads

    prepare_process()
    pin_threads()
    found: dict[str, dict[str, dict[str, list[Any]]]] = {}
    how = {"best_weights": arguments.best_weights, "only_kept": arguments.only_kept, "with_path": arguments.path}
    for task in arguments.tasks:
        for variant in arguments.variants or variants(task):
            runs = [run for seed in arguments.seeds if (run := measured(folder, task, variant, seed, **how))]
            row = {name: [run.get(name) for run in runs] for name in KEPT}
            found.setdefault(task, {})[variant] = row
            print(f"{task:16s} {variant:28s} {row['value']} {row}", file=sys.stderr, flush=True)
    if arguments.json:
        print(json.dumps({"tasks": found}, indent=1))


if __name__ == "__main__":
    main()
