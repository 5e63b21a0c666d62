"""What each part of the recipe for labels brings: one thing changed at a time, on development tasks.

    python benchmarks/recipe_tricks.py --folder F --tasks film_sentences noisy_intents --write --json

The tasks are those of `benchmarks/recipe_tasks`; their splits are made by `benchmarks/recipes.py --folder F`, or by
`ft run <task> --until splits` with `FT_HOME=F/home FT_DEFS=F/defs`. Every training is the platform's own loop with
other settings, or with a trick of `benchmarks/tricks.py`. What was measured is kept in `F/tricks`, and not measured
again.

Prints `{"tasks": {task: {variant: {"value": [one per seed], "start": [...], "last": [...], "mean": [...],
"seconds": [...], ...}}}}`: the task's metric on (at most 300) test records of the weights that are kept, of those
before the first step, of the last ones, and of the mean over the second half of the steps. A trick may name other
weights that are scored. Where answers are written, `before` and `after` are the scores on the suites of
`regression_report`. `--write` makes `docs/benchmarks/recipe_tricks.md` of them.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from statistics import mean
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from benchmarks import tricks, tricks_private, tricks_repeated, tricks_with_texts  # noqa: E402
from benchmarks.recipe_tasks.__main__ import COMMITTED  # noqa: E402
from benchmarks.results import NotMeasured, kept  # noqa: E402
from benchmarks.trick_training import TEST_RECORDS, trained  # noqa: E402

HEAD = {"recipe": "manual", "objective": "label_head", "validations_per_epoch": 1, "patience": 1000}
STEPS = {**HEAD, "epochs": 4, "batch_rows": 8, "learning_rate": 3e-4}
TOKENS = {**STEPS, "label_head_start": "label_tokens"}
TYPICAL = {**STEPS, "label_head_start": "typical_tokens"}
SCALED = {**TYPICAL, "label_head_scale": 0.25}
SMOOTH = {**SCALED, "label_smoothing": 0.1}
LABELS: dict[str, tuple[dict[str, Any], Any]] = {
    "before: labels are written": ({"recipe": "manual"}, tricks.as_it_is),
    "label head": ({"recipe": "manual", "objective": "label_head"}, tricks.as_it_is),
    "+ more steps": (STEPS, tricks.as_it_is),
    "+ head at the labels' tokens": (TOKENS, tricks.as_it_is),
    "+ and at those typical of texts": (TYPICAL, tricks.as_it_is),
    "+ a quarter of that start": (SCALED, tricks.as_it_is),
    "+ label smoothing": (SMOOTH, tricks.as_it_is),
    "+ weights by the metric = recipe": ({}, tricks.as_it_is),
    "head at a linear probe": ({"label_head_start": "random"}, tricks.at_a_probe),
    "head at prompt scores": ({"label_head_start": "random"}, tricks.at_prompt_scores),
    "head at the labels' tokens only": ({"label_head_start": "label_tokens"}, tricks.as_it_is),
    "head start, not made smaller": ({"label_head_scale": 1.0}, tricks.as_it_is),
    "head start, a quarter": ({"label_head_scale": 0.25}, tricks.as_it_is),
    "head start, a tenth": ({"label_head_scale": 0.1}, tricks.as_it_is),
    "head at nothing": ({"label_head_scale": 0.0}, tricks.as_it_is),
    "head start of twice the size": ({"label_head_scale": 1.0}, tricks.head_times(2.0)),
    "head at random, a quarter": ({"label_head_start": "random", "label_head_scale": 0.25}, tricks.as_it_is),
    "head learns 4 times as fast": ({}, tricks.head_times(1.0, 4.0)),
    "head learns 10 times as fast": ({}, tricks.head_times(1.0, 10.0)),
    "head at typical tokens only": ({}, tricks.at_typical_tokens(100, 1.0)),
    "head at 10 typical tokens": ({}, tricks.at_typical_tokens(10)),
    "head at 1,000 typical tokens": ({}, tricks.at_typical_tokens(1000)),
    "mixed with the start": ({}, tricks.mixed_with_start),
    "rate 1e-4": ({"learning_rate": 1e-4}, tricks.as_it_is),
    "rate 5e-4": ({"learning_rate": 5e-4}, tricks.as_it_is),
    "rate 1e-3": ({"learning_rate": 1e-3}, tricks.as_it_is),
    "twice the epochs": ({"epochs": 8}, tricks.as_it_is),
    "cosine": ({"schedule": "cosine"}, tricks.as_it_is),
    "rank 4": ({"rank": 4, "alpha": 8}, tricks.as_it_is),
    "rank 64, rsLoRA": ({"rank": 64, "alpha": 16, "rslora": True}, tricks.as_it_is),
    "q_proj and v_proj": ({"target_modules": ["q_proj", "v_proj"]}, tricks.as_it_is),
    "dropout 0.1": ({"dropout": 0.1}, tricks.as_it_is),
    "dropout 0.3": ({"dropout": 0.3}, tricks.as_it_is),
    "half of the epochs": ({"epochs": 2}, tricks.as_it_is),
    "no label smoothing": ({"label_smoothing": 0.0}, tricks.as_it_is),
    "half towards cheap systems": ({}, tricks_private.towards_cheap_systems(0.5)),
    "70 % towards cheap systems": ({}, tricks_private.towards_cheap_systems(0.7)),
    "70 % towards cheap systems, dropout 0.3": ({"dropout": 0.3}, tricks_private.towards_cheap_systems(0.7)),
    "weight decay 0.1": ({"weight_decay": 0.1}, tricks.as_it_is),
    "balanced loss": ({}, tricks.balanced_loss),
    "balanced draws": ({}, tricks.balanced_draws),
    "alike texts apart": ({}, tricks.alike_apart),
    "mean of all tokens": ({}, tricks.pooled),
    "attention both ways": ({}, tricks.both_ways),
    "attention both ways, mean of all tokens": ({}, tricks.both_ways_pooled),
    "NEFTune": ({}, tricks.noisy_embeddings),
    "last 4 layers full": ({}, tricks.last_layers),
    "20 of 30 layers": ({}, tricks.fewer_layers(2 / 3)),
    "texts first": ({}, tricks.texts_first),
    "examples in prompts": ({}, tricks.examples_in_prompts),
    "mean of three orders": ({}, tricks.three_orders),
    "head at label descriptions": ({}, tricks_with_texts.at_descriptions(typical=True)),
    "head at label descriptions only": ({}, tricks_with_texts.at_descriptions(typical=False)),
    "mean of three seeds": ({}, tricks_repeated.three_seeds),
    "learned from a first training": ({}, tricks_repeated.learned_from(1)),
    "learned from three seeds": ({}, tricks_repeated.learned_from(3)),
}
WRITTEN = {"recipe": "manual", "validations_per_epoch": 1, "patience": 1000, "epochs": 4, "batch_rows": 8}
ANSWERS: dict[str, tuple[dict[str, Any], Any]] = {
    "before": ({"recipe": "manual"}, tricks.as_it_is),
    "+ more steps": (WRITTEN, tricks.as_it_is),
    "+ weights by the metric = recipe": ({}, tricks.as_it_is),
    "rate 2e-4": ({"learning_rate": 2e-4}, tricks.as_it_is),
    "rate 1e-3": ({"learning_rate": 1e-3}, tricks.as_it_is),
    "half of the epochs": ({"epochs": 2}, tricks.as_it_is),
    "twice the epochs": ({"epochs": 8}, tricks.as_it_is),
    "cosine": ({"schedule": "cosine"}, tricks.as_it_is),
    "rank 64, rsLoRA": ({"rank": 64, "alpha": 16, "rslora": True}, tricks.as_it_is),
    "q_proj and v_proj": ({"target_modules": ["q_proj", "v_proj"]}, tricks.as_it_is),
    "dropout 0.1": ({"dropout": 0.1}, tricks.as_it_is),
    "NEFTune": ({}, tricks.noisy_embeddings),
    "longer answers": ({}, tricks.ends(-1.0)),
    "shorter answers": ({}, tricks.ends(1.0)),
    "mean of three seeds": ({}, tricks_repeated.three_seeds),
    "general instructions replayed": ({}, tricks_with_texts.replayed),
}
RECIPE_ROW, SEEDS_ROW = "+ weights by the metric = recipe", "mean of three seeds"
OTHER_WEIGHTS = {
    "weights of the last step": (RECIPE_ROW, "last"),
    "mean of the weights of the second half": (RECIPE_ROW, "mean"),
    "each of the three seeds alone": (SEEDS_ROW, "alone"),
    "ensemble of the three seeds, at three times the cost": (SEEDS_ROW, "ensemble"),
}
ATTACKS = ("loss_area", "area", "found")
KEPT = ("value", *ATTACKS, "path", "start", "last", "mean", "alone", "ensemble", "before", "after", "seconds")
PAGE = """# What each part of the recipe brings

`python benchmarks/recipe_tricks.py --folder F --tasks {tasks} --seeds {seeds} --write`: the metric of each task on at
most {most} test records of development tasks, SmolLM2-135M-Instruct. Rows with a plus add one thing to the row above;
the rows after the recipe change one thing in it. With one seed, a difference below 0.03 can be luck; rows with several
have the lowest and the highest. Rows that are missing were not run.
"""
FORGOTTEN = """Where answers are written, the suites of `regression_report`, on all items: what the base model could do,
and what it can do after it learned the task.
"""
UNFUSED = ("last 4 layers full",)
DESCRIBED = ("head at label descriptions", "head at label descriptions only")


def variants(task: str) -> dict[str, tuple[dict[str, Any], Any]]:
    tasks = {one["name"]: one for one in json.loads(COMMITTED.read_text(encoding="utf-8"))}
    return LABELS if tasks[task]["kind"] == "label" else ANSWERS


def applicable(task: str, names: list[str]) -> list[str]:
    """Without what needs descriptions of labels, where there are none."""
    return names if task in tricks_with_texts.DESCRIPTIONS else [name for name in names if name not in DESCRIBED]


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
    from ft_platform.settings.training import RECIPE

    settings = {**variants(task)[variant][0], "seed": seed}
    key = hashlib.sha256(
        json.dumps([task, variant, settings, RECIPE, *(["path"] if with_path else [])], sort_keys=True).encode()
    ).hexdigest()[:16]

    def train() -> dict[str, Any]:
        about = {"task": task, "variant": variant, "settings": settings}
        return {**about, **_train(task, variant, settings, best_weights, with_path)}

    try:
        return kept(folder / "tricks" / f"{task}-{key}.json", None if only_kept else train)
    except NotMeasured:
        return None


def _train(task: str, variant: str, settings: dict[str, Any], only_best: bool, with_path: bool) -> dict[str, Any]:
    how = {"fused": variant not in UNFUSED, "only_best": only_best, "with_path": with_path}
    return trained(task, variants(task)[variant][1], settings, **how)


def page(found: dict[str, dict[str, dict[str, list[Any]]]], seeds: list[int]) -> str:
    """The tables in Markdown; of every cell the mean over its seeds, with the lowest and the highest."""
    parts = [PAGE.format(tasks=" ".join(found), seeds=" ".join(map(str, seeds)), most=TEST_RECORDS[True])]
    for group in (LABELS, ANSWERS):
        tasks = [task for task in found if variants(task) is group]
        lines = [f"| | {' | '.join(tasks)} |", "| --- |" + " ---: |" * len(tasks)]
        for name in [*group, *OTHER_WEIGHTS]:
            variant, which = OTHER_WEIGHTS.get(name, (name, "value"))
            cells = [[v for v in found[task].get(variant, {}).get(which, []) if v is not None] for task in tasks]
            if any(cells):
                lines.append(f"| {name} | {' | '.join(map(_cell, cells))} |")
        parts += ["\n".join(lines) + "\n"] if tasks else []
    return "\n".join([*parts, *_forgotten(found), *_verdicts(found)])


def _verdicts(found: dict[str, dict[str, dict[str, list[Any]]]]) -> list[str]:
    """For each task, what several seeds say about the recipe, and what nobody ran."""
    lines = []
    for task, rows in found.items():
        recipe = rows.get(RECIPE_ROW, {}).get("value", [])
        runs = {name: row["value"] for name, row in rows.items() if len(row["value"]) > 1 and name != RECIPE_ROW}
        better = [name for name, values in runs.items() if len(recipe) > 1 and min(values) > max(recipe)]
        missing = [name for name in applicable(task, [*variants(task)]) if not rows.get(name, {}).get("value")]
        told = {
            "better than the recipe with every seed": better,
            "tried with several seeds and not clearly better": [name for name in runs if name not in better],
            "not run": missing,
        }
        lines += [f"{task}, {what}: {'; '.join(names)}." for what, names in told.items() if names]
    return ["\n\n".join(lines) + "\n"] if lines else []


def _cell(values: list[float]) -> str:
    spread = f" ({min(values):.3f} to {max(values):.3f})" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}" if values else ""


def _forgotten(found: dict[str, Any]) -> list[str]:
    """A table of the suites, for every training after which they were asked."""
    lines: list[str] = []
    suites: list[str] = []
    for task, rows in found.items():
        asked = {name: runs for name, row in rows.items() if (runs := [one for one in row.get("after", []) if one])}
        before = [one for name in asked for one in rows[name]["before"] if one]
        for name, runs in {"base model": before, **asked}.items() if asked else ():
            suites = [*runs[0]]
            lines.append(f"| {task} | {name} | {' | '.join(f'{mean(run[s] for run in runs):.3f}' for s in suites)} |")
    head = [f"| | | {' | '.join(suites)} |", f"| --- | --- |{' ---: |' * len(suites)}"]
    return [FORGOTTEN, "\n".join([*head, *lines]) + "\n"] if lines else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="of benchmarks/recipes.py")
    parser.add_argument("--tasks", nargs="+", required=True)
    parser.add_argument("--variants", nargs="+", choices=[*LABELS, *ANSWERS], metavar="VARIANT", help="default: all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[17])
    parser.add_argument("--best-weights", action="store_true", help="score no others than those that a training keeps")
    parser.add_argument("--path", action="store_true", help="of labels: what is found out after each validation")
    parser.add_argument("--only-kept", action="store_true", help="what F/tricks has; trains nothing")
    parser.add_argument("--write", action="store_true", help="also write docs/benchmarks/recipe_tricks.md")
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
        for variant in applicable(task, arguments.variants or [*variants(task)]):
            runs = [run for seed in arguments.seeds if (run := measured(folder, task, variant, seed, **how))]
            row = {name: [run.get(name) for run in runs] for name in KEPT}
            found.setdefault(task, {})[variant] = row
            print(f"{task:16s} {variant:28s} {row['value']} {row}", file=sys.stderr, flush=True)
    if arguments.write:
        (REPOSITORY / "docs" / "benchmarks" / "recipe_tricks.md").write_text(page(found, arguments.seeds), "utf-8")
    if arguments.json:
        print(json.dumps({"tasks": found}, indent=1))


if __name__ == "__main__":
    main()
