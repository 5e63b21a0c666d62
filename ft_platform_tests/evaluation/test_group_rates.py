"""Rates of labels in groups: intervals against a plain loop over the same resamples, and where they must have no
end."""

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest

from ft_platform.evaluation.group_rates import compare_rates, counted, label_figures, label_intervals
from ft_platform.evaluation.outputs import LabelOutputs
from ft_platform.use_case.settings.evaluation import Evaluation

LABELS = ["card", "loan", "rare", "wire"]
SETTINGS = Evaluation(bootstrap_samples=300)


def outputs(rows: int, hit: float, seed: int, shares: Sequence[float] = (0.5, 0.3, 0.02, 0.18)) -> LabelOutputs:
    rng = np.random.default_rng(seed)
    truth = [str(label) for label in rng.choice(LABELS, rows, p=shares)]
    predicted = [label if rng.random() < hit else str(rng.choice(LABELS)) for label in truth]
    return LabelOutputs(LABELS, truth, predicted)


GROUPS = {"north": outputs(90, 0.9, 1), "south": outputs(60, 0.6, 2), "west": outputs(75, 0.7, 3, (0.6, 0.3, 0.0, 0.1))}


def figures_of(hits: float, support: float, given: float, rows: int) -> dict[str, float]:
    """Of one label in one resample; NaN where nothing stands below the line."""

    def over(part: float, whole: float) -> float:
        return part / whole if whole else math.nan

    return {
        "precision": over(hits, given),
        "recall": over(hits, support),
        "f1": over(2 * hits, given + support),
        "selection_rate": given / rows,
        "false_positive_rate": over(given - hits, rows - support),
        "false_negative_rate": over(support - hits, support),
    }


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_intervals_equal_a_plain_loop_over_resamples_labels_and_figures(confidence: float) -> None:
    compared = 0
    for group, one in counted(GROUPS, SETTINGS).items():
        found, values = label_intervals(LABELS, one, confidence), label_figures(LABELS, one)
        for place, label in enumerate(LABELS):
            exact = figures_of(one.sums[place], one.sums[4 + place], one.sums[8 + place], one.rows)
            loop = [figures_of(draw[place], draw[4 + place], draw[8 + place], one.rows) for draw in one.draws]
            for name, value in exact.items():
                where = f"{group} {label} {name}"
                if math.isnan(value):
                    assert found[label][name] is None and values[label][name] is None, where
                    continue
                low, high = np.nanquantile(
                    [figures[name] for figures in loop], [(1 - confidence) / 2, (1 + confidence) / 2]
                )
                assert found[label][name] == {"low": pytest.approx(low), "high": pytest.approx(high)}, where
                assert values[label][name] == pytest.approx(value), where
                compared += 1
    assert compared > 60
    assert any(
        np.isnan(figures_of(*draw[[2, 6, 10]], one.rows)["recall"])
        for one in counted(GROUPS, SETTINGS).values()
        for draw in one.draws
    )


def test_ratios_equal_a_plain_loop_over_the_pair_they_were_found_between() -> None:
    groups = counted(GROUPS, SETTINGS)
    found = compare_rates(LABELS, groups, 0.95)
    parity = found["demographic_parity"]
    place = LABELS.index(parity["label"])
    rates = {group: one.sums[8 + place] / one.rows for group, one in groups.items()}
    low, high = min(rates, key=lambda group: rates[group]), max(rates, key=lambda group: rates[group])
    draws = sorted(
        (b / groups[low].rows) / (a / groups[high].rows)
        for b, a in zip(groups[low].draws[:, 8 + place], groups[high].draws[:, 8 + place], strict=True)
    )
    assert parity["ratio"] == pytest.approx(rates[low] / rates[high])
    # 300 resamples: the ends are the eighth from either side (2.5 % of 299 is 7.475), outwards.
    assert (parity["ratio_low"], parity["ratio_high"]) == (pytest.approx(draws[7]), pytest.approx(draws[-8]))
    assert parity["ratio_low"] < parity["ratio"] < parity["ratio_high"]
    odds = found["equalized_odds"]
    assert odds["ratio_low"] <= odds["ratio"] <= odds["ratio_high"]


def test_the_interval_of_a_ratio_holds_1_where_groups_are_alike() -> None:
    alike = {name: outputs(400, 0.8, seed, (0.5, 0.3, 0.0, 0.2)) for name, seed in (("north", 5), ("south", 6))}
    parity = compare_rates(LABELS, counted(alike, SETTINGS), 0.95)["demographic_parity"]
    assert parity["ratio_low"] <= 1 <= parity["ratio_high"] and parity["ratio"] <= 1


def test_a_ratio_over_a_rate_that_is_often_nothing_has_no_upper_end() -> None:
    north = LabelOutputs(["card", "loan"], ["card"] * 30, ["loan"] * 2 + ["card"] * 28)
    few = {"north": north, "south": LabelOutputs(["card", "loan"], ["card"] * 30, ["loan"] * 1 + ["card"] * 29)}
    counts = counted(few, SETTINGS)
    found = compare_rates(["card", "loan"], counts, 0.95)
    groups = counted({g: LabelOutputs(["loan", "card"], o.truth, o.predicted) for g, o in few.items()}, SETTINGS)
    loan = compare_rates(["loan", "card"], groups, 0.95)
    parity = next(one["demographic_parity"] for one in (found, loan) if one["demographic_parity"]["label"] == "loan")
    assert parity["ratio"] == pytest.approx(0.5) and parity["ratio_low"] == 0 and parity["ratio_high"] is None
    json.dumps(parity, allow_nan=False)


def test_nothing_over_nothing_is_equal() -> None:
    same = {name: LabelOutputs(["card", "loan"], ["card"] * 20, ["card"] * 20) for name in ("north", "south")}
    parity = compare_rates(["card", "loan"], counted(same, SETTINGS), 0.95)["demographic_parity"]
    assert (parity["ratio"], parity["ratio_low"], parity["ratio_high"]) == (1.0, 1.0, 1.0)


def test_figures_are_the_same_each_time() -> None:
    first, again = (label_intervals(LABELS, counted(GROUPS, SETTINGS)["south"], 0.95) for _ in range(2))
    assert first == again
