"""A tiny random model, splits that may be evaluated, a checkpoint really trained on them, and all reports. Persons are
fictitious."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.model_card import publish_model_card
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.fairness import publish_fairness
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits

CANARY = "zanzibar-canary-4711"
"""Stands in every record's text and may stand in no report."""

HOSTILE = "<script>alert(1)</script> $x^2$ | `a`"
"""A label that would act as markup, as a formula or as a table cell if it were not escaped."""


def attributes_for(model: Path, kind: str, **evaluation: Any) -> dict[str, Any]:
    attributes = minimal_attributes("unused.csv")
    attributes["base_model"] = {"uri": str(model), "dtype": "float32"}
    attributes["training"] = {"recipe": "manual", "epochs": 1, "batch_rows": 16, "rank": 4}
    attributes["evaluation"] = {"bootstrap_samples": 400, "max_new_tokens": 8, "min_slice_rows": 4, **evaluation}
    attributes["fairness"] = {"sensitive_features": ["region"], "min_group_rows": 5}
    if kind == "generation":
        attributes["task"] = {"kind": "generation", "instruction": "Help."}
        attributes["record"] |= {"answer": "answer"}
    return attributes


def rows_for(kind: str, count: int = 60) -> list[dict[str, Any]]:
    made = []
    for number in range(count):
        label = ("card", "loan", HOSTILE)[number % 3]
        text = f"Case {number} {CANARY}: my {('swipe', 'house', 'wire')[number % 3]} was handled badly."
        messages = [{"role": "user", "content": text}]
        if kind == "generation":
            content = f"Sorry about your {('swipe', 'house', 'wire')[number % 3]}."
            messages.append({"role": "assistant", "content": content})
        split = {7: "validation", 8: "test", 9: "test"}.get(number % 10, "train")
        made.append(
            {
                "record_id": f"r{number:04d}",
                "subject_id": f"s{number}",
                "messages": messages,
                "label": label if kind == "classification" else None,
                "feature_region": ("north", "south", None)[number % 2 if number < 50 else 2],
                "text_characters": len(text),
                "group_id": f"g{number}",
                "split": split,
            }
        )
    return made


@dataclass
class TinyCase:
    """Everything up to the reports."""

    environment: Environment
    lake: Lake
    use_case: NamedUseCase
    splits: TableVersion
    base: ArtifactVersion
    checkpoint: ArtifactVersion
    report: ArtifactVersion
    fairness: ArtifactVersion
    card: ArtifactVersion


def installed(home: Path, kind: str, **evaluation: Any) -> tuple[Environment, Lake, NamedUseCase, TableVersion]:
    """An installation with a model folder, a use case file and usable splits."""
    environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
    attributes = attributes_for(save_tiny_model(home / "model"), kind, **evaluation)
    write_use_case(environment.defs, "complaints", attributes)
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    lake = open_lake(environment)
    return environment, lake, use_case, usable_splits(lake, use_case, rows_for(kind), splits_schema(use_case))


def tiny_case(home: Path, kind: str, **evaluation: Any) -> TinyCase:
    """Trains and evaluates. A few seconds."""
    import logging

    from ft_platform.reporting.publishing.training import checkpoint_for

    environment, lake, use_case, splits = installed(home, kind, **evaluation)
    base = publish_base_evaluation(lake, environment, use_case, splits)
    checkpoint = checkpoint_for(lake, environment, use_case, splits, logging.getLogger("test")).checkpoint
    report = publish_evaluation_report(lake, environment, use_case, splits, checkpoint, base)
    fairness = publish_fairness(lake, use_case, report)
    card = publish_model_card(lake, use_case, checkpoint, report, fairness)
    return TinyCase(environment, lake, use_case, splits, base, checkpoint, report, fairness, card)
