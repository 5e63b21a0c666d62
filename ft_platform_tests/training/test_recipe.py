"""`training.recipe: auto`: what is not set is chosen, what is set stays, and every choice has a reason."""

import json
import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ft_platform.errors import Preempted
from ft_platform.experiments.training_once import with_training
from ft_platform.publishing.training import checkpoint_for
from ft_platform.settings.hash import settings_hash
from ft_platform.settings.training import Training
from ft_platform.training import loop
from ft_platform.training.batches import Row
from ft_platform.training.head_start import _best_ridge, _Sums, balanced
from ft_platform.training.loop import _Loop, planned_steps
from ft_platform.training.lora import trainable
from ft_platform.training.prepare import fit, prepare
from ft_platform.training.recipe import Facts, few_steps, recipe_for
from ft_platform.training.reproduce import reproduce
from ft_platform.training.run import TrainingRun
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits, use_case_for
from ft_platform_tests.training.losses import validation_loss
from ft_platform_tests.training.test_methods import preference_case, preference_rows
from ft_platform_tests.training.test_state import StopAfter


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


LOG = logging.getLogger("test")
FACTS = Facts(rows=300, validation=40, weights=135_000_000)


def case(**sections) -> UseCase:
    return UseCase.model_validate({**minimal_attributes("unused.csv"), "training": {}, **sections})


GENERATION = {"task": {"kind": "generation"}, "record": {"text": "text", "answer": "answer", "consent": "consent"}}
PAIRS = {"task": {"kind": "generation"}, "record": {"chat_format": "preference", "consent": "consent"}}


@pytest.mark.parametrize(
    ("sections", "objective"),
    [
        ({}, "label_head"),
        ({**GENERATION, "fairness": {}}, "sft"),
        ({**PAIRS, "fairness": {}}, "dpo"),
        ({"training": {"method": "full"}}, "sft"),
        ({"evaluation": {"label_answers": "generated"}}, "sft"),
        ({"training": {"objective": "sft"}}, "sft"),
        ({"training": {"recipe": "manual"}}, "sft"),
    ],
)
def test_the_objective_follows_the_task_unless_it_is_set(sections, objective):
    assert case(**sections).training.objective == objective


def test_what_is_set_wins_and_everything_chosen_has_a_reason():
    found = recipe_for(case(training={"epochs": 2.0, "batch_rows": 16, "learning_rate": 5e-4}), FACTS)
    chosen = {name: value for name, (value, _) in found.chosen.items()}
    assert not {"epochs", "batch_rows", "learning_rate"} & chosen.keys()
    assert (found.training.epochs, found.training.batch_rows, found.training.learning_rate) == (2.0, 16, 5e-4)
    assert {"label_head_start", "keep", "objective", "max_length"} <= chosen.keys()
    assert all(why for _, why in found.chosen.values())
    assert all(getattr(found.training, name) == value for name, value in chosen.items())
    said = found.to_dict()
    assert said["epochs"] == {"value": 2.0, "why": "set, or the default", "chosen": False}
    assert said.keys() == Training.model_fields.keys() - {"recipe"}


def test_a_manual_recipe_is_what_it_was():
    assert settings_hash({"t": Training(recipe="manual")}) == "cf1f89f7278c2a0b"  # of 0.2.0
    manual = Training(recipe="manual", epochs=3.0)
    assert recipe_for(case(training={"recipe": "manual"}), FACTS).chosen == {}
    assert settings_hash({"training": manual}) != settings_hash({"training": Training(epochs=3.0)})
    further = manual.model_copy(update={"keep": "best_metric"})
    assert settings_hash({"training": manual}) != settings_hash({"training": further})


def test_a_training_with_less_than_half_of_the_recipe_s_steps_is_told():
    manual = Training(recipe="manual", objective="label_head")
    assert few_steps(96, 540, manual) == "96 steps are few for 540 records: `training.recipe: auto` makes 272"
    assert few_steps(136, 540, manual) == "" != few_steps(135, 540, manual)
    assert few_steps(1, 540, Training(differential_privacy={"target_epsilon": 8})) == ""
    chosen = recipe_for(case(), FACTS).training
    assert not few_steps(planned_steps(FACTS.rows, chosen)[0], FACTS.rows, chosen)


def test_a_dump_says_what_is_set_and_reads_back_the_same():
    settings = case(training={"epochs": 2.0})
    again = UseCase.model_validate(json.loads(settings.model_dump_json()))
    assert settings.model_dump()["training"] == {"recipe": "auto", "epochs": 2.0}
    assert again.training == settings.training and again.training.objective == "label_head"
    assert recipe_for(again, FACTS) == recipe_for(settings, FACTS)


def test_a_resolved_recipe_stays_what_it_is():
    found = recipe_for(case(), FACTS).training
    again = Training.model_validate(json.loads(found.model_dump_json()))
    assert again == found and recipe_for(case(training=again.model_dump()), FACTS).chosen == {}


def test_another_value_in_an_experiment_leaves_the_rest_to_the_recipe():
    named = NamedUseCase(name="complaints", settings=case(training={"epochs": 2.0}))
    changed = with_training(named, seed=5, learning_rate=1e-3)
    found = recipe_for(changed.settings, FACTS)
    assert (found.training.seed, found.training.learning_rate, found.training.epochs) == (5, 1e-3, 2.0)
    assert found.training.objective == "label_head" and "batch_rows" in found.chosen


def test_larger_models_learn_at_a_lower_rate_and_pairs_at_a_tenth():
    rates = [
        recipe_for(case(), Facts(300, 40, weights)).training.learning_rate
        for weights in (135_000_000, 7_000_000_000, 70_000_000_000)
    ]
    assert rates[0] > rates[1] > rates[2]
    answers, pairs = (recipe_for(case(**one, fairness={}), FACTS).training for one in (GENERATION, PAIRS))
    assert pairs.learning_rate == pytest.approx(answers.learning_rate / 10)


@pytest.mark.parametrize("rows", [30, 300, 3_000, 300_000])
def test_a_small_set_has_steps_enough_and_a_large_one_not_too_many(rows):
    found = recipe_for(case(), Facts(rows, 40, 135_000_000)).training
    per_epoch = math.ceil(rows / found.batch_rows)
    assert found.epochs >= 2 and per_epoch * found.epochs >= min(16, rows)
    assert per_epoch * found.epochs <= max(600, rows * 2 / 16)


def test_a_head_does_not_start_at_records_where_training_is_private():
    private = {"differential_privacy": {"target_epsilon": 8.0}}
    found = recipe_for(case(training=private), FACTS).training
    assert found.label_head_start == "random" and found.objective == "label_head"
    with pytest.raises(ValueError, match="linear_probe"):
        case(training={**private, "label_head_start": "linear_probe"})


@pytest.mark.parametrize("field", [{"label_smoothing": 0.1}, {"label_head_start": "linear_probe"}])
def test_settings_of_a_head_need_one(field):
    with pytest.raises(ValueError, match=r"needs `training\.objective: label_head`"):
        case(training={"recipe": "manual", **field})


def states_of(rows: int, labels: int, noise: float, seed: int = 0):
    """States around the mean of their label, far from zero as those of a language model are."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(labels, 24, generator=generator)
    truth = torch.arange(rows) % labels
    states = centres[truth] + noise * torch.randn(rows, 24, generator=generator) + 5.0
    return states.double(), [Row([1], [int(label)], [0]) for label in truth]


def test_the_start_is_a_ridge_regression_on_the_records():
    states, rows = states_of(90, 3, 0.5)
    total = _Sums(24, 3)
    for start in range(0, 90, 20):
        total.add(states[start : start + 20], rows[start : start + 20])
    known = torch.nn.functional.one_hot(torch.tensor([row.targets[0] for row in rows]), 3).double()
    variance = float(states.square().mean() - states.mean(0).square().mean())
    design = np.vstack([states.numpy(), np.sqrt(90 * variance * 0.1) * np.eye(24)])
    expected = np.linalg.lstsq(design, np.vstack([known.numpy(), np.zeros((24, 3))]), rcond=None)[0]
    np.testing.assert_allclose(total.ridge(0.1).numpy(), expected.T, atol=1e-8)
    others, few = total.without(states[::3], rows[::3]), _Sums(24, 3)
    few.add(states[[n for n in range(90) if n % 3]], [row for n, row in enumerate(rows) if n % 3])
    torch.testing.assert_close(others.ridge(1.0), few.ridge(1.0))


def test_a_rare_label_counts_as_much_as_a_frequent_one():
    rows = [Row([1], [label], [0], weight) for label, weight in [(0, 1.0)] * 8 + [(1, 1.0), (1, 3.0)]]
    weights = [row.weight for row in balanced(rows)]
    assert sum(weights[:8]) == pytest.approx(sum(weights[8:])) and sum(weights) == pytest.approx(12)
    assert weights[9] == pytest.approx(3 * weights[8])


def test_the_start_tells_new_records_apart_and_claims_nothing_of_labels_drawn_at_random():
    states, rows = states_of(200, 4, 0.8)
    total = _Sums(24, 4)
    total.add(states[:120], rows[:120])
    scores = states[120:] @ _best_ridge(total, states[:120], rows[:120], 0.0).T
    truth = torch.tensor([row.targets[0] for row in rows[120:]])
    assert (scores.argmax(1) == truth).double().mean() > 0.9
    shuffled = [rows[place] for place in torch.randperm(120, generator=torch.Generator().manual_seed(1))]
    total = _Sums(24, 4)
    total.add(states[:120], shuffled)
    weights = _best_ridge(total, states[:120], shuffled, 0.0)
    loss = torch.nn.functional.cross_entropy(states[120:] @ weights.T, truth)
    assert float(loss) == pytest.approx(math.log(4), abs=0.15)


def loop_with(losses: list[float], metrics: list[float], records: int, keep: str = "best_metric"):
    """The step whose weights are kept, of a course that is planted."""
    loop = object.__new__(_Loop)
    loop.training = Training(recipe="manual", keep=keep)
    loop.objective = type("Planted", (), {"metric": "validation_macro_f1", "spread": 1.0})()
    loop.validation, loop.run, loop.weights = [None] * records, TrainingRun(len(losses)), {}
    for step, (loss, value) in enumerate(zip(losses, metrics, strict=True), 1):
        loop.run.step = step
        point = {"step": step, "validation_loss": loss, "validation_macro_f1": value}
        if loop._is_best(point):
            loop._keep(point)
            loop.run.best = {"weight": torch.zeros(1)}
        loop.run.curve.append(point)
    return loop.run.best_step


def test_the_latest_weights_are_kept_that_records_cannot_tell_from_the_best():
    rising = [0.5, 0.7, 0.9]
    assert loop_with([0.5, 0.6, 0.7], rising, 400) == 3
    assert loop_with([0.5, 0.6, 0.7], rising, 400, "lowest_loss") == 1
    # 20 records cannot tell these apart: the latest have learned most.
    assert loop_with([0.5, 0.4, 0.45], [0.7, 0.85, 0.80], 20) == 3
    assert loop_with([0.5, 0.4, 0.45], [0.7, 0.85, 0.80], 2000) == 2
    # A loss that has clearly risen, without better answers, is learning by heart.
    assert loop_with([0.5, 0.4, 0.9], [0.7, 0.85, 0.85], 20) == 2
    # A lower loss with clearly worse answers is not kept.
    assert loop_with([0.5, 0.1], [0.9, 0.5], 200) == 1


@pytest.mark.integration
def test_a_head_that_starts_at_the_records_is_ahead_before_the_first_step(lake, environment, model):
    found = {}
    for start in ("random", "linear_probe"):
        use_case = use_case_for(model, objective="label_head", label_head_start=start, max_steps=2)
        prepared = prepare(lake, environment, use_case, usable_splits(lake, use_case))
        found[start] = fit(prepared, prepared.training).metrics()
    assert found["linear_probe"]["validation_loss_before"] < 0.8 * found["random"]["validation_loss_before"]
    assert found["linear_probe"]["validation_macro_f1_before"] > 0.9


@pytest.mark.integration
def test_what_was_learned_counts_less_where_validation_records_say_so(lake, environment, model):
    found, weights = {}, {}
    for mixed in (False, True):
        use_case = use_case_for(model, learning_rate=0.05, max_steps=6, schedule="constant", mix_with_start=mixed)
        prepared = prepare(lake, environment, use_case, usable_splits(lake, use_case))
        found[mixed] = fit(prepared, prepared.training)
        weights[mixed] = {name: p.detach().clone() for name, p in trainable(prepared.model).items()}
    assert found[False].best_step == found[True].best_step and found[True].share < 1
    measured = validation_loss(prepared.model, prepared.objective, prepared.validation, prepared.training)
    assert found[True].metrics()["validation_loss"] == measured
    assert measured < found[False].metrics()["validation_loss"]
    assert found[True].metrics()["share_of_what_was_learned"] == found[True].share
    scale = next(name for name in weights[True] if "lora_B" in name)
    assert torch.allclose(weights[True][scale], found[True].share * weights[False][scale])


@pytest.mark.integration
def test_written_answers_are_measured_while_the_model_learns(lake, environment, model):
    use_case = preference_case(model, recipe="auto", objective="sft", max_steps=2)
    rows = preference_rows()
    prepared = prepare(lake, environment, use_case, usable_splits(lake, use_case, rows))
    found = fit(prepared, prepared.training)
    assert all(0 <= point["validation_chrf"] <= 1 for point in found.curve if "validation_loss" in point)
    assert "validation_chrf" in found.metrics()


@pytest.mark.integration
def test_a_chosen_recipe_goes_on_after_a_stop_and_is_reproduced_bit_for_bit(lake, environment, model, monkeypatch):
    use_case = use_case_for(model, recipe="auto", rank=4, max_steps=6)
    splits = usable_splits(lake, use_case)
    train = loop.train
    for step in (2, 4):
        stopping = StopAfter(step)
        monkeypatch.setattr(loop, "train", lambda *a, limit, **k: train(*a, limit=stopping, **k))  # noqa: B023
        with pytest.raises(Preempted):
            checkpoint_for(lake, environment, use_case, splits, LOG)
    monkeypatch.setattr(loop, "train", train)
    checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    told = json.loads(lake.read_file(checkpoint, "training.json"))
    assert [one["from_step"] for one in told["attempts"]] == [0, 2, 4] and told["recipe"]["keep"]["chosen"]
    assert told["training"]["recipe"] == "manual" and told["training"]["objective"] == "label_head"
    assert reproduce(lake, environment, use_case, checkpoint)["identical"]


def test_what_the_recipe_may_choose_is_no_present_value_of_a_search():
    assert Training(epochs=2.0).leaves_open(["epochs", "rank"]) and not Training(epochs=2.0).leaves_open(["epochs"])
    assert not Training(recipe="manual").leaves_open(["epochs", "rank"])


def test_a_head_that_continues_starts_where_it_ended_and_only_then():
    continued = Facts(300, 40, 135_000_000, continues=True)
    for settings in (case(), case(training={"recipe": "manual", **HEAD_AT_A_PROBE})):
        assert recipe_for(settings, continued).training.label_head_start == "random"
    # An experiment starts from the base model, whatever the checkpoint continued from.
    named = case(training={"continue_from": "newest"})
    assert recipe_for(named, FACTS).training.label_head_start == "linear_probe"


HEAD_AT_A_PROBE = {"objective": "label_head", "label_head_start": "linear_probe"}


@pytest.mark.parametrize("rows", [1, 2, 4, 30])
@pytest.mark.parametrize("alike", [False, True])
def test_a_few_records_or_prompts_that_are_all_alike_have_a_start_too(rows, alike):
    states, known = states_of(rows, 2, 0.1)
    states = torch.ones(rows, 24).double() if alike else states
    total = _Sums(24, 2)
    total.add(states, known)
    assert torch.isfinite(_best_ridge(total, states, known, 0.1)).all()


def test_of_a_private_training_nothing_is_chosen_by_validation_records():
    found = recipe_for(case(training={"differential_privacy": {"target_epsilon": 8.0}}), FACTS)
    assert not {"keep", "mix_with_start", "label_head_start"} & found.chosen.keys()
