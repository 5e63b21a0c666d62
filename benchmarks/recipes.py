"""Which recipe of training wins on tasks that it was not made for, with nothing set by hand: ours, beside the systems
of every evaluation and the recipes that other toolkits publish.

    python benchmarks/recipes.py --folder F --json          # hours; goes on where it stopped
    python benchmarks/recipes.py --folder F --quick --json  # four development tasks, one seed, no peers
    python benchmarks/recipes.py --folder F --tasks slots complaints --seeds 1 --peers trl

The tasks are those of `benchmarks/recipe_tasks`: some are `held_out`, from sources on which no recipe was developed.
Every measurement is a run of the platform up to `evaluation_report`, with the same splits for all, and is kept in
`F/results`, by the hash of records, settings and recipe; what earlier recipes came to stays in
docs/benchmarks/recipes.json. Peers are the settings that their examples publish, trained by our loop, with the weights
of the lowest loss among validations after each epoch: TRL (the LoRA command of `trl/scripts/sft.py`), LLaMA-Factory
(`examples/train_lora/qwen3_lora_sft.yaml`), Axolotl (`examples/llama-3/lora-1b.yml`).

A task whose run fails or is refused is named in `stopped`, with the reason; the others are measured, and the exit code
is 1. Prints `{"recipe", "stopped", "tasks": [{"name", "held_out", "metric", "ours", "low", "high", "seeds", "tfidf",
"few_shot", "zero_shot", "nearest", "majority", "peers": {name: value}, "search", "forgotten", "refused_by",
"membership_rate", "membership_area", "simpler": {method: refused_by}, "seconds"}], "share_at_least_tfidf",
"share_better_than_few_shot", "share_accepted", "share_accepted_or_simpler", "mean_rank": {recipe: rank},
"regret_to_search", "seed_spread", "forgetting"}`. Shares, ranks and regret are of the held-out tasks that were
measured, or of all where none was. `ours` is the mean over seeds, `low` and `high` the test records' interval of the
first seed, `search` what the best of eight trials on the validation records reaches (three tasks), `seconds` the
training's. `refused_by` names the rules of a release decision on quality, fairness, memorization and forgetting that
the first seed breaks, without a waiver; `membership_rate` is the share of its training records that an attacker finds
at 1 % false alarms, `membership_area` the area under the attack's ROC curve, both of the stronger attack. Where it is
refused, `simpler` has the rules that the simpler systems break, which a refusal offers as `training.method` where
labels are chosen. `seed_spread` is the mean standard deviation over seeds, of ours and of what was before there were
recipes; `forgetting` has the statuses of the suites of `regression_report`, where answers are written.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))
from benchmarks.recipe_tasks.__main__ import COMMITTED, differing  # noqa: E402
from benchmarks.results import NotMeasured, kept, key_of  # noqa: E402

DOCS = REPOSITORY / "docs" / "benchmarks"
PAGE = """# Recipes

`python benchmarks/recipes.py --folder F --write`: what `training.recipe: auto` reaches with nothing set by hand, beside
the other systems of an evaluation on the same test records. The base model is SmolLM2-135M-Instruct. Intervals are of
the first seed, over test records, values the means over seeds; the best value of a line is bold. `version` is the
recipe's at that time; held-out tasks come from sources on which no recipe was developed.

Of the held-out tasks of version `{recipe}`: at least the value of TF-IDF + logistic regression {share_at_least_tfidf};
better than few-shot prompting {share_better_than_few_shot}; accepted by quality, fairness, memorization and forgetting,
without a waiver {share_accepted}; this, or else a simpler system is (`training.method`) {share_accepted_or_simpler}.
Clearly worse than TF-IDF: {worse}. Mean rank beside the recipes of others: {ranks}. What a search of eight trials
reaches more, on average: {regret}. Standard deviation over seeds: {spread}. Questions that the base model could answer
before, where answers are written: {forgotten}.

Two cores compute about 500 tokens a second of this model, forward and backward, so tasks have a few hundred records.
Neither a GPU nor a larger base model was measured. A larger one writes and scores labels better before any training.
"""
QUICK = ["two_intents", "noisy_intents", "film_sentences", "chinese_reviews"]
SEEDS = [17, 18, 19]
TO_THE_END = {"recipe": "manual", "patience": 1000, "validations_per_epoch": 1}
PEERS: dict[str, dict[str, Any]] = {
    "trl": {
        "rank": 32,
        "alpha": 16,
        "dropout": 0.05,
        "target_modules": ["q_proj", "v_proj"],
        "learning_rate": 2e-4,
        "epochs": 1,
        "batch_rows": 16,
        "schedule": "linear",
        "warmup_fraction": 0.0,
    },
    "llama_factory": {
        "rank": 8,
        "alpha": 16,
        "dropout": 0.0,
        "target_modules": "all-linear",
        "learning_rate": 1e-4,
        "epochs": 3,
        "batch_rows": 8,
        "schedule": "cosine",
        "warmup_fraction": 0.1,
    },
    "axolotl": {
        "rank": 16,
        "alpha": 32,
        "dropout": 0.05,
        "target_modules": "all-linear",
        "learning_rate": 2e-4,
        "epochs": 1,
        "batch_rows": 4,
        "schedule": "cosine",
        "warmup_fraction": 0.05,
    },
}
BEFORE = "before"
SIMPLER = ("tfidf_logreg", "linear_probe")
SEARCHED = ("travel_and_work", "questions", "attack_tactics")
SEARCH = {
    "trials": 8,
    "space": {
        "learning_rate": {"low": 1e-4, "high": 2e-3, "log": True},
        "epochs": {"choices": [2, 4, 8]},
        "batch_rows": {"choices": [4, 8, 16]},
        "rank": {"choices": [8, 16, 32]},
    },
}
SOME_CASE = {
    "description": "Any use case of its kind.",
    "owners": {"accountable": "team:benchmarks"},
    "source": {"uri": "records.jsonl"},
    "governance": {"purpose": "benchmark", "without_consent_column": "licence", "licence": "MIT"},
    "base_model": {"uri": "org/name"},
    "release": {"intended_use": "Comparison of recipes."},
}
KINDS: dict[str, dict[str, Any]] = {
    "label": {"task": {"kind": "classification"}, "record": {"text": "text", "label": "label"}},
    "written": {"task": {"kind": "generation"}, "record": {"text": "text", "answer": "answer"}},
    "pair": {"task": {"kind": "generation"}, "record": {"chat_format": "preference"}},
}
WEIGHTS = (135_000_000, 7_000_000_000)
SYSTEMS = {
    "tfidf": "tfidf_logreg",
    "few_shot": "base_few_shot",
    "zero_shot": "base_zero_shot",
    "linear_probe": "linear_probe",
    "nearest": "nearest_neighbour",
    "majority": "majority",
}


def recipe_hash(kind: str) -> str:
    """Changes when `training.recipe: auto` chooses something else for tasks of a kind, or trains it otherwise."""
    from ft_platform.training.recipe import Facts, recipe_for
    from ft_platform.use_case.schema import UseCase
    from ft_platform.use_case.settings.training import NEWER, RECIPE

    settings = UseCase.model_validate({**SOME_CASE, **KINDS.get(kind, KINDS["written"])})
    facts = [Facts(rows, rows // 10, weights) for rows in (100, 1_000, 10_000, 100_000) for weights in WEIGHTS]
    chosen = [recipe_for(settings, one).training.model_dump(mode="json") for one in facts]
    named = [{name: value for name, value in one.items() if NEWER.get(name) != value} for one in chosen]
    return _hash([*named, RECIPE])


def _hash(found: Any) -> str:
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12]


JUDGED = ("beats", "fairness", "memorization", "forgetting")
"""Rules of a decision that the recipe answers for; the others ask for people and papers, which no task here has."""
OF_THE_DECISION = ("refused_by", "membership_rate", "membership_area")


class TaskStopped(Exception):
    """A run of a task failed or was refused. The others go on."""


class Measurements:
    """Runs of tasks in a folder, and their results.

    Args:
        only_kept: measure nothing that is not there.

    Attributes:
        recipe: of all kinds.
    """

    def __init__(self, folder: Path, only_kept: bool = False) -> None:
        self.folder, self.only_kept = folder, only_kept
        self.recipe = _hash([recipe_hash(kind) for kind in KINDS])
        (folder / "results").mkdir(parents=True, exist_ok=True)
        environment = {"policy": {"name": "benchmark", "accepted_licences": sorted(self._licences())}}
        (folder / "ft_environment.yaml").write_text(yaml.safe_dump(environment), encoding="utf-8")

    @staticmethod
    def _licences() -> set[str]:
        """Those of the default policy, and of the tasks."""
        from ft_platform.use_case.settings.policy import ACCEPTED_LICENCES

        return {*ACCEPTED_LICENCES, *(task["licence"] for task in json.loads(COMMITTED.read_text(encoding="utf-8")))}

    def result(self, task: dict[str, Any], training: dict[str, Any], seed: int) -> dict[str, Any]:
        """What a training of a task came to: as measured before, or measured now."""
        recipe = (
            "" if training.get("recipe") == "manual" else recipe_hash(task["kind"])
        )  # what a peer reaches does not depend on it
        about = {"task": task["name"], "records": task["sha256"], "recipe": recipe, "seed": seed, **training}
        return self._kept(about, lambda: self._measure(task, {**training, "seed": seed}))

    def forgotten(self, task: dict[str, Any], seed: int) -> dict[str, str]:
        """What became of every suite of `regression_report`, where answers are written."""
        about = {
            "task": task["name"],
            "records": task["sha256"],
            "recipe": recipe_hash(task["kind"]),
            "seed": seed,
            "forgotten": True,
        }
        return self._kept(about, lambda: {"suites": self._forgotten(task, seed)})["suites"]

    def searched(self, task: dict[str, Any]) -> dict[str, Any]:
        """Settings of the trial with the lowest validation loss."""
        about = {"task": task["name"], "records": task["sha256"], "recipe": recipe_hash(task["kind"]), "search": SEARCH}
        return self._kept(about, lambda: {"best": self._search(task)})["best"]

    def _kept(self, about: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        file = self.folder / "results" / f"{about['task']}-{key_of(about)}.json"
        return kept(file, None if self.only_kept else lambda: {"about": about, **measure()})

    def _measure(self, task: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
        begun = time.monotonic()
        found = self._run(task["name"], ["--until", "release_decision"], {"training": training})
        metrics = {system: figures.get(task["metric"]) for system, figures in found["systems"].items()}
        seconds = {
            "run": round(time.monotonic() - begun, 1),
            "training": found["stage_seconds"].get("adapter_checkpoint"),
        }
        rules = self._newest(task, "release_decision", "decision.json")["rules"]
        attacks = (self._newest(task, "privacy_report", "privacy.json")["membership"] or {}).values()
        judged = {
            "refused_by": [one["rule"] for one in rules if one["rule"].split("/")[0] in JUDGED and not one["passed"]],
            "membership_rate": max((attack["at_1_percent"]["value"] for attack in attacks), default=None),
            "membership_area": max((attack["auc"]["value"] for attack in attacks), default=None),
        }
        return {"metrics": metrics, "seconds": seconds, "test_rows": found["test_rows"], **judged}

    def _forgotten(self, task: dict[str, Any], seed: int) -> dict[str, str]:
        self._run(task["name"], ["--until", "regression_report"], {"training": {"seed": seed}})
        suites = self._newest(task, "regression_report", "regression.json")["suites"]
        return {name: one["status"] for name, one in suites.items()}

    def _search(self, task: dict[str, Any]) -> dict[str, Any]:
        stage = "hyperparameter_search"
        self._run(task["name"], ["--until", "splits"], {})  # a peer's settings were audited last
        self._run(task["name"], ["--select", stage], {"search": SEARCH})
        return self._newest(task, stage, "search.json")["best"]["params"]

    def _newest(self, task: dict[str, Any], stage: str, name: str) -> dict[str, Any]:
        from ft_platform.lake.opening import open_lake
        from ft_platform.use_case.environment import load_environment

        os.environ |= self._where()
        lake = open_lake(load_environment())
        return json.loads(lake.read_file(lake.artifacts(task["name"], stage)[0], name))

    def _run(self, task: str, stages: list[str], settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Sections of the settings are written into the file, which has none of them otherwise: a decision goes by the
        file."""
        file = self.folder / "defs" / task / "defs.yaml"
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        kept = {name: section for name, section in found["attributes"].items() if name not in ("training", "search")}
        text = yaml.safe_dump({**found, "attributes": kept | settings}, sort_keys=False, allow_unicode=True)
        file.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "ft_platform.cli", "run", task, *stages, "--json"]
        environment = {**os.environ, **self._where(), "PYTHONPATH": str(REPOSITORY)}
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
        if run.returncode:
            raise TaskStopped(f"{settings}: ft run ended with {run.returncode}\n{run.stderr[-2000:]}")
        return json.loads(run.stdout)

    def _where(self) -> dict[str, str]:
        places = {"HOME": "home", "DEFS": "defs", "ENVIRONMENT": "ft_environment.yaml"}
        return {f"FT_{name}": str(self.folder / place) for name, place in places.items()} | {"FT_TRACKERS": "none"}


def recipe(peer: str) -> dict[str, Any]:
    """The settings of a peer; `before` is what a training without any setting was when there was no recipe."""
    return {"recipe": "manual"} if peer == BEFORE else {**PEERS[peer], **TO_THE_END}


def row(
    measured: Measurements,
    task: dict[str, Any],
    seeds: list[int],
    peers: list[str],
    search: bool = False,
    had: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    """A task's line of the table; None where nothing was measured and nothing is to be.

    Args:
        had: the line that there is already; only what it lacks is measured.
    """
    had = had or {}

    def known(measure: Callable[[], Any]) -> Any:
        try:
            return measure()
        except NotMeasured:
            return None

    def of_seeds(training: dict[str, Any], seeds: list[int]) -> list[dict[str, Any]]:
        return [one for seed in seeds if (one := known(lambda: measured.result(task, training, seed)))]  # noqa: B023

    def values(training: dict[str, Any], seeds: list[int], had: Sequence[float] = ()) -> list[float]:
        new = of_seeds(training, seeds[len(had) :])
        return [*had, *(one["metrics"]["fine_tuned"]["value"] for one in new)]

    first = had or next((_first(one) for one in of_seeds({}, seeds[:1])), None)
    if first is None:
        return None
    ours = values({}, seeds, had.get("seeds", ()))
    peers = [name for name in peers if task["kind"] != "pair" and (name == BEFORE or name not in had.get("peers", {}))]
    reached = {
        name: values(recipe(name), seeds, had.get("seeds_before", ()))
        if name == BEFORE
        else values(recipe(name), seeds[:1])
        for name in peers
    }
    refused = bool(first["refused_by"]) and task["kind"] == "label"
    simpler = had.get("simpler") or {
        method: runs[0]["refused_by"]
        for method in SIMPLER
        if refused and (runs := of_seeds({"method": method}, seeds[:1]))
    }
    best = known(lambda: measured.searched(task)) if search and had.get("search") is None else None
    forgotten = had.get("forgotten") or (task["kind"] != "label" and known(lambda: measured.forgotten(task, seeds[0])))
    return {
        "name": task["name"],
        "records": task["sha256"],
        "held_out": task["held_out"],
        "metric": task["metric"],
        "ours": round(mean(ours), 4),
        "low": first["low"],
        "high": first["high"],
        "seeds": ours,
        **{name: first[name] for name in SYSTEMS},
        "peers": had.get("peers", {}) | {name: round(mean(found), 4) for name, found in reached.items() if found},
        "seeds_before": reached.get(BEFORE, had.get("seeds_before", [])),
        "search": next(iter(values(best, seeds[:1])), None) if best else had.get("search"),
        "forgotten": forgotten or {},
        "simpler": simpler,
        **{name: first[name] for name in (*OF_THE_DECISION, "seconds")},
    }


def _first(run: dict[str, Any]) -> dict[str, Any]:
    """What a line takes from the run of the first seed."""
    found = run["metrics"]
    systems = {name: (found.get(system) or {}).get("value") for name, system in SYSTEMS.items()}
    interval = {name: found["fine_tuned"][name] for name in ("low", "high")}
    decided = {name: run[name] for name in OF_THE_DECISION}
    return {**systems, **interval, **decided, "seconds": run["seconds"]["training"]}


def lines_of_docs(recipe: str) -> dict[str, dict[str, Any]]:
    """Task -> its line in docs/benchmarks/recipes.json, where that is of this recipe."""
    place = DOCS / "recipes.json"
    found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {"recipe": None}
    return {one["name"]: one for one in found["tasks"] if one.get("recipe", found["recipe"]) == recipe}


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares and mean ranks; None where nothing was compared."""
    counted = [one for one in rows if one["held_out"]] or rows

    def share(beside: str, good: Any) -> float | None:
        compared = [good(one["ours"], one[beside]) for one in counted if one[beside] is not None]
        return round(mean(compared), 3) if compared else None

    ranks: dict[str, list[int]] = {}
    for one in (one for one in counted if one["peers"]):
        recipes = {"ours": one["ours"], **one["peers"]}
        for name, value in recipes.items():
            ranks.setdefault(name, []).append(1 + sum(other > value for other in recipes.values()))

    def spread(seeds: str) -> float | None:
        found = [pstdev(one[seeds]) for one in counted if len(one[seeds]) > 1]
        return round(mean(found), 4) if found else None

    regrets = [one["search"] - one["seeds"][0] for one in counted if one["search"] is not None]
    worse = [one["name"] for one in counted if one["tfidf"] is not None and one["high"] < one["tfidf"]]
    return {
        "share_at_least_tfidf": share("tfidf", lambda ours, other: ours >= other),
        "significantly_worse_than_tfidf": worse,
        "share_better_than_few_shot": share("few_shot", lambda ours, other: ours > other),
        "share_accepted": round(mean(not one["refused_by"] for one in counted), 3) if counted else None,
        "share_accepted_or_simpler": round(mean(map(_some_accepted, counted)), 3) if counted else None,
        "mean_rank": {name: round(mean(places), 2) for name, places in ranks.items()},
        "regret_to_search": round(mean(regrets), 4) if regrets else None,
        "seed_spread": {"ours": spread("seeds"), "before": spread("seeds_before")},
        "forgetting": sorted({status for one in rows for status in one["forgotten"].values()}),
    }


def _some_accepted(one: dict[str, Any]) -> bool:
    return not all([one["refused_by"], *one.get("simpler", {}).values()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="tasks, lake and results; kept from start to start")
    parser.add_argument("--tasks", nargs="+", metavar="NAME", help="default: all")
    parser.add_argument("--seeds", type=int, default=3, choices=[1, 2, 3])
    parser.add_argument("--peers", nargs="*", choices=[*PEERS, BEFORE], default=[*PEERS, BEFORE])
    parser.add_argument("--no-search", action="store_true", help=f"without the trials on {', '.join(SEARCHED)}")
    parser.add_argument("--only-kept", action="store_true", help="what F/results has; measures nothing")
    parser.add_argument(
        "--add", action="store_true", help="measure only what docs/benchmarks/recipes.json lacks for this recipe"
    )
    parser.add_argument("--quick", action="store_true", help=f"{', '.join(QUICK)}; one seed, no peers")
    parser.add_argument("--write", action="store_true", help="also write docs/benchmarks/recipes.json and .md")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.tasks, arguments.seeds, arguments.peers, arguments.no_search = QUICK, 1, [], True
    tasks = json.loads(COMMITTED.read_text(encoding="utf-8"))
    chosen = [task for task in tasks if task["name"] in (arguments.tasks or [one["name"] for one in tasks])]
    differs = set() if arguments.only_kept else set(differing(arguments.folder))
    if missing := sorted({task["name"] for task in chosen} & differs):
        raise SystemExit(
            f"{', '.join(missing)}: not in {arguments.folder} as committed\n"
            f"Run: python -m benchmarks.recipe_tasks --folder {arguments.folder}"
        )
    measured, rows = Measurements(arguments.folder, arguments.only_kept), []
    had = lines_of_docs(measured.recipe) if arguments.add else {}
    stopped = {}
    for task in chosen:
        search = task["name"] in SEARCHED and not arguments.no_search
        there = had.get(task["name"], {})
        if there.get("records", task["sha256"]) != task["sha256"]:
            there = {}
        try:
            found = row(measured, task, SEEDS[: arguments.seeds], arguments.peers, search, there)
        except TaskStopped as error:
            stopped[task["name"]] = str(error)
            print(f"{task['name']:16s} stopped: {error}", file=sys.stderr, flush=True)
            continue
        if found:
            rows.append(found)
            print(line(found), file=sys.stderr, flush=True)
    found = {"recipe": measured.recipe, "tasks": rows, "stopped": stopped, **summary(rows)}
    if arguments.write:
        write(found)
    print(json.dumps(found, indent=1) if arguments.json else "\n".join([*map(line, rows), json.dumps(summary(rows))]))
    if stopped:
        raise SystemExit(f"not measured, because their runs stopped: {', '.join(stopped)}")


def write(found: dict[str, Any]) -> None:
    """The table: tasks that this version of the recipe has not measured keep the line of the version before."""
    DOCS.mkdir(exist_ok=True)
    place = DOCS / "recipes.json"
    before = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {"recipe": None, "earlier": {}}
    old, earlier = [{"recipe": before["recipe"], **one} for one in before.get("tasks", [])], dict(before["earlier"])
    if before["recipe"] not in (None, found["recipe"]):
        earlier[before["recipe"]] = {one["name"]: one["ours"] for one in old if one["recipe"] == before["recipe"]}
    lines = [{**one, "recipe": found["recipe"]} for one in found["tasks"]]
    lines += [one for one in old if one["name"] not in {line["name"] for line in lines}]
    found = {**found, "tasks": lines, "earlier": earlier}
    place.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (DOCS / "recipes.md").write_text(page(found), encoding="utf-8")


def page(found: dict[str, Any]) -> str:
    """The table in Markdown."""
    peers = sorted({name for one in found["tasks"] for name in one["peers"]})
    systems = [name for name in (*SYSTEMS, "search") if any(one[name] is not None for one in found["tasks"])]
    judged = ["refused by", "simpler, accepted", "found at 1 %", "area"]
    head = ["task", "version", "held out", "metric", "seeds", "recipe", "interval", *judged, *systems, *peers]
    worse = ", ".join(found["significantly_worse_than_tfidf"]) or "none"
    ranks = ", ".join(f"{name} {rank:.1f}" for name, rank in found["mean_rank"].items()) or "not measured"
    regret = "not measured" if found["regret_to_search"] is None else f"{found['regret_to_search']:.3f}"
    spread = ", ".join(f"{name} {value}" for name, value in found["seed_spread"].items() if value is not None)
    forgotten = ", ".join(found["forgetting"]).replace("_", " ")
    told = {"spread": spread or "not measured", "forgotten": forgotten or "not measured"}
    text = PAGE.format(**found, worse=worse, ranks=ranks, regret=regret, **told)
    lines = [text, "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for one in found["tasks"]:
        others = [one[name] for name in systems] + [one["peers"].get(name) for name in peers]
        best = max(value for value in (one["ours"], *others) if value is not None)
        shown = ["" if v is None else f"**{v:.3f}**" if v == best else f"{v:.3f}" for v in (one["ours"], *others)]
        held = "yes" if one["held_out"] else ""
        interval = f"{one['low']:.3f} to {one['high']:.3f}"
        attacks = [one.get(name) for name in ("membership_rate", "membership_area")]
        decided = [", ".join(one["refused_by"]) or "none" if "refused_by" in one else ""]
        decided.append(", ".join(method for method, rules in one.get("simpler", {}).items() if not rules))
        decided += ["" if value is None else f"{value:.3f}" for value in attacks]
        cells = [one["name"], one["recipe"], held, one["metric"], str(len(one["seeds"])), shown[0], interval]
        cells += [*decided, *shown[1:]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def line(one: dict[str, Any]) -> str:
    beside = {"few-shot": one["few_shot"], "TF-IDF": one["tfidf"], **one["peers"]}
    others = "  ".join(f"{name} {value:.3f}" for name, value in beside.items() if value is not None)
    refused = f"  refused by {', '.join(one['refused_by'])}" if one["refused_by"] else "  accepted"
    return f"{one['name']:16s} {one['metric']:16s} ours {one['ours']:.3f}  {others}{refused}"


if __name__ == "__main__":
    main()
