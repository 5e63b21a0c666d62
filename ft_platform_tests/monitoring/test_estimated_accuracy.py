from collections.abc import Callable

import numpy as np
import pytest

from ft_platform.errors import DataError
from ft_platform.monitoring import estimated_accuracy as module
from ft_platform.monitoring.estimated_accuracy import Answers, estimated_accuracy

LABELS = np.array(["card", "loan", "other", "transfer"])
EVEN, SHIFTED = (0.4, 0.3, 0.2, 0.1), (0.1, 0.2, 0.2, 0.5)
HARD = np.array([0.95, 0.9, 0.8, 0.5])
"""Share of right answers for each label: the model is bad at the last one."""


def answers(rng: np.random.Generator, rows: int, shares: tuple[float, ...], more_confident: float = 0.0) -> Answers:
    """Made-up answers: a wrong one is any other label; confidences are higher where the answer is right."""
    truth = rng.choice(len(LABELS), rows, p=shares)
    right = rng.random(rows) < HARD[truth]
    predicted = np.where(right, truth, (truth + rng.integers(1, len(LABELS), rows)) % len(LABELS))
    confidence = np.clip(np.where(right, rng.beta(8, 2, rows), rng.beta(4, 4, rows)) + more_confident, 0, 1)
    return Answers(LABELS[predicted], confidence, LABELS[truth])


def without_truth(found: Answers) -> Answers:
    return Answers(found.predicted, found.confidence)


def accuracy(found: Answers) -> float:
    return float((found.predicted == found.truth).mean())


def errors_and_hits(streams: int) -> tuple[float, float, float]:
    """Mean error of the estimate, of the test split's accuracy, and how often the interval held the truth."""
    errors, naive, held = [], [], []
    for seed in range(streams):
        rng = np.random.default_rng(seed)
        test, traffic = answers(rng, 800, EVEN, 0.1), answers(rng, 1000, SHIFTED, 0.1)
        found, true = estimated_accuracy(test, without_truth(traffic)), accuracy(traffic)
        assert found.value is not None and found.low is not None and found.high is not None
        errors.append(abs(found.value - true))
        naive.append(abs(accuracy(test) - true))
        held.append(found.low <= true <= found.high)
    return float(np.mean(errors)), float(np.mean(naive)), float(np.mean(held))


def test_under_label_shift_the_estimate_is_within_three_points_and_its_interval_holds_the_truth() -> None:
    error, naive, held = errors_and_hits(25)
    assert error < 0.03 < 0.1 < naive
    assert held >= 0.88  # 95 % of 25 streams, less two standard deviations


def test_without_the_correction_for_labels_the_same_check_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def uncorrected(truth: np.ndarray, cells: np.ndarray, asked: np.ndarray, labels: int) -> np.ndarray:
        return np.ones(labels)

    monkeypatch.setattr(module, "_weights", uncorrected)
    monkeypatch.setattr(module, "UNLIKE", 0.0)
    error, _, held = errors_and_hits(8)
    assert error > 0.03 and held < 0.5


def test_the_shift_of_labels_is_named() -> None:
    rng = np.random.default_rng(1)
    found = estimated_accuracy(answers(rng, 800, EVEN), without_truth(answers(rng, 1000, SHIFTED)))
    assert found.shift[0][0] == "transfer" and found.shift[0][1] == pytest.approx(0.4, abs=0.1)


def test_a_changed_meaning_is_not_seen_and_every_estimate_says_so() -> None:
    rng = np.random.default_rng(1)
    traffic = answers(rng, 1000, EVEN)
    found = estimated_accuracy(answers(rng, 800, EVEN), without_truth(traffic))
    assert found.value == pytest.approx(accuracy(traffic), abs=0.03), "whatever the answers should be from now on"
    assert "changed meaning" in found.cannot_see


@pytest.mark.parametrize(
    ("reason", "test_rows", "traffic"),
    [
        ("too_few_requests", 800, lambda rng: answers(rng, 5, EVEN)),
        ("too_few_requests", 800, lambda rng: answers(rng, 0, EVEN)),
        ("too_few_tested", 50, lambda rng: answers(rng, 500, EVEN)),
        ("labels_not_tested", 800, lambda rng: Answers(np.array(["new"] * 200), np.full(200, 0.9))),
        ("unlike_the_test_split", 800, lambda rng: answers(rng, 1000, EVEN, -0.3)),
    ],
)
def test_it_says_nothing_where_it_cannot_know(
    reason: str, test_rows: int, traffic: Callable[[np.random.Generator], Answers]
) -> None:
    rng = np.random.default_rng(1)
    found = estimated_accuracy(answers(rng, test_rows, EVEN), traffic(rng))
    assert (found.reason, found.value, found.low, found.high) == (reason, None, None, None)


def test_traffic_like_the_test_split_is_seldom_called_unlike() -> None:
    reasons = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        test, traffic = answers(rng, 400, EVEN), answers(rng, 400, EVEN)
        module_unlike = module.RESAMPLES
        module.RESAMPLES = 1
        try:
            reasons.append(estimated_accuracy(test, without_truth(traffic)).reason)
        finally:
            module.RESAMPLES = module_unlike
    assert reasons.count("unlike_the_test_split") <= 3  # 1 % of 60, and chance


def test_a_test_split_without_right_labels_is_refused() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(DataError, match="no right labels"):
        estimated_accuracy(without_truth(answers(rng, 300, EVEN)), without_truth(answers(rng, 300, EVEN)))
