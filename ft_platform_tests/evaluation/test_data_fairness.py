"""Groups compared in the data. Intervals are compared with those of scipy, gaps with those of Fairlearn."""

import numpy as np
import pytest
from scipy.stats import binomtest, t

from ft_platform.evaluation.data_fairness import data_columns, data_fairness
from ft_platform.evaluation.proportions import mean, share
from ft_platform.records.schemas import splits_schema
from ft_platform_tests.tables import table, use_case


@pytest.mark.parametrize(("count", "rows"), [(0, 20), (20, 20), (3, 40), (500, 1000)])
def test_shares_have_wilsons_interval(count: int, rows: int) -> None:
    expected = binomtest(count, rows).proportion_ci(0.9, method="wilson")
    found = share(count, rows, 0.9)
    seen = (found["value"], found["low"], found["high"])
    assert seen == (count / rows, pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high))


def test_means_have_students_interval() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    low, high = t.interval(0.95, 3, loc=4.0, scale=np.std(values, ddof=1) / 2)
    assert mean(values, 0.95) == {"value": 4.0, "low": pytest.approx(low), "high": pytest.approx(high)}


CASE = use_case(
    fairness={"sensitive_features": ["region"], "min_group_rows": 10}, evaluation={"bootstrap_samples": 200}
)


def given():
    """Thirty records of the north and twenty of the south, whose texts are short, half unlabelled and mostly loans; one
    without region."""
    texts = ["a text of the north with eight words"] * 30 + ["too short"] * 20 + ["and one without any region at all"]
    regions = ["north"] * 30 + ["south"] * 20 + [None]
    labels = (["loan"] * 10 + ["card"] * 20) + (["loan"] * 9 + ["card"] + [None] * 10) + ["card"]
    sides = ["test" if number % 5 == 0 else "train" for number in range(51)]
    text_characters = [len(text) for text in texts]
    columns = {"feature_region": regions, "label": labels, "split": sides, "text_characters": text_characters}
    entities = [[("PERSON", 2)] if number < 15 else [] for number in range(51)]
    groups = [f"g{min(number, 48)}" for number in range(51)]
    return table(splits_schema(CASE), texts, **columns, entities=entities, group_id=groups).select(data_columns(CASE))


def test_representation_labels_and_quality_are_counted_by_group() -> None:
    found = data_fairness(CASE, given())["region"]
    north, south = found["groups"]["north"], found["groups"]["south"]
    seen = (north["rows"], north["share"]["value"], north["sides"]["test"]["value"])
    assert seen == (30, pytest.approx(30 / 51), pytest.approx(6 / 11))
    assert north["labels"]["loan"]["value"] == pytest.approx(1 / 3)
    assert south["labels"]["loan"]["value"] == pytest.approx(9 / 20)
    assert (north["words"]["value"], south["words"]["value"], south["characters"]["value"]) == (8.0, 2.0, 9.0)
    assert (north["short"]["value"], south["short"]["value"]) == (0.0, 1.0)
    assert (north["answer_missing"]["value"], south["answer_missing"]["value"]) == (0.0, 0.5)
    assert north["personal_data"]["value"] == 0.5 and south["personal_data"]["value"] == 0.0
    assert north["repeated"]["value"] == 0.0 and south["repeated"]["value"] == pytest.approx(2 / 20)
    assert found["missing"]["value"] == pytest.approx(1 / 51)


def test_the_largest_difference_of_a_label_equals_fairlearns() -> None:
    from fairlearn.metrics import demographic_parity_difference

    found = data_fairness(CASE, given())["region"]["label_gap"]
    rows = [row for row in given().to_pylist() if row["label"] and row["feature_region"]]
    region = [row["feature_region"] for row in rows]
    loan = np.array([row["label"] == "loan" for row in rows])
    assert found["value"] == pytest.approx(demographic_parity_difference(loan, loan, sensitive_features=region))
    assert (found["highest"], found["lowest"]) in (("south", "north"), ("north", "south"))
    assert found["low"] <= found["value"] <= found["high"]


def test_a_small_group_has_its_size_and_nothing_else() -> None:
    found = data_fairness(CASE, given())["region"]["groups"]["not stated"]
    assert set(found) == {"rows", "enough_evidence", "share"} and found["rows"] == 1 and not found["enough_evidence"]


def test_pooled_groups_take_the_place_of_their_parts_in_the_data_too() -> None:
    pooled_groups = {"region": {"elsewhere": ["south", "not stated"]}}
    pooled = {"sensitive_features": ["region"], "min_group_rows": 10, "pooled_groups": pooled_groups}
    found = data_fairness(use_case(fairness=pooled, evaluation={"bootstrap_samples": 200}), given())["region"]
    assert {group: row["rows"] for group, row in found["groups"].items()} == {"elsewhere": 21, "north": 30}
    assert found["missing"]["value"] == pytest.approx(1 / 51)


def test_one_large_group_is_not_enough_evidence() -> None:
    large = use_case(fairness={"sensitive_features": ["region"], "min_group_rows": 25})
    found = data_fairness(large, given())["region"]
    assert found["status"] == "not_enough_evidence" and found["label_gap"] is None


def test_generation_has_no_labels_and_counts_missing_answers() -> None:
    case = use_case("generation", fairness={"sensitive_features": ["region"], "min_group_rows": 2})
    rows = table(
        splits_schema(case),
        ["a question", "another one", "a third"],
        ["an answer", "", "x"],
        feature_region=["a", "a", "a"],
        split=["train"] * 3,
    )
    rows = rows.set_column(rows.schema.get_field_index("text_characters"), "text_characters", [[10, 11, 7]])
    found = data_fairness(case, rows.select(data_columns(case)))["region"]
    assert found["groups"]["a"]["labels"] == {} and found["label_gap"] is None
    assert found["groups"]["a"]["answer_missing"]["value"] == pytest.approx(1 / 3)
