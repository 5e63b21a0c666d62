"""Calibration against a plain computation and against simulated systems that are as sure as they are right, or
surer."""

import numpy as np
import pytest
from scipy.stats import norm

from ft_platform.evaluation.calibration import BINS, calibration, wilson
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.use_case.settings.evaluation import Evaluation

SETTINGS = Evaluation(bootstrap_samples=300)


def simulated(rows: int, surer_by: float = 0.0, seed: int = 0) -> LabelOutputs:
    """A system that is right as often as its confidence minus `surer_by` says."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.5, 1.0, rows)
    right = rng.random(rows) < confidence - surer_by
    return LabelOutputs(["a", "b"], ["a"] * rows, list(np.where(right, "a", "b")), confidence)


def test_the_error_is_the_weighted_distance_of_confidence_and_accuracy_over_bins() -> None:
    outputs = simulated(400, 0.2)
    found = calibration(outputs, SETTINGS)
    assert found and outputs.confidence is not None
    right = np.array([p == "a" for p in outputs.predicted])
    expected = 0.0
    for number in range(BINS):
        inside = (outputs.confidence >= number / BINS) & (outputs.confidence < (number + 1) / BINS)
        if inside.any():
            expected += inside.mean() * abs(outputs.confidence[inside].mean() - right[inside].mean())
    assert found["ece"]["value"] == pytest.approx(expected)
    assert sum(one["rows"] for one in found["bins"]) == 400


def test_a_system_that_is_too_sure_has_that_error_and_an_honest_one_little() -> None:
    honest, boastful = (calibration(simulated(5000, by), SETTINGS) for by in (0.0, 0.2))
    assert honest and boastful
    assert honest["ece"]["value"] < 0.03 and boastful["ece"]["value"] == pytest.approx(0.2, abs=0.03)
    assert boastful["ece"]["low"] < 0.2 < boastful["ece"]["high"]


def test_leaving_out_the_least_sure_records_raises_accuracy_where_confidence_means_something() -> None:
    found = calibration(simulated(3000), SETTINGS)
    assert found
    first, last = found["selective"][0], found["selective"][-1]
    assert first["coverage"] == 1.0 and first["accuracy"]["value"] == found["accuracy"]
    assert last["coverage"] == pytest.approx(0.1)
    assert last["accuracy"]["low"] > first["accuracy"]["high"] and last["threshold"] > first["threshold"]


def test_equal_confidence_is_answered_together_and_a_share_of_few_records_is_not_shown() -> None:
    same = LabelOutputs(["a", "b"], ["a"] * 40, ["a"] * 30 + ["b"] * 10, np.full(40, 0.9))
    found = calibration(same, SETTINGS)
    assert found and [one["rows"] for one in found["selective"]] == [40]
    few = calibration(simulated(20), SETTINGS)
    assert few and min(one["rows"] for one in few["selective"]) >= 10


def test_a_system_without_confidence_has_no_calibration() -> None:
    assert calibration(LabelOutputs(["a"], ["a"], ["a"]), SETTINGS) is None


@pytest.mark.parametrize(("hits", "rows"), [(0, 10), (7, 10), (10, 10), (150, 300)])
def test_the_interval_of_a_share_is_wilsons(hits: int, rows: int) -> None:
    z, share = norm.ppf(0.975), hits / rows
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    assert wilson(hits, rows, 0.95) == pytest.approx(
        {"value": share, "low": max(centre - half, 0), "high": min(centre + half, 1)}, abs=1e-9
    )
