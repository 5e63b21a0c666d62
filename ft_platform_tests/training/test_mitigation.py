"""Weights, another choice and copies of training rows. Persons are fictitious; weights are those of Kamiran and
Calders' paper."""

import json
import logging
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from ft_platform.lake.provenance import training_record_ids
from ft_platform.records.columns import MESSAGES
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.training.mitigation import resampling, reweighing, with_swapped_copies
from ft_platform.training.prepare import prepare
from ft_platform.training.reproduce import as_trained, reproduce
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.fairness import Swap, TrainingMitigation
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import SCHEMA, save_tiny_model, split_rows, usable_splits
from ft_platform_tests.training.losses import validation_loss

LOG = logging.getLogger("test")
SWAPS = [{"name": "gender", "terms": [["he", "she"]]}]


def case_for(model: Any, **fairness: Any) -> NamedUseCase:
    attributes = minimal_attributes("unused.csv")
    attributes |= {
        "base_model": {"uri": str(model), "dtype": "float32"},
        "training": {"recipe": "manual", "learning_rate": 5e-3, "batch_rows": 8, "rank": 4, "max_steps": 4},
    }
    attributes["fairness"] = {"sensitive_features": ["region"], **fairness}
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))


def rows_with_regions() -> list[dict[str, Any]]:
    """Three of four loans come from the north, three of four cards from the south; some texts say `he`."""
    rows = split_rows(48)
    for number, row in enumerate(rows):
        usual = "north" if row["label"] == "loan" else "south"
        row["feature_region"] = {"north": "south", "south": "north"}[usual] if number % 8 in (0, 1) else usual
        if number % 3 == 0:
            row["messages"] = [{"role": "user", "content": f"{row['messages'][0]['content']} Then he called."}]
    return rows


REGIONS = SCHEMA.append(pa.field("feature_region", pa.string()))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def test_weights_are_those_of_the_paper() -> None:
    # Kamiran and Calders, 2012, table 1 and example 3: ten applicants, four of five men and two of five women accepted.
    groups = ["m"] * 5 + ["f"] * 5
    labels = ["+"] * 4 + ["-"] + ["+"] * 2 + ["-"] * 3
    weights = dict(zip(zip(groups, labels, strict=True), reweighing(groups, labels), strict=True))
    assert weights == {
        ("m", "+"): pytest.approx(0.75),
        ("f", "-"): pytest.approx(0.67, abs=0.004),
        ("m", "-"): pytest.approx(2.0),
        ("f", "+"): pytest.approx(1.5),
    }
    assert reweighing(groups, labels).mean() == pytest.approx(1.0)


def test_under_the_weights_group_and_label_are_independent() -> None:
    rng = np.random.default_rng(1)
    groups = rng.choice(["a", "b", "c"], 300, p=[0.6, 0.3, 0.1]).tolist()
    labels = [str(rng.choice(["x", "y"], p=[0.8, 0.2] if group == "a" else [0.3, 0.7])) for group in groups]
    weights = reweighing(groups, labels)
    mass = {
        cell: sum(w for w, g, y in zip(weights, groups, labels, strict=True) if (g, y) == cell) / 300
        for cell in set(zip(groups, labels, strict=True))
    }
    for group, label in mass:
        assert mass[group, label] == pytest.approx(groups.count(group) / 300 * labels.count(label) / 300)


def test_resampled_rows_are_as_many_of_each_kind_as_independence_asks_for_and_seeded() -> None:
    groups, labels = ["a"] * 80 + ["b"] * 20, ["x"] * 60 + ["y"] * 20 + ["x"] * 2 + ["y"] * 18
    places = resampling(groups, labels, 3)
    counted = Counter((groups[place], labels[place]) for place in places)
    assert counted == {
        ("a", "x"): round(80 * 0.62),
        ("a", "y"): round(80 * 0.38),
        ("b", "x"): round(20 * 0.62),
        ("b", "y"): round(20 * 0.38),
    }
    often = Counter(places)
    assert max(often[place] for place in range(80, 82)) - min(often[place] for place in range(80, 82)) <= 1, (
        "rows of a kind are repeated equally often"
    )
    assert max(often[place] for place in range(60)) == 1 and places == resampling(groups, labels, 3) != resampling(
        groups, labels, 4
    )
    assert places == sorted(places)


def test_every_training_row_with_a_term_gets_a_swapped_copy_and_no_other_side_does() -> None:
    texts = ["he paid", "nothing", "she and HE", "he waits"]
    sides = ["train", "train", "train", "test"]
    table = pa.table(
        {
            "record_id": ["r0", "r1", "r2", "r3"],
            "messages": pa.array([[{"role": "user", "content": text}] for text in texts], MESSAGES),
            "label": list("abcd"),
            "split": sides,
        }
    )
    found = with_swapped_copies(
        table,
        TrainingMitigation(mitigation="counterfactual_augmentation", swaps=[Swap.model_validate(s) for s in SWAPS]),
    )
    assert found.slice(0, 4).equals(table)
    copies = [
        (row["record_id"], row["messages"][0]["content"], row["label"], row["split"])
        for row in found.slice(4).to_pylist()
    ]
    assert copies == [("r0", "she paid", "a", "train"), ("r2", "he and SHE", "c", "train")]
    assert with_swapped_copies(table, TrainingMitigation()) is table


def test_a_weighted_loss_is_the_weighted_mean_of_the_losses_of_its_rows(lake, environment, model) -> None:
    case = case_for(model, mitigation="reweighting")
    splits = usable_splits(lake, case, rows_with_regions(), REGIONS)
    prepared, plain = prepare(lake, environment, case, splits), prepare(lake, environment, case_for(model), splits)
    weights = prepared.sides["train"].weights
    assert {round(w, 3) for w in weights} != {1.0} and np.mean(weights) == pytest.approx(1.0)
    training = case.settings.training
    alone = [validation_loss(prepared.model, prepared.objective, [row], training) for row in plain.rows]
    tokens = [len(row.targets) for row in plain.rows]
    expected = sum(w * n * loss for w, n, loss in zip(weights, tokens, alone, strict=True)) / sum(
        w * n for w, n in zip(weights, tokens, strict=True)
    )
    assert validation_loss(prepared.model, prepared.objective, prepared.rows, training) == pytest.approx(
        expected, rel=1e-5
    )
    assert validation_loss(prepared.model, prepared.objective, plain.rows, training) != pytest.approx(
        expected, rel=1e-4
    )


def test_gradients_of_a_weighted_row_are_as_many_times_those_of_the_row(lake, environment, model) -> None:
    from dataclasses import replace

    from ft_platform.training.lora import trainable

    case = case_for(model)
    prepared = prepare(lake, environment, case, usable_splits(lake, case, rows_with_regions(), REGIONS))
    first, second = prepared.rows[0], prepared.rows[1]

    def gradients(rows: list[Any]) -> dict[str, torch.Tensor]:
        prepared.model.zero_grad()
        prepared.objective.loss(prepared.model, rows).backward()
        return {name: p.grad.clone() for name, p in trainable(prepared.model).items() if p.grad is not None}

    together, one, other = (
        gradients([replace(first, weight=2.5), replace(second, weight=0.5)]),
        gradients([first]),
        gradients([second]),
    )
    assert together
    for name, gradient in together.items():
        expected = 2.5 * one[name] + 0.5 * other[name]
        torch.testing.assert_close(
            gradient,
            expected,
            rtol=0,
            atol=1e-3 * float(expected.abs().max()),
            msg=lambda why, name=name: f"{name}: {why}",
        )


@pytest.mark.integration
@pytest.mark.parametrize("mitigation", ["reweighting", "resampling", "counterfactual_augmentation"])
def test_a_mitigation_in_training_makes_another_checkpoint_that_names_it_and_can_be_made_again(
    lake, environment, model, mitigation: str
) -> None:
    case = case_for(model, mitigation=mitigation, swaps=SWAPS)
    splits = usable_splits(lake, case, rows_with_regions(), REGIONS)
    without = case_for(model, swaps=SWAPS)
    assert checkpoint_inputs(case, splits) != checkpoint_inputs(without, splits)
    trained = checkpoint_for(lake, environment, case, splits, LOG)
    told = json.loads(lake.read_file(trained.checkpoint, "training.json"))
    assert told["mitigation"]["mitigation"] == mitigation
    rows = {"reweighting": 36, "resampling": 36, "counterfactual_augmentation": 48}[mitigation]
    assert told["counts"]["train"]["rows"] == rows
    ids = training_record_ids(lake, trained.checkpoint)
    assert len(ids) == 36 if mitigation != "resampling" else len(ids) < 36, (
        "copies stand under the id of their record, dropped records are not named"
    )
    plain = checkpoint_for(lake, environment, without, splits, LOG)
    assert plain.checkpoint.content_hash != trained.checkpoint.content_hash
    assert (
        as_trained(lake, without, trained.checkpoint).settings.fairness.in_training
        == case.settings.fairness.in_training
    )
    assert reproduce(lake, environment, without, trained.checkpoint)["identical"]


def test_what_does_not_change_training_makes_no_other_checkpoint(lake, model) -> None:
    case = case_for(model)
    splits = usable_splits(lake, case, rows_with_regions(), REGIONS)
    same = [
        case_for(model, max_gap=0.5),
        case_for(model, swaps=SWAPS),
        case_for(model, mitigation="threshold_optimizer", mitigation_label="card"),
    ]
    assert {checkpoint_inputs(other, splits) for other in same} == {checkpoint_inputs(case, splits)}
    other = case_for(
        model, mitigation="counterfactual_augmentation", swaps=[{"name": "gender", "terms": [["him", "her"]]}]
    )
    assert checkpoint_inputs(other, splits) != checkpoint_inputs(
        case_for(model, mitigation="counterfactual_augmentation", swaps=SWAPS), splits
    )


def test_weights_and_another_choice_narrow_the_gap_of_what_is_learned_from_biased_labels() -> None:
    """The reference learner of the paper, on fictitious applicants: half of the accepted women are noted as refused."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(5)
    group, score = rng.choice(["f", "m"], 4000), rng.normal(size=4000)
    noted = (score > 0) & ~((group == "f") & (rng.random(4000) < 0.5))
    seen = np.stack([score, (group == "f") + rng.normal(scale=0.3, size=4000)], axis=1)
    labels = np.where(noted, "yes", "no")

    def gap(fitted: LogisticRegression) -> float:
        said = fitted.predict(seen) == "yes"
        return float(said[group == "m"].mean() - said[group == "f"].mean())

    before = gap(LogisticRegression().fit(seen, labels))
    after = gap(LogisticRegression().fit(seen, labels, sample_weight=reweighing(group.tolist(), labels.tolist())))
    places = resampling(group.tolist(), labels.tolist(), 1)
    resampled = gap(LogisticRegression().fit(seen[places], labels[places]))
    assert before > 0.2 and max(abs(after), abs(resampled)) < 2 / 3 * before, (
        "the learner keeps seeing the group, so not all of it goes"
    )


@pytest.mark.parametrize(
    ("fairness", "words"),
    [
        ({"mitigation": "reweighting", "sensitive_features": []}, "needs `fairness.sensitive_features`"),
        ({"mitigation": "counterfactual_augmentation"}, "needs `fairness.swaps`"),
        ({"mitigation_feature": "age"}, "is not among `fairness.sensitive_features`"),
        ({"swaps": [*SWAPS, *SWAPS]}, "more than once"),
        ({"sensitive_features": ["age"]}, "not among `record.features`"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(fairness: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        case_for("unused", **fairness)


def test_a_label_of_the_source_that_the_file_itself_renames_is_refused_with_the_file() -> None:
    attributes = minimal_attributes("unused.csv")
    attributes["record"]["label_names"] = {"Credit card": "card", "loan": "loan"}
    attributes["fairness"] = {
        "sensitive_features": ["region"],
        "mitigation": "threshold_optimizer",
        "mitigation_label": "Credit card",
    }
    with pytest.raises(
        ValueError, match=r"`fairness\.mitigation_label` 'Credit card' is a label of the source, .*renames to 'card'"
    ):
        UseCase.model_validate(attributes)
    for label in ("card", "loan", "not in the list, so perhaps in the data"):
        attributes["fairness"]["mitigation_label"] = label
        UseCase.model_validate(attributes)


def test_generation_has_no_labels_to_weigh_by() -> None:
    attributes = minimal_attributes("unused.csv")
    attributes["task"] = {"kind": "generation"}
    attributes["record"]["answer"] = "answer"
    for mitigation in ("reweighting", "threshold_optimizer"):
        attributes["fairness"] = {"sensitive_features": ["region"], "mitigation": mitigation}
        with pytest.raises(ValueError, match=r"needs `task\.kind: classification`"):
            UseCase.model_validate(attributes)
