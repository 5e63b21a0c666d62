"""Figures over several seeds, against plain loops written here, and against what the theory says of them."""

from typing import Any

import numpy as np
import pytest

from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.outputs import LabelOutputs, TextOutputs
from ft_platform.training.experiments.seed_figures import (
    over_seeds,
    resampled_means,
    sd_interval,
    seed_figures,
    seed_sentences,
)
from ft_platform.use_case.settings.evaluation import Evaluation

LABELS = ["card", "loan", "wire"]
SETTINGS = Evaluation(bootstrap_samples=4000)


def answers(accuracy: float, seed: int, rows: int = 300) -> LabelOutputs:
    """Labels of which about `accuracy` are right; the first records are the hard ones for every system."""
    generator = np.random.default_rng(seed)
    truth = [LABELS[place % 3] for place in range(rows)]
    hard = np.linspace(-0.2, 0.2, rows)
    right = generator.random(rows) < accuracy + hard
    wrong = [LABELS[(place + 1) % 3] for place in range(rows)]
    return LabelOutputs(LABELS, truth, [t if ok else w for t, w, ok in zip(truth, wrong, right, strict=True)])


TUNED = {17: answers(0.8, 1), 18: answers(0.74, 2), 19: answers(0.7, 3)}
BASE = answers(0.65, 4)


def accuracies(outputs: LabelOutputs, rows: Any = slice(None)) -> float:
    truth, predicted = CODES[id(outputs)][:, rows]
    return float((truth == predicted).mean())


def coded(outputs: LabelOutputs) -> np.ndarray:
    return np.array([[LABELS.index(label) for label in side] for side in (outputs.truth, outputs.predicted)])


CODES = {id(outputs): coded(outputs) for outputs in (*TUNED.values(), BASE)}


def macro_f1(outputs: LabelOutputs, rows: Any = slice(None)) -> float:
    truth, predicted = CODES[id(outputs)][:, rows]
    hits = [((truth == label) & (predicted == label)).sum() for label in range(3)]
    return float(
        np.mean([2 * hit / ((truth == label).sum() + (predicted == label).sum()) for label, hit in enumerate(hits)])
    )


def plain_bootstrap(score: Any, resamples: int = 1500) -> np.ndarray:
    """Mean gain over the base in resamples of rows and seeds, distances from the mean over seeds widened by sqrt(3 /
    2)."""
    generator, draws, rows = np.random.default_rng(99), [], len(BASE)
    for _ in range(resamples):
        chosen = generator.integers(rows, size=rows)
        gains = [score(one, chosen) - score(BASE, chosen) for one in TUNED.values()]
        drawn = np.mean([gains[generator.integers(3)] for _ in range(3)])
        draws.append(np.mean(gains) + (3 / 2) ** 0.5 * (drawn - np.mean(gains)))
    return np.array(draws)


@pytest.mark.parametrize(("name", "score"), [("accuracy", accuracies), ("macro_f1", macro_f1)])
def test_values_spread_and_interval_are_those_of_plain_loops(name: str, score: Any) -> None:
    found = seed_figures(TUNED, {"base_few_shot": BASE}, "classification", SETTINGS)
    values = np.array([score(one) for one in TUNED.values()])
    if name == "macro_f1":
        from sklearn.metrics import f1_score

        assert values[0] == pytest.approx(f1_score(TUNED[17].truth, TUNED[17].predicted, average="macro")), (
            "the loop above is what scikit-learn says"
        )
    spread, gain = found["metrics"][name], found["differences"]["base_few_shot"][name]
    assert spread["values"] == pytest.approx(values) and spread["value"] == pytest.approx(values.mean())
    assert (spread["sd"], spread["min"], spread["max"]) == pytest.approx(
        (values.std(ddof=1), values.min(), values.max())
    )
    assert gain["values"] == pytest.approx(values - score(BASE)) and gain["better_for"] == 3
    assert found["systems"]["base_few_shot"][name] == pytest.approx(score(BASE)) and found["main_metric"] == "macro_f1"
    draws = plain_bootstrap(score)
    assert (gain["low"], gain["high"]) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.012), (
        "two bootstraps, each with its own draws"
    )


def test_the_variance_of_resampled_means_is_the_unbiased_one() -> None:
    seeds = np.array([0.5, 0.6, 0.8])
    means = resampled_means(np.tile(seeds, (100_000, 1)), 17)
    assert means.mean() == pytest.approx(seeds.mean(), abs=1e-3) and means.var() == pytest.approx(
        seeds.var(ddof=1) / 3, rel=0.02
    )


@pytest.mark.parametrize(("scatter", "least", "most"), [(1.0, 0.91, 0.97), (3.0, 0.85, 0.93)])
def test_intervals_of_three_seeds_hold_the_truth_as_often_as_the_documentation_says(
    scatter: float, least: float, most: float
) -> None:
    """94 % and 89 % of 4,000 cases; of 600 cases the share stays within three standard errors (0.03, 0.038) of that.
    The records scatter by 1."""
    generator, held = np.random.default_rng(3), 0
    for case in range(600):
        seeds = generator.normal(0, scatter, 3) + generator.normal()
        low, high = np.quantile(resampled_means(seeds + generator.normal(size=(500, 1)), case), [0.025, 0.975])
        held += low <= 0 <= high
    assert least <= held / 600 <= most


def test_equal_seeds_leave_the_interval_of_the_records_and_unequal_ones_widen_it() -> None:
    from ft_platform.evaluation.comparison import paired_difference

    accuracy = metric("accuracy")
    same = over_seeds(accuracy, [TUNED[18]] * 3, BASE, SETTINGS)
    one = paired_difference(accuracy, TUNED[18], BASE, SETTINGS)
    assert same["sd"] == 0 and (same["value"], same["low"], same["high"]) == pytest.approx(
        (one["value"], one["low"], one["high"]), abs=0.01
    )
    apart = over_seeds(accuracy, [answers(0.95, 5), TUNED[18], answers(0.5, 6)], BASE, SETTINGS)
    assert apart["high"] - apart["low"] > 2 * (same["high"] - same["low"])


def test_a_gain_that_only_one_seed_has_is_no_gain() -> None:
    lucky = {17: answers(0.8, 1), 18: answers(0.55, 2), 19: answers(0.52, 3)}
    found = seed_figures(lucky, {"base_few_shot": BASE}, "classification", SETTINGS)
    gain = found["differences"]["base_few_shot"]["accuracy"]
    assert gain["better_for"] == 1 and gain["low"] < 0 < gain["values"][0]
    said = seed_sentences({**found, "seeds": [{"seed": seed} for seed in lucky]})
    assert "It is the best of them: expect the mean" in said[0]["text"]
    assert (
        "for 1 of 3 seeds" in said[1]["text"] and "the interval includes 0" in said[1]["text"] and not said[1]["good"]
    )


def test_words_say_whether_the_gain_holds_for_all_seeds_and_what_three_cannot_tell() -> None:
    found = seed_figures(TUNED, {"base_few_shot": BASE}, "classification", SETTINGS)
    middle = {18: TUNED[18], 17: TUNED[17], 19: TUNED[19]}
    said = seed_sentences(
        {
            **seed_figures(middle, {"base_few_shot": BASE}, "classification", SETTINGS),
            "seeds": [{"seed": seed} for seed in middle],
        }
    )
    spread = found["metrics"]["macro_f1"]
    assert (
        f"3 seeds: Macro F1 {spread['value']:.3f} ± {spread['sd']:.3f}" in said[0]["text"]
        and "best of them" not in said[0]["text"]
    )
    assert "Better than Base model, few-shot for all 3 seeds" in said[1]["text"] and said[1]["good"]
    assert "3 seeds show the spread only roughly" in said[2]["text"]


def test_no_interval_leaves_the_range_of_its_metric() -> None:
    found = seed_figures(
        {17: answers(1.3, 1), 18: answers(0.95, 2)}, {"base_few_shot": answers(-0.3, 3)}, "classification", SETTINGS
    )
    spread, gain = found["metrics"]["accuracy"], found["differences"]["base_few_shot"]["accuracy"]
    assert spread["values"][0] == 1.0 and spread["high"] == 1.0 and gain["high"] == 1.0


def test_where_lower_is_better_fewer_nats_are_the_gain() -> None:
    def losses(mean: float) -> TextOutputs:
        return TextOutputs(["a"] * 40, ["a"] * 40, np.full(40, 10 * mean), np.full(40, 10))

    tuned = {17: losses(0.5), 18: losses(0.7), 19: losses(0.9)}
    gain = seed_figures(tuned, {"base_zero_shot": losses(0.8)}, "generation", SETTINGS)["differences"][
        "base_zero_shot"
    ]["answer_loss"]
    assert gain["values"] == pytest.approx([-0.3, -0.1, 0.1]) and gain["better_for"] == 2


def test_the_interval_of_a_standard_deviation_is_that_of_the_tables() -> None:
    """Quantiles of chi-square with 2 degrees of freedom: -2 ln(1 - p), so 7.3778 and 0.0506."""
    assert sd_interval(1.0, 3, 0.95) == pytest.approx(((2 / 7.3778) ** 0.5, (2 / 0.050636) ** 0.5), rel=1e-4)
