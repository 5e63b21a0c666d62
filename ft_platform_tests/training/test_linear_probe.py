"""A linear probe is a checkpoint like the others: what its head answers is what the regression answers."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ft_platform.errors import ConfigError, DataError
from ft_platform.models import base_model
from ft_platform.models.prompt_states import prompt_states
from ft_platform.reporting.evaluation_report import training_sentence
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.training.estimate import estimate
from ft_platform.training.experiments.curve import trainings_for_curve
from ft_platform.training.experiments.search import make_trials
from ft_platform.training.linear_probe import _to_features, probe_weights
from ft_platform.training.prepare import prepare
from ft_platform.training.privacy_attacks import canary_audit
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.training import REGRESSIONS
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for, splits_schema
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits

LOG = logging.getLogger("test")
VLLM = {"kind": "vllm", "url": "http://127.0.0.1:8001", "folder": "/srv"}


def drawn(labels: list[str], rows: int, draw: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """States that lie far from 0, as those behind a normalization do, and differ a little by label."""
    answers = [labels[number] for number in draw.integers(len(labels), size=rows)]
    centres = np.random.default_rng(1).normal(size=(len(labels), 24))
    noise = draw.normal(size=(rows, 24))
    states = 5 + np.linspace(0.1, 3, 24) * (centres[[labels.index(answer) for answer in answers]] + noise)
    return states.astype(np.float32), answers


@pytest.mark.parametrize("labels", [["b", "a"], ["c", "a", "b", "d"]])
def test_a_product_with_the_states_answers_as_a_regression_with_an_intercept_does(labels: list[str]) -> None:
    draw = np.random.default_rng(0)
    (train, known), (validation, held_out), (test, truth) = (drawn(labels, rows, draw) for rows in (400, 100, 400))
    weights = probe_weights((train, validation), (known, held_out), labels)
    assert weights.shape == (len(labels), 24) and weights.dtype == np.float32
    scale = train.mean(0), train.std(0)
    reference = LogisticRegression(C=0.1, max_iter=1000).fit((train - scale[0]) / scale[1], known)
    said = [labels[number] for number in (test @ weights.T).argmax(1)]
    expected = list(reference.predict((test - scale[0]) / scale[1]))
    assert np.mean([a == b for a, b in zip(said, expected, strict=True)]) > 0.9
    right, reached = (np.mean([a == b for a, b in zip(one, truth, strict=True)]) for one in (said, expected))
    assert right >= reached - 0.03 and reached > 0.6


def test_the_constant_is_close_to_one_for_states_that_it_was_not_made_from() -> None:
    draw = np.random.default_rng(0)
    (train, _), (test, _) = (drawn(["a", "b"], rows, draw) for rows in (400, 100))
    constant = test @ _to_features(train.astype(np.float64))[:, -1] / 10
    assert abs(constant.mean() - 1) < 0.01 and constant.std() < 0.1


def test_a_label_without_a_training_record_is_refused() -> None:
    states = np.ones((2, 3), np.float32)
    with pytest.raises(DataError, match="no training record has the label c"):
        probe_weights((states, states), (["a", "b"], ["a", "b"]), ["a", "b", "c"])


@pytest.fixture
def made(lake, environment, tmp_path: Path) -> tuple[Any, ...]:
    attributes = attributes_for(save_tiny_model(tmp_path / "model"), "classification")
    attributes["training"] = {"method": "linear_probe"}  # the recipe chooses the rest
    use_case = NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))
    splits = usable_splits(lake, use_case, rows_for("classification"), splits_schema(use_case))
    return lake, environment, use_case, splits


@pytest.mark.integration
def test_a_checkpoint_of_a_probe_leaves_the_base_model_as_it_is(made: tuple[Any, ...]) -> None:
    lake, environment, use_case, splits = made
    trained = checkpoint_for(lake, environment, use_case, splits, LOG)
    assert trained.metrics["steps"] == 0 and trained.metrics["validation_loss"] < 0.7 < np.log(3)
    told = json.loads(lake.read_file(trained.checkpoint, "training.json"))
    assert "Linear probe of" in training_sentence(told)
    from safetensors.torch import load

    adapter = load(lake.read_file(trained.checkpoint, "adapter_model.safetensors"))
    assert all(not bool(one.any()) for name, one in adapter.items() if ".lora_B." in name)
    prepared = prepare(lake, environment, use_case, splits)
    model, _ = base_model.load(base_model.resolve_here(use_case.settings.base_model, environment), "float32", "none")
    side = prepared.sides["train"]
    states = prompt_states(model, [row.input_ids[: row.prompt_length] for row in side.rows])
    head = load(lake.read_file(trained.checkpoint, "label_head.safetensors"))["weight"]
    labels = told["labels"]
    said = [labels[number] for number in (torch.from_numpy(states) @ head.T).argmax(1).tolist()]
    assert np.mean([a == b for a, b in zip(said, side.answers, strict=True)]) > 0.9


@pytest.mark.parametrize("method", REGRESSIONS)
@pytest.mark.parametrize(
    ("training", "others", "problem"),
    [
        ({"label_smoothing": 0.1}, {}, "label_smoothing` does not work with"),
        ({"continue_from": "newest"}, {}, "continue_from` does not work with"),
        ({"dora": True}, {}, "dora` needs"),
        ({"recipe": "manual", "objective": "sft"}, {}, "needs `training.objective: label_head`"),
        ({}, {"evaluation": {"label_answers": "generated"}}, "needs `evaluation.label_answers: scored`"),
        (
            {"differential_privacy": {"target_epsilon": 8}},
            {},
            "differential_privacy` needs `training.method: lora`",
        ),
        ({}, {"seed_variation": {"seeds": 3}}, "`seed_variation.seeds` above 1: nothing is drawn"),
        ({}, {"gate": {"max_exposure_bits": 2.0}}, "does not work with `gate.max_exposure_bits`"),
        (
            {},
            {"serving": {"targets": {"gpu": {"kind": "vllm", "url": "http://127.0.0.1:8001", "folder": "/srv"}}}},
            "cannot serve",
        ),
    ],
)
def test_what_a_regression_does_not_do_is_refused(
    method: str, training: dict[str, Any], others: dict[str, Any], problem: str
) -> None:
    attributes = minimal_attributes("file:///none.csv") | others
    with pytest.raises(ValueError, match=problem):
        UseCase.model_validate(attributes | {"training": {"method": method, **training}})


@pytest.mark.parametrize("method", REGRESSIONS)
@pytest.mark.parametrize("recipe", ["auto", "manual"])
def test_the_method_alone_is_enough(method: str, recipe: str) -> None:
    attributes = minimal_attributes("file:///none.csv") | {"training": {"method": method, "recipe": recipe}}
    assert UseCase.model_validate(attributes).training.objective == "label_head"


@pytest.mark.integration
def test_a_probe_can_be_estimated_and_is_no_matter_for_experiments_with_steps(
    made: tuple[Any, ...], tmp_path: Path
) -> None:
    prepared = prepare(*made)
    found = estimate(prepared, prepared.training, ComputeProfile(), seconds=0.0, setup=(0.0, 0.0))
    read = sum(len(row.ids) for row in [*prepared.rows, *prepared.validation])
    assert found["seconds"] > 0 and found["validation_tokens"] > read and not found["few_steps"]
    with pytest.raises(ConfigError, match="learning_curve is about the steps of a training"):
        trainings_for_curve(*made, tmp_path / "results.jsonl", LOG)
    with pytest.raises(ConfigError, match="hyperparameter_search is about the steps of a training"):
        make_trials(*made, tmp_path, LOG)
    with pytest.raises(ConfigError, match="canary_audit is about the steps of a training"):
        canary_audit.measured(*made)
