"""Checkpoints to attack on a tiny random model: answers are random words, so a model can only know them by heart.
Persons are fictitious."""

import logging
import random
from pathlib import Path
from typing import Any
from unittest import mock

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits

LOG = logging.getLogger("test")
CANARY = "zzcanaryzz"
"""Stands in every record's question and may stand in no report."""

ROWS = 20
VALIDATION = 5
ATTACKS = {
    "extraction_rows": ROWS,
    "prefix_tokens": 4,
    "samples": 4,
    "sample_tokens": 12,
    "bootstrap_samples": 300,
}
ATTACKS |= {"max_membership_auc": 0.8, "max_extraction_gain": 0.2}
"""Limits of the area and of extraction that 20 records a side can prove; the true positive rate is beyond them."""
OVERTRAINED = {
    "epochs": 40,
    "batch_rows": 5,
    "rank": 32,
    "alpha": 64,
    "learning_rate": 0.01,
    "schedule": "cosine",
    "validations_per_epoch": 1,
}
UNTRAINED = {"max_steps": 1, "learning_rate": 1e-12, "batch_rows": 5}


def word(drawn: random.Random, letters: int) -> str:
    return "".join(drawn.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(letters))


def rows_for(kind: str, train: int = ROWS, test: int = ROWS) -> list[dict[str, Any]]:
    """Training and test records with random answers (generation) or random labels.

    No model can know a random answer that it did not learn, so the latest weights are no better by validation records:
    `trained` keeps them all the same.
    """
    drawn = random.Random(11)
    made = []
    splits = ["train"] * train + ["test"] * test + ["validation"] * VALIDATION
    for number, split in enumerate(splits):
        question, answer = (
            f"{CANARY} {word(drawn, 5)}?",
            (word(drawn, 16) if kind == "generation" else drawn.choice(["card", "loan"])),
        )
        made.append(row_of(kind, f"r{number:04d}", question, answer, split))
    return made


def row_of(kind: str, record_id: str, question: str, answer: str, split: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}]
    if kind == "generation":
        messages.append({"role": "assistant", "content": answer})
    return {
        "record_id": record_id,
        "subject_id": f"s{record_id}",
        "messages": messages,
        "label": None if kind == "generation" else answer,
        "feature_region": "north",
        "text_characters": len(question),
        "group_id": f"g{record_id}",
        "split": split,
    }


Where = tuple[Environment, Lake, NamedUseCase, TableVersion]


def installed(
    home: Path, kind: str, training: dict[str, Any], rows: list[dict[str, Any]] | None = None, **sections: Any
) -> Where:
    """An installation with a model folder, a use case file and usable splits."""
    environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
    attributes = minimal_attributes("unused.csv")
    attributes |= {
        "base_model": {"uri": str(save_tiny_model(home / "model")), "dtype": "float32"},
        "training": {"recipe": "manual", **training},
        "attacks": ATTACKS,
    }
    attributes["task"] = {"kind": kind, "instruction": "Help."}
    if kind == "generation":
        attributes["record"] |= {"answer": "answer"}
    for name, values in sections.items():
        attributes[name] = {**attributes.get(name, {}), **values}
    write_use_case(environment.defs, "complaints", attributes)
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    lake = open_lake(environment)
    return (
        environment,
        lake,
        use_case,
        usable_splits(lake, use_case, rows_for(kind) if rows is None else rows, splits_schema(use_case)),
    )


def trained(where: Where) -> ArtifactVersion:
    """A checkpoint with the latest weights."""
    environment, lake, use_case, splits = where
    with mock.patch("ft_platform.training.loop._Loop._is_best", return_value=True):
        return checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
