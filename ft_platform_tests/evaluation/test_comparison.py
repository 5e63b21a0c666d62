"""Tests between systems say what they should: against formulas, against simulation, and in the words of the report."""

from math import comb

import numpy as np
import pytest

from ft_platform.evaluation.comparison import detectable, holm, mcnemar, paired_difference, tests, two_sided
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import LabelOutputs, TextOutputs
from ft_platform.evaluation.requests import per_thousand
from ft_platform.evaluation.scores import scores
from ft_platform.reporting.verdict import fine_tune_or_prompt, verdicts
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.evaluation import Evaluation

SETTINGS = Evaluation(bootstrap_samples=500)
tests.__test__ = False  # type: ignore[attr-defined]  # no test, though its name begins so


def pair(both: int, only_first: int, only_second: int, neither: int) -> tuple[LabelOutputs, LabelOutputs]:
    """Two systems with so many records right."""
    rows = [(1, 1)] * both + [(1, 0)] * only_first + [(0, 1)] * only_second + [(0, 0)] * neither
    truth = ["a"] * len(rows)
    first, second = (LabelOutputs(["a", "b"], truth, ["a" if row[place] else "b" for row in rows]) for place in (0, 1))
    return first, second


@pytest.mark.parametrize(("only_first", "only_second"), [(9, 1), (1, 9), (5, 5), (12, 3), (0, 6)])
def test_mcnemar_is_the_exact_binomial_probability(only_first: int, only_second: int) -> None:
    found = mcnemar(*pair(20, only_first, only_second, 4))
    discordant, fewer = only_first + only_second, min(only_first, only_second)
    expected = min(1.0, 2 * sum(comb(discordant, k) for k in range(fewer + 1)) / 2**discordant)
    assert found == {"only_first": only_first, "only_second": only_second, "p": pytest.approx(expected)}


def test_systems_that_never_differ_have_probability_one() -> None:
    assert mcnemar(*pair(5, 0, 0, 5))["p"] == 1.0


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0} and holm({}) == {}


def test_equal_systems_are_called_different_as_rarely_as_the_level_says() -> None:
    """Two systems of the same accuracy, 300 test splits: 5 % of them below 0.05, give or take."""
    below = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        truth = ["a"] * 200
        a, b = (LabelOutputs(["a", "b"], truth, list(np.where(rng.random(200) < 0.7, "a", "b"))) for _ in range(2))
        below += paired_difference(metric("accuracy"), a, b, SETTINGS)["p"] < 0.05
    assert 0.02 <= below / 300 <= 0.09


def test_a_detectable_difference_is_found_in_four_of_five_test_splits() -> None:
    rows, found = 400, 0
    rng = np.random.default_rng(0)
    truth = ["a"] * rows

    def system(accuracy: float) -> LabelOutputs:
        return LabelOutputs(["a", "b"], truth, list(np.where(rng.random(rows) < accuracy, "a", "b")))

    smallest = np.mean(
        [paired_difference(metric("accuracy"), system(0.7), system(0.7), SETTINGS)["detectable"] for _ in range(20)]
    )
    for _ in range(200):
        difference = paired_difference(metric("accuracy"), system(0.7 + smallest), system(0.7), SETTINGS)
        found += difference["low"] > 0
    assert 0.7 <= found / 200 <= 0.92


def test_the_detectable_difference_is_that_of_the_normal_approximation() -> None:
    assert detectable(0.02, 0.95) == pytest.approx((1.959964 + 0.841621) * 0.02, rel=1e-5)


def test_a_probability_is_never_zero() -> None:
    assert two_sided(np.ones(999)) == pytest.approx(2 / 1000) and two_sided(np.zeros(10)) == 1.0


def test_of_several_comparisons_each_is_corrected_and_the_words_say_so() -> None:
    tuned, weak = pair(100, 40, 5, 15)
    outputs = {"majority": weak, "base_zero_shot": weak, "fine_tuned": tuned}
    figures = scores(outputs, Task(kind="classification", instruction="One of: {labels}."), SETTINGS)
    test = figures["tests"]["majority"]
    assert test["metric"] == "macro_f1" and test["p_corrected"] == pytest.approx(2 * test["p"])
    assert test["mcnemar"]["only_first"] == 40
    texts = [sentence["text"] for sentence in verdicts(figures, metric("macro_f1"), 0.95)]
    assert (
        "It gets 40 records right that Majority class gets wrong; the reverse happens 5 times (McNemar: p < 0.001)."
        in texts[1]
    )
    assert "corrected for 2 comparisons" in texts[1]


def test_what_a_small_test_split_cannot_show_is_said() -> None:
    tuned, other = pair(20, 3, 2, 5)
    figures = scores(
        {"majority": other, "fine_tuned": tuned}, Task(kind="classification", instruction="One of: {labels}."), SETTINGS
    )
    hidden = figures["differences"]["majority"]["macro_f1"]["detectable"]
    text = verdicts(figures, metric("macro_f1"), 0.95)[-1]["text"]
    assert "30 test records do not show which of the two has the better Macro F1: difference " in text
    assert f"Differences below {hidden:.3f} stay hidden" in text


TAKEN = {
    system: {"seconds": 1234.5, "money": money, "currency": "EUR"}
    for system, money in (("tfidf_logreg", None), ("base_few_shot", 0.5), ("fine_tuned", 0.25))
}


@pytest.mark.parametrize(
    ("counts", "beginning"),
    [
        ((100, 40, 5, 15), "Fine-tune: it is better than the best prompt (Base model, few-shot) by Macro F1 +"),
        ((100, 5, 40, 15), "Prompt: "),
        ((100, 6, 5, 15), "This test split gives no reason to fine-tune rather than to prompt: "),
    ],
)
def test_fine_tune_or_prompt_is_answered_with_its_reasons(counts: tuple[int, ...], beginning: str) -> None:
    tuned, prompted = pair(*counts)
    figures = scores(
        {"tfidf_logreg": tuned, "base_few_shot": prompted, "fine_tuned": tuned},
        Task(kind="classification", instruction="One of: {labels}."),
        SETTINGS,
    )
    text = fine_tune_or_prompt({**figures, "per_1000_requests": TAKEN}, metric("macro_f1"), 0.95)
    assert text.startswith(beginning)
    assert "1,000 requests take 1,234.5 seconds (0.25 EUR) fine-tuned and 1,234.5 seconds (0.50 EUR) prompted." in text
    assert text.endswith(
        f"TF-IDF + logistic regression, in 1,234.5 seconds, has a Macro F1 so close that {figures['test_rows']} test"
        " records do not show which is better."
    )


def test_what_1000_requests_take_is_scaled_from_the_test_records() -> None:
    found = per_thousand({"fine_tuned": 72.0}, 200, ComputeProfile(price_per_hour=10.0))
    assert found == {"fine_tuned": {"seconds": 360.0, "money": 1.0, "currency": "EUR"}}
    assert per_thousand({"fine_tuned": 72.0}, 200, ComputeProfile())["fine_tuned"]["money"] is None


def test_texts_have_a_test_too_without_mcnemar() -> None:
    rng = np.random.default_rng(1)
    references = ["we are sorry about your card"] * 60
    a, b = (TextOutputs(references, references, rng.random(60) * scale, np.full(60, 6.0)) for scale in (1.0, 3.0))
    figures = scores({"base_zero_shot": b, "fine_tuned": a}, Task(kind="generation", instruction="Help."), SETTINGS)
    assert figures["tests"]["base_zero_shot"]["mcnemar"] is None and figures["tests"]["base_zero_shot"]["p"] < 0.05
