"""Two measures of one model that learned secrets: the canaries and the calibrated attack say the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from ft_platform.models.adapter import with_adapter
from ft_platform.release.figures import held
from ft_platform.release.schema import Figure
from ft_platform.reporting.publishing.privacy import publish_privacy_report
from ft_platform.training.dataset import read_splits
from ft_platform.training.privacy_attacks.canaries import (
    Canary,
    Planter,
    code_log_probabilities,
    draw,
    exposure,
    mean_bits,
)
from ft_platform.training.privacy_attacks.loaded import loaded_base
from ft_platform.use_case.settings.attacks import Canaries
from ft_platform_tests.privacy_attacks.attacked_case import OVERTRAINED, Where, installed, row_of, trained

pytestmark = pytest.mark.integration

PLANTED, NEVER = 20, 400
"""With fewer secrets that were never planted no threshold is sure to be high enough for 1 % false alarms."""
SECRETS = Canaries(repetitions=[1], per_repetition=PLANTED, controls=NEVER, digits=3)
MOST_BITS = 4.0
LEARNED_LITTLE = {"epochs": 1, "batch_rows": 5, "learning_rate": 1e-4}


def secrets() -> list[Canary]:
    return draw(SECRETS, 17)


def records() -> list[dict[str, Any]]:
    """Planted secrets for training; those never planted for the test, and a few for validation."""
    made = []
    for number, one in enumerate(secrets()):
        split = "train" if one.copies else "validation" if number % 80 == 0 else "test"
        made.append(row_of("generation", f"r{number}", one.question, one.start + one.code, split))
    return made


def refused_by_canaries(where: Where, checkpoint: Any) -> bool:
    environment, lake, use_case, splits = where
    model, _, renderer = loaded_base(lake, environment, use_case, read_splits(lake, splits), checkpoint)
    with lake.local_copy(checkpoint) as folder:
        model = with_adapter(model, folder)
    planter = Planter(renderer, "generation", SECRETS.digits, use_case.settings.training.max_length)
    bits = [
        exposure(code_log_probabilities(model, planter.plant(one, 0).prompt, planter.tails), int(one.code))
        for one in secrets()
        if one.copies
    ]
    return not held(Figure.model_validate(mean_bits(bits, 10.0, 0.95)), MOST_BITS)


def refused_by_the_calibrated_attack(where: Where, checkpoint: Any) -> bool:
    environment, lake, use_case, splits = where
    report = publish_privacy_report(lake, environment, use_case, splits, checkpoint)
    found = json.loads(lake.read_file(report, "privacy.json"))
    return found["membership"]["calibrated"]["at_1_percent"]["low"] > use_case.settings.attacks.max_true_positive_rate


@pytest.mark.parametrize(("training", "refused"), [(OVERTRAINED, True), (LEARNED_LITTLE, False)])
def test_canaries_and_the_calibrated_attack_refuse_the_same_models(
    training: dict[str, Any], refused: bool, tmp_path: Path
) -> None:
    where = installed(tmp_path, "generation", training, records())
    checkpoint = trained(where)
    assert refused_by_canaries(where, checkpoint) is refused
    assert refused_by_the_calibrated_attack(where, checkpoint) is refused
