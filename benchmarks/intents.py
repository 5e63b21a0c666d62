"""BANKING77 with its official test split: a fine-tuned model over several seeds beside TF-IDF, and a label head beside
labels as text.

    python benchmarks/intents.py --data ../shared/data/banking77 --json
    python benchmarks/intents.py --data ../shared/data/banking77 --labels 20 --rows-per-label 60 --test-rows-per-label
        20 \\ --objectives label_head sft --json

`--data` is a folder with `train.csv` and `test.csv`, columns `text` and `category`
(https://huggingface.co/datasets/PolyAI/banking77, CC-BY-4.0). The use case is `ft_platform_tests/use_cases/banking_77`;
its data stages run as ever, so that questions of `train` that are nearly one of `test` leave it. The prompted base
model is left out: it reads 77 labels after each of 3,074 questions, at 1.4 a second on two cores with other programs,
and again with examples.

`--home` keeps what was made: a run that was stopped goes on with the training it was in. Prints for each objective
accuracy and macro-F1 of each seed, their mean with an interval over seeds and test records, the difference to TF-IDF
with its interval, and seconds for training and answers."""

import argparse
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ft_platform.lake.opening import open_lake

DEFS = Path(__file__).parents[1] / "ft_platform_tests" / "use_cases"
DATA_STAGES = ["raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits"]
CHANGES: dict[str, dict[str, Any]] = {
    "label_head": {},
    "sft": {
        "training.objective": "sft",
        "training.max_length": 512,
        "task.instruction": "Name the intent of the customer's question. Answer with one of: {labels}",
    },
}
"""Objective -> settings other than those of the use case."""
FIRST_SEED = 17


def setting(text: str) -> tuple[str, Any]:
    """`PATH=VALUE`, the value as in the YAML."""
    import yaml

    path, value = text.split("=", 1)
    return path, yaml.safe_load(value)


def write_questions(data: Path, file: Path, arguments: argparse.Namespace) -> None:
    """Train and test in one file, with the column `part`; the labels that come first by name, and of each the rows that
    come first."""
    import pandas as pd

    parts = {part: pd.read_csv(data / f"{part}.csv").assign(part=part) for part in ("train", "test")}
    labels = sorted(parts["test"]["category"].unique())[: arguments.labels]
    most = {"train": arguments.rows_per_label, "test": arguments.test_rows_per_label}
    kept = [
        rows[rows["category"].isin(labels)].groupby("category").head(most[part] or len(rows))
        for part, rows in parts.items()
    ]
    pd.concat(kept).to_csv(file, index=False)


def measured(arguments: argparse.Namespace, home: Path, objective: str, log: logging.Logger) -> dict[str, Any]:
    """Every seed of one objective."""
    from ft_platform.evaluation.evaluate import Evaluator, ready_evaluator
    from ft_platform.evaluation.scores import FINE_TUNED, scores
    from ft_platform.evaluation.systems.majority import majority
    from ft_platform.evaluation.systems.tfidf_logreg import LabelledTexts, tfidf_logreg
    from ft_platform.lake.gate import require_usable
    from ft_platform.models.adapter import with_adapter
    from ft_platform.orchestration.execution import run_use_case
    from ft_platform.reporting.publishing.training import checkpoint_for
    from ft_platform.training.experiments.seed_figures import seed_figures
    from ft_platform.use_case.environment import create_pseudonym_key
    from ft_platform.use_case.file import load_use_case
    from ft_platform.use_case.settings.environment import Environment

    environment = Environment(home=home, defs=DEFS, tracking_uri="none")
    create_pseudonym_key(environment)
    changes = {"source.uri": str(home / "questions.csv"), **CHANGES[objective], **dict(arguments.set)}
    done = run_use_case("banking_77", changes, select=DATA_STAGES, environment=environment)
    if not done.success:
        raise SystemExit(f"{done.failed_stage}: {done.error}")
    lake = open_lake(environment)
    splits = lake.latest("banking_77", "splits")
    assert splits
    outputs: dict[int, Any] = {}
    found: dict[str, Any] = {"train_seconds": [], "answer_seconds": []}
    for seed in range(FIRST_SEED, FIRST_SEED + arguments.seeds):
        use_case = load_use_case(DEFS / "banking_77", {**changes, "training.seed": seed})
        require_usable(lake, use_case, splits)
        checkpoint = checkpoint_for(lake, environment, use_case, splits, log).checkpoint
        training = json.loads(lake.read_file(checkpoint, "training.json"))
        evaluator, _ = ready_evaluator(lake, environment, use_case, splits, "evaluation_report")
        with lake.local_copy(checkpoint) as folder:
            evaluator.model = with_adapter(evaluator.model, folder)
            outputs[seed] = evaluator.tuned().outputs[FINE_TUNED]
        found["train_seconds"].append(training["metrics"]["seconds"])
        found["answer_seconds"].append(evaluator.evaluated.seconds[FINE_TUNED])
        log.info("%s, seed %d: trained for %.0f s", objective, seed, training["metrics"]["seconds"])
    started = time.monotonic()
    train, validation = (LabelledTexts(side.texts, side.answers) for side in (evaluator.train, evaluator.validation))
    (predicted, confidence, _), _ = tfidf_logreg(train, validation, evaluator.test.texts)
    tfidf_seconds = time.monotonic() - started
    beside = Evaluator(
        evaluator.use_case, lake.read_table(splits), None, evaluator.tokenizer, evaluator.renderer, "evaluation_report"
    )
    beside._labels("tfidf_logreg", predicted, confidence)
    beside._labels("majority", majority(evaluator.train.answers, len(evaluator.test)))
    if arguments.seeds > 1:
        figures = seed_figures(outputs, beside.evaluated.outputs, "classification", evaluator.settings)
    else:  # nothing to say about seeds: intervals over test records
        figures = scores(
            {**beside.evaluated.outputs, FINE_TUNED: outputs[FIRST_SEED]},
            evaluator.use_case.settings.task,
            evaluator.settings,
        )
        figures = {name: figures[name] for name in ("systems", "differences", "test_rows")}
    return {
        **found,
        "rows": {side: len(getattr(evaluator, side)) for side in ("train", "validation", "test")},
        "tfidf_seconds": tfidf_seconds,
        **figures,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.csv and test.csv")
    parser.add_argument("--home", type=Path, help="folder that keeps the lake; default: a temporary one")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--objectives", nargs="+", choices=[*CHANGES], default=["label_head"])
    parser.add_argument("--labels", type=int, help="only so many labels; default: all 77")
    parser.add_argument("--rows-per-label", type=int, help="of train; default: all")
    parser.add_argument("--test-rows-per-label", type=int, help="default: all")
    parser.add_argument(
        "--set", action="append", default=[], type=setting, metavar="PATH=VALUE", help="change one setting"
    )
    parser.add_argument("--json", action="store_true", help="as of the other benchmarks; the output is JSON either way")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    with tempfile.TemporaryDirectory(prefix="ft-bench-intents-") as temporary:
        home = (arguments.home or Path(temporary)).absolute()
        home.mkdir(parents=True, exist_ok=True)
        write_questions(arguments.data, home / "questions.csv", arguments)
        found = {
            objective: measured(arguments, home, objective, logging.getLogger("intents"))
            for objective in arguments.objectives
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
