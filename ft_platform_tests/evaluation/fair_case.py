"""A tiny model trained and evaluated under several fairness settings, on the same splits and base evaluation. Persons
are fictitious."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.fairness import publish_fairness
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.tiny_case import CANARY, HOSTILE, attributes_for
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits

WORDS = {"card": "swipe", "loan": "house"}
"""The word that the label follows from: swapping it must change the answer of a model that learned."""
SWAPS = [
    {"name": "words", "terms": [["swipe", "house"]]},
    {"name": "gender", "terms": [["he", "she"]]},
    {"name": "absent", "terms": [["aunt", "uncle"]]},
]
DATA_SIDES = ("train", "train", "validation", "validation", "test")


def rows_for(kind: str, count: int) -> list[dict[str, Any]]:
    """Every region has every label; every record says `he`."""
    made = []
    for number in range(count):
        label = list(WORDS)[number // 2 % 2]
        text = f"{WORDS[label]} {number} he {CANARY}"
        messages = [{"role": "user", "content": text}]
        if kind == "generation":
            messages.append({"role": "assistant", "content": f"Your {WORDS[label]}."})
        row = {
            "record_id": f"r{number:04d}",
            "subject_id": f"s{number}",
            "messages": messages,
            "label": label if kind == "classification" else None,
        }
        region = HOSTILE if number % 2 else "north"
        made.append(
            {
                **row,
                "feature_region": region,
                "text_characters": len(text),
                "group_id": f"g{number}",
                "split": DATA_SIDES[number % 5],
            }
        )
    return made


@dataclass
class FairCase:
    """An installation with splits and a base evaluation, from which reports are made."""

    environment: Environment
    lake: Lake
    attributes: dict[str, Any]
    splits: TableVersion
    base: ArtifactVersion

    def use_case(self, **fairness: Any) -> NamedUseCase:
        attributes = {**self.attributes, "fairness": {**self.attributes["fairness"], **fairness}}
        return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))

    def evaluation(self, **fairness: Any) -> ArtifactVersion:
        use_case = self.use_case(**fairness)
        log = logging.getLogger("test")
        checkpoint = checkpoint_for(self.lake, self.environment, use_case, self.splits, log).checkpoint
        return publish_evaluation_report(self.lake, self.environment, use_case, self.splits, checkpoint, self.base)

    def fairness(self, **fairness: Any) -> ArtifactVersion:
        return publish_fairness(self.lake, self.use_case(**fairness), self.evaluation(**fairness))


def fair_case(home: Path, kind: str, count: int = 100, epochs: int = 6) -> FairCase:
    environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
    attributes = attributes_for(save_tiny_model(home / "model"), kind, bootstrap_samples=100)
    attributes["task"]["instruction"] = "Name the product."
    attributes["evaluation"]["few_shot_examples"] = 1
    attributes["training"] = {
        "recipe": "manual",
        "epochs": epochs,
        "batch_rows": 8,
        "rank": 8,
        "learning_rate": 0.01,
        "validations_per_epoch": 1,
        "patience": 99,
    }
    attributes["fairness"] = {"sensitive_features": ["region"], "min_group_rows": 5, "swaps": SWAPS}
    write_use_case(environment.defs, "complaints", attributes)
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    lake = open_lake(environment)
    splits = usable_splits(lake, use_case, rows_for(kind, count), splits_schema(use_case))
    return FairCase(environment, lake, attributes, splits, publish_base_evaluation(lake, environment, use_case, splits))
