"""Win rates and agreement are those of the reference implementations and published examples."""

import numpy as np
import pytest
from scipy.stats import binomtest

from ft_platform.evaluation.agreement import CHOICES, agreement, in_words, krippendorffs_alpha, win_rate
from ft_platform.use_case.settings.evaluation import Evaluation

SETTINGS = Evaluation(bootstrap_samples=400)


@pytest.mark.parametrize(("wins", "rows", "confidence"), [(7, 10, 0.95), (10, 10, 0.95), (0, 4, 0.9), (61, 120, 0.99)])
def test_the_win_rate_has_wilsons_interval(wins: int, rows: int, confidence: float) -> None:
    found = win_rate([1.0] * wins + [0.0] * (rows - wins), confidence)
    expected = binomtest(wins, rows).proportion_ci(confidence, method="wilson")
    assert found == pytest.approx({"value": wins / rows, "low": expected.low, "high": expected.high})


def test_five_wins_of_five_are_not_certain_and_a_tie_counts_half() -> None:
    found = win_rate([1.0] * 5, 0.95)
    assert found["value"] == 1.0 and found["low"] < 0.6
    assert win_rate([1.0, 0.5, 0.0, 0.5], 0.95)["value"] == 0.5


def ratings(*raters: list[str | None]) -> dict[str, dict[str, str]]:
    return {
        f"rater_{n}": {f"r{place}": said for place, said in enumerate(rater) if said}
        for n, rater in enumerate(raters, start=1)
    }


def test_two_raters_have_cohens_kappa_as_scikit_learn_computes_it() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(3)
    for _ in range(20):
        first = rng.choice(CHOICES, 30)
        second = np.where(rng.random(30) < 0.6, first, rng.choice(CHOICES, 30))
        found = agreement(ratings(first.tolist(), second.tolist()), SETTINGS)
        assert found["kappa"]["value"] == pytest.approx(cohen_kappa_score(first, second))
        assert found["observed"] == pytest.approx((first == second).mean())
        assert found["kappa"]["low"] < found["kappa"]["value"] < found["kappa"]["high"]
        assert found["method"] == "Cohen's kappa"


def test_only_records_that_both_raters_judged_count() -> None:
    found = agreement(
        ratings(["tie", "fine_tuned", None, "alternative"], ["tie", "alternative", "tie", None]), SETTINGS
    )
    assert (found["rows"], found["observed"]) == (2, 0.5)


def coincidences(raters: list[str], size: int) -> np.ndarray:
    """Coincidence matrix of published examples: one text of digits per rater, `.` for no value."""
    table = np.zeros((size, size))
    for unit in zip(*raters, strict=True):
        values = [int(value) - (size > 2) for value in unit if value != "."]
        for i, a in enumerate(values):
            for j, b in enumerate(values):
                if i != j:
                    table[a, b] += 1 / (len(values) - 1)
    return table.ravel()


@pytest.mark.parametrize(
    ("raters", "size", "alpha"),
    [
        # Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011: sections A and C.
        (["0100000010", "1110010000"], 2, 0.095),
        (["123321412...", "1233224125.3", ".3332342251.", "12332441251."], 5, 0.743),
    ],
)
def test_alpha_is_that_of_the_published_examples(raters: list[str], size: int, alpha: float) -> None:
    assert float(krippendorffs_alpha(coincidences(raters, size))) == pytest.approx(alpha, abs=0.0005)


def test_three_raters_with_gaps_have_krippendorffs_alpha() -> None:
    names = {"1": "fine_tuned", "2": "alternative", "3": "tie", ".": None}
    said = ["12332131.2", "1233213112", ".23321.112"]
    found = agreement(ratings(*([names[letter] for letter in rater] for rater in said)), SETTINGS)
    assert found["method"] == "Krippendorff's alpha" and found["raters"] == 3
    assert found["kappa"]["value"] == pytest.approx(float(krippendorffs_alpha(coincidences(said, 3))))


def test_what_cannot_be_measured_has_no_number() -> None:
    for raters, reason in [
        ([["tie", "fine_tuned"]], "two raters"),
        ([["tie", None], [None, "tie"]], "no record was judged by two"),
        ([["tie", "tie"], ["tie", "tie"]], "all ratings are the same"),
    ]:
        found = agreement(ratings(*raters), SETTINGS)  # type: ignore[arg-type]
        assert found["kappa"] is None and reason in found["status"], reason


def test_words_for_kappa_are_those_of_landis_and_koch() -> None:
    expected = ["worse than chance", "slight", "fair", "moderate", "substantial", "almost perfect", "almost perfect"]
    assert [in_words(k) for k in (-0.1, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)] == expected
