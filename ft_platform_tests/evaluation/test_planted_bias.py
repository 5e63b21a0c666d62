"""Bias planted in labels raises the figures, a mitigation lowers them, and the check reacts: on real credit records
(CSV with sex and risk)."""

import os
from pathlib import Path

import numpy as np
import pytest

from ft_platform.evaluation.fairness import fairness
from ft_platform.evaluation.fairness_verdict import why_not_fair
from ft_platform.evaluation.mitigation_figures import compared
from ft_platform.evaluation.swap_figures import swap_figures
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.evaluation.credit_case import FILE, LABELS, Credit, use_case


@pytest.fixture(scope="module")
def credit() -> Credit:
    file = Path(os.environ.get("FT_SHARED_DATA", REPOSITORY.parent / "shared" / "data")) / FILE
    if not file.is_file():
        pytest.skip(f"{file} is not there; set FT_SHARED_DATA")
    return Credit(file)


def parity(found: dict) -> float:
    return found["features"]["sex"]["demographic_parity"]["value"]


@pytest.mark.real_data
def test_planted_bias_raises_the_figures_and_the_check_names_the_feature(credit: Credit) -> None:
    from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

    case = use_case()
    honest, biased = (
        credit.predictions(credit.fitted(labels).predict(credit.seen[credit.test]))
        for labels in (credit.truth, credit.planted)
    )
    before, after = fairness(case, honest), fairness(case, biased)
    assert before["within_max_gap"] and not after["within_max_gap"]
    assert parity(after) > parity(before) + 0.2
    assert after["features"]["sex"]["demographic_parity"]["low"] > parity(before)
    assert why_not_fair(after, case.settings).startswith("sex: above the limit. Accuracy differs by 0.")
    for table, found in ((honest, before), (biased, after)):
        truth, given, sex = (
            np.array(table[name].to_pylist(), dtype=object) for name in ("label", "predicted", "feature_sex")
        )
        assert parity(found) == pytest.approx(
            demographic_parity_difference(truth == "Risk", given == "Risk", sensitive_features=sex)
        )
        odds = max(
            equalized_odds_difference(truth == label, given == label, sensitive_features=sex) for label in LABELS
        )
        assert found["features"]["sex"]["equalized_odds"]["value"] == pytest.approx(odds)


@pytest.mark.real_data
@pytest.mark.parametrize(
    "mitigation", ["reweighting", "resampling", "threshold_optimizer", "exponentiated_gradient", "correlation_remover"]
)
def test_a_mitigation_lowers_the_figures_of_planted_bias_and_the_check_passes_again(
    credit: Credit, mitigation: str
) -> None:
    case, treated = use_case(), credit.treated(mitigation)
    before, after = fairness(case, treated.systems["before"]), fairness(case, treated.systems["mitigated"])
    assert parity(after) < parity(before) / 2
    assert not before["within_max_gap"] and after["within_max_gap"]
    found = compared(case, treated.systems)
    assert found["label"] == "Risk" and found["change"]["gap"]["high"] < 0, "the change of the gap is told from chance"
    assert found["systems"]["before"]["gap"]["value"] == pytest.approx(parity(before))
    if "head" in treated.systems:
        assert found["systems"]["head"]["gap"]["low"] > found["systems"]["mitigated"]["gap"]["high"], (
            "it is the mitigation that does it, not the head"
        )


@pytest.mark.real_data
def test_counterfactual_augmentation_lowers_how_often_swapped_terms_change_the_answer(credit: Credit) -> None:
    case, treated = use_case(), credit.treated("counterfactual_augmentation")
    before, after = (
        swap_figures(case, treated.swapped[system])["sex"]["flip_rate"] for system in ("before", "mitigated")
    )
    assert before["low"] > 0.2 and after["high"] < 0.02
    found = compared(case, treated.systems)
    assert found["change"]["gap"]["high"] < 0, "the gap between groups falls with it"
