"""What fine-tuning added to a gap: expected values by Fairlearn on the same arrays."""

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.evaluation.amplification import amplification
from ft_platform.use_case.settings.evaluation import Evaluation

SETTINGS = Evaluation(bootstrap_samples=400)


def predictions(shares: dict[str, tuple[float, float]], rows: int = 200, seed: int = 2) -> tuple[pa.Table, np.ndarray]:
    """Systems that say `loan` to the given shares of north and south; the truth is half `loan` in the north and 40 % in
    the south."""
    rng = np.random.default_rng(seed)
    groups = np.array(["north"] * rows + ["south"] * rows, dtype=object)
    truth = np.where(rng.random(2 * rows) < np.where(groups == "north", 0.5, 0.4), "loan", "card")
    parts = []
    for system, (north, south) in shares.items():
        said = np.where(rng.random(2 * rows) < np.where(groups == "north", north, south), "loan", "card")
        record_id = [f"r{i}" for i in range(2 * rows)]
        correct = (said == truth).tolist()
        columns = {"record_id": record_id, "label": truth.tolist(), "predicted": said.tolist(), "correct": correct}
        parts.append(pa.table({"system": [system] * (2 * rows), **columns}))
    return pa.concat_tables(parts), groups


def test_figures_equal_differences_of_fairlearns_parity_differences() -> None:
    from fairlearn.metrics import demographic_parity_difference

    table, groups = predictions({"base_zero_shot": (0.5, 0.45), "base_few_shot": (0.6, 0.4), "fine_tuned": (0.8, 0.3)})
    found = amplification(table, groups, ["north", "south"], "loan", "accuracy", SETTINGS)
    frame = table.to_pandas()
    parity = {
        system: demographic_parity_difference(
            part["label"] == "loan", part["predicted"] == "loan", sensitive_features=groups
        )
        for system, part in frame.groupby("system", sort=False)
    }
    truth = frame[frame["system"] == "fine_tuned"]["label"] == "loan"
    parity["labels"] = demographic_parity_difference(truth, truth, sensitive_features=groups)
    assert found["gap"]["value"] == pytest.approx(parity["fine_tuned"])
    assert set(found["versus"]) == {"base_zero_shot", "base_few_shot", "labels"}
    for system, versus in found["versus"].items():
        assert versus["gap"] == pytest.approx(parity[system])
        assert versus["value"] == pytest.approx(parity["fine_tuned"] - parity[system])
        assert versus["low"] < versus["value"] < versus["high"]
    assert found["value"] == found["versus"]["base_zero_shot"]["value"] and found["system"] == "base_zero_shot"
    assert found["low"] > 0


def test_a_model_that_widens_nothing_has_an_interval_around_zero() -> None:
    table, groups = predictions({"base_zero_shot": (0.5, 0.4), "fine_tuned": (0.5, 0.4)}, seed=4)
    found = amplification(table, groups, ["north", "south"], "loan", "accuracy", SETTINGS)
    assert found["low"] < 0 < found["high"]


def test_the_same_answers_amplify_nothing_at_all_because_resamples_are_paired() -> None:
    table, groups = predictions({"base_zero_shot": (0.7, 0.3)})
    other = table.set_column(
        table.schema.get_field_index("system"), "system", pa.array(["fine_tuned"] * table.num_rows)
    )
    found = amplification(pa.concat_tables([table, other]), groups, ["north", "south"], "loan", "accuracy", SETTINGS)
    assert (found["value"], found["low"], found["high"]) == (0.0, 0.0, 0.0)
    assert found["quality"]["versus"]["base_zero_shot"]["high"] == 0.0 and found["gap"]["value"] > 0.2


def test_one_group_is_not_enough_evidence() -> None:
    table, groups = predictions({"base_zero_shot": (0.5, 0.4), "fine_tuned": (0.5, 0.4)})
    found = amplification(table, groups, ["north"], "loan", "accuracy", SETTINGS)
    assert found == {"value": None, "low": None, "high": None, "status": "not_enough_evidence"}


def test_texts_are_compared_by_their_quality() -> None:
    rng = np.random.default_rng(0)
    groups = np.array(["north"] * 60 + ["south"] * 60, dtype=object)
    scores = {
        "base_zero_shot": rng.random(120),
        "fine_tuned": np.where(groups == "north", 0.9, 0.2) + rng.random(120) / 10,
    }
    table = pa.concat_tables(
        [pa.table({"system": [system] * 120, "rouge_l": values}) for system, values in scores.items()]
    )
    found = amplification(table, groups, ["north", "south"], None, "rouge_l", SETTINGS)
    means = {s: [v[groups == g].mean() for g in ("north", "south")] for s, v in scores.items()}
    assert found["value"] == pytest.approx(
        abs(np.subtract(*means["fine_tuned"])) - abs(np.subtract(*means["base_zero_shot"]))
    )
    assert found["low"] > 0
    assert found["metric"] == "rouge_l" and "labels" not in found["versus"]
