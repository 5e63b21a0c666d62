"""Expected values come from Fairlearn and scikit-learn on the same arrays."""

import numpy as np
import pyarrow as pa
import pytest

from ft_platform.evaluation.fairness import fairness
from ft_platform.evaluation.fairness_verdict import why_not_fair
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes


def use_case(kind: str = "classification", **fairness_settings) -> NamedUseCase:
    attributes = minimal_attributes("unused.csv")
    attributes["task"] = {"kind": kind}
    attributes["record"]["answer"] = "answer"
    attributes["record"]["features"] = {"region": "region", "age": "age"}
    attributes["fairness"] = {"sensitive_features": ["region"], **fairness_settings}
    attributes["evaluation"] = {"bootstrap_samples": 300}
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))


def label_predictions(accuracies: dict[str | None, float], rows: int = 80, seed: int = 3) -> pa.Table:
    rng = np.random.default_rng(seed)
    labels = ["card", "loan", "mortgage"]
    made = []
    for region, accuracy in accuracies.items():
        for _ in range(rows):
            truth = str(rng.choice(labels))
            predicted = truth if rng.random() < accuracy else "card"
            made.append({"feature_region": region, "label": truth, "predicted": predicted})
    return pa.Table.from_pylist(made)


def test_group_figures_equal_fairlearn_and_scikit_learn() -> None:
    from fairlearn.metrics import (
        MetricFrame,
        demographic_parity_difference,
        demographic_parity_ratio,
        equalized_odds_difference,
    )
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    table = label_predictions({"north": 0.9, "south": 0.6, "west": 0.7})
    found = fairness(use_case(), table)["features"]["region"]
    truth, predicted, region = (
        np.array(table[c].to_pylist(), dtype=object) for c in ("label", "predicted", "feature_region")
    )
    frame = MetricFrame(metrics=accuracy_score, y_true=truth, y_pred=predicted, sensitive_features=region)
    for group, accuracy in frame.by_group.items():
        mine = region == group
        assert found["groups"][group]["accuracy"]["value"] == pytest.approx(accuracy)
        seen = found["groups"][group]["macro_f1"]["value"]
        assert seen == pytest.approx(f1_score(truth[mine], predicted[mine], average="macro"))
        seen = found["groups"][group]["macro_recall"]["value"]
        assert seen == pytest.approx(recall_score(truth[mine], predicted[mine], average="macro"))
        for label, rate in found["groups"][group]["selection_rate"].items():
            assert rate == pytest.approx(np.mean(predicted[mine] == label))
    assert found["differences"]["accuracy"]["value"] == pytest.approx(frame.difference(method="between_groups"))
    parity = {
        label: demographic_parity_difference(truth == label, predicted == label, sensitive_features=region)
        for label in ("card", "loan", "mortgage")
    }
    largest = found["demographic_parity"]
    seen = (largest["value"], largest["label"])
    assert seen == (pytest.approx(max(parity.values())), max(parity, key=lambda label: parity[label]))
    assert largest["low"] < largest["value"] < largest["high"] and largest["rate"] == "selection rate"
    odds = {
        label: equalized_odds_difference(truth == label, predicted == label, sensitive_features=region)
        for label in ("card", "loan", "mortgage")
    }
    assert found["equalized_odds"]["value"] == pytest.approx(max(odds.values()))
    assert found["equalized_odds"]["label"] == max(odds, key=lambda label: odds[label])
    ratio = demographic_parity_ratio(
        truth == largest["label"], predicted == largest["label"], sensitive_features=region
    )
    assert largest["ratio"] == pytest.approx(ratio)


def test_error_rates_of_a_label_that_a_group_hardly_has_are_not_compared() -> None:
    table = label_predictions({"north": 0.9, "south": 0.9})
    rare = [("card", "card")] * 70 + [("rare", "card")] * 3
    few = pa.table({"feature_region": ["west"] * 73, "label": [t for t, _ in rare], "predicted": [p for _, p in rare]})
    found = fairness(use_case(), pa.concat_tables([table, few]))["features"]["region"]
    assert found["demographic_parity"]["value"] > 0.5 and found["equalized_odds"] is None


def test_two_features_together_show_a_gap_that_neither_shows_alone() -> None:
    rng = np.random.default_rng(5)
    made = []
    for region, age, accuracy in (
        ("north", "young", 0.95),
        ("north", "old", 0.45),
        ("south", "young", 0.45),
        ("south", "old", 0.95),
    ):
        for _ in range(60):
            truth = str(rng.choice(["card", "loan"]))
            wrong = "loan" if truth == "card" else "card"
            predicted = truth if rng.random() < accuracy else wrong
            made.append({"feature_region": region, "feature_age": age, "label": truth, "predicted": predicted})
    both = use_case(sensitive_features=["region", "age"], max_gap=0.3)
    found = fairness(both, pa.Table.from_pylist(made))
    assert all(feature["status"] == "within_max_gap" for feature in found["features"].values()), found
    together = found["intersections"]["region and age"]
    assert together["status"] == "above_max_gap" and not found["within_max_gap"]
    seen = {together["differences"]["accuracy"]["best"], together["differences"]["accuracy"]["worst"]}
    assert seen <= set(together["groups"])
    assert len(together["groups"]) == 4 and "north and old" in together["groups"]
    assert why_not_fair(found, both.settings).startswith("region and age: above the limit. Accuracy differs by 0.")


def test_a_planted_gap_is_found_with_its_groups_and_an_interval() -> None:
    found = fairness(use_case(max_gap=0.2), label_predictions({"north": 0.95, "south": 0.4}))
    gap = found["gaps"]["region"]
    assert (gap["best"], gap["worst"]) == ("north", "south")
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    assert not found["within_max_gap"]
    assert found["features"]["region"]["status"] == "above_max_gap"


def test_equal_groups_are_within_the_gap_and_their_interval_holds_zero() -> None:
    found = fairness(use_case(), label_predictions({"north": 0.8, "south": 0.8}))
    assert found["within_max_gap"]
    assert found["gaps"]["region"]["low"] <= 0 <= found["gaps"]["region"]["high"]


def test_max_gap_decides() -> None:
    table = label_predictions({"north": 0.9, "south": 0.7})
    gap = fairness(use_case(), table)["gaps"]["region"]
    for limit, status in (
        (gap["high"] + 0.001, "within_max_gap"),
        (gap["high"] - 0.001, "not_enough_evidence"),
        (gap["value"] - 0.001, "above_max_gap"),
    ):
        found = fairness(use_case(max_gap=limit), table)
        assert (found["features"]["region"]["status"], found["within_max_gap"]) == (status, status == "within_max_gap")


def test_a_small_group_has_no_figures_and_is_not_enough_evidence() -> None:
    accuracies = {"north": 0.9, "south": 0.9}
    table = pa.concat_tables([label_predictions(accuracies), label_predictions({"island": 0.0}, rows=19)])
    found = fairness(use_case(min_group_rows=20), table)["features"]["region"]
    assert found["groups"]["island"] == {"rows": 19, "enough_evidence": False}
    assert found["differences"]["accuracy"]["worst"] != "island" and found["status"] == "not_enough_evidence"
    larger = fairness(use_case(min_group_rows=19), table)["features"]["region"]
    assert larger["differences"]["accuracy"]["worst"] == "island"


@pytest.mark.parametrize(
    "table",
    [label_predictions({"north": 0.9, "south": 0.9}, rows=5), label_predictions({"north": 0.9})],
    ids=["all groups small", "one group"],
)
def test_too_little_evidence_is_never_fair(table: pa.Table) -> None:
    found = fairness(use_case(), table)
    assert found["features"]["region"]["status"] == "not_enough_evidence"
    assert found["gaps"] == {"region": None}
    assert not found["within_max_gap"]


def test_records_without_a_value_are_a_group_of_their_own() -> None:
    found = fairness(use_case(), label_predictions({"north": 0.9, None: 0.5}))["features"]["region"]
    assert found["differences"]["accuracy"]["worst"] == "not stated"


def test_without_sensitive_features_nothing_is_claimed() -> None:
    settings = use_case().settings.model_copy(
        update={"fairness": use_case().settings.fairness.model_copy(update={"sensitive_features": []})}
    )
    found = fairness(NamedUseCase(name="complaints", settings=settings), label_predictions({"north": 0.9}))
    assert found["features"] == {} and found["gaps"] == {}


def test_generation_compares_rouge_l_and_loss() -> None:
    from fairlearn.metrics import MetricFrame, mean_prediction

    rng = np.random.default_rng(1)
    region = np.array(["north"] * 50 + ["south"] * 50, dtype=object)
    rouge, loss = rng.random(100) * np.where(region == "north", 1.0, 0.3), rng.random(100) + 1
    refused = (rng.random(100) < np.where(region == "north", 0.0, 0.4)).astype(float)
    table = pa.table({"feature_region": list(region), "rouge_l": rouge, "answer_loss": loss, "refusal_rate": refused})
    found = fairness(use_case("generation"), table)
    groups = found["features"]["region"]["groups"]
    for name, values in (("rouge_l", rouge), ("answer_loss", loss), ("refusal_rate", refused)):
        frame = MetricFrame(metrics=mean_prediction, y_true=values, y_pred=values, sensitive_features=region)
        assert {g: groups[g][name]["value"] for g in groups} == {g: pytest.approx(v) for g, v in frame.by_group.items()}
        assert found["features"]["region"]["differences"][name]["value"] == pytest.approx(frame.difference())
    assert found["gap_metric"] == "rouge_l"
    assert {
        name: difference["worst"] for name, difference in found["features"]["region"]["differences"].items()
    }.items() >= {"rouge_l": "south", "refusal_rate": "south"}.items()
    assert found["features"]["region"]["demographic_parity"] is None
    assert not found["within_max_gap"]


def test_figures_do_not_depend_on_the_order_of_records() -> None:
    table = label_predictions({"north": 0.9, "south": 0.6})
    shuffled = table.take(pa.array(np.random.default_rng(0).permutation(table.num_rows)))
    assert fairness(use_case(), shuffled) == fairness(use_case(), table)
