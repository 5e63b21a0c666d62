"""`training.recipe: auto`: what is not set is chosen, what is set stays, and every choice has a reason."""

import json
import logging
import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from ft_platform.errors import ConfigError, Preempted
from ft_platform.models.label_head import head_of
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.training import loop
from ft_platform.training.experiments.training_once import with_training
from ft_platform.training.head_start import at_typical_tokens
from ft_platform.training.loop import _Loop, planned_steps
from ft_platform.training.prepare import fit, prepare
from ft_platform.training.recipe import Facts, few_steps, recipe_for
from ft_platform.training.reproduce import reproduce
from ft_platform.training.run import TrainingRun
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.hash import settings_hash
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits, use_case_for
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


@pytest.mark.parametrize(
    "field",
    [
        {"label_smoothing": 0.1},
        {"label_head_start": "label_tokens"},
        {"label_head_scale": 0.5},
        {"label_descriptions": {"loan": "Money for a house."}},
    ],
)
def test_settings_of_a_head_need_one(field):
    with pytest.raises(ValueError, match=r"needs `training\.objective: label_head`"):
        case(training={"recipe": "manual", **field})


def test_a_head_that_starts_at_random_has_no_use_for_descriptions():
    described = {"objective": "label_head", "recipe": "manual", "label_descriptions": {"loan": "Money for a house."}}
    with pytest.raises(ValueError, match=r"needs `training\.label_head_start` other than `random`"):
        case(training=described)
    assert case(training={**described, "recipe": "auto"}).training.label_descriptions
    plain, told = (Training(**one).hashed() for one in ({}, {"label_descriptions": {"loan": "Money."}}))
    assert "label_descriptions" not in plain and told["label_descriptions"] == {"loan": "Money."}


@pytest.mark.integration
def test_a_head_starts_at_what_is_said_of_a_label(lake, environment, model):
    def start(**described):
        use_case = use_case_for(model, recipe="auto", rank=4, max_steps=1, label_descriptions=described)
        prepared = prepare(lake, environment, use_case, usable_splits(lake, use_case))
        head = head_of(prepared.model)
        return head.weight.detach().clone()

    plain, own, other = start(), start(loan="loan"), start(loan="Money for a house.")
    assert torch.equal(plain, own) and not torch.allclose(plain, other)
    with pytest.raises(ConfigError, match="no record has the label lone"):
        start(lone="Money for a house.")


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


def test_the_earliest_weights_are_kept_that_records_cannot_tell_from_better_ones():
    rising = [0.5, 0.7, 0.9]
    assert loop_with([0.5, 0.6, 0.7], rising, 400) == 3, "clearly better answers, whatever their loss"
    assert loop_with([0.5, 0.6, 0.7], rising, 400, "lowest_loss") == 1
    assert loop_with([0.5, 0.48, 0.48], [0.8, 0.82, 0.82], 40) == 1, "40 records cannot tell these apart"
    assert loop_with([0.5, 0.45, 0.45], [0.8, 0.83, 0.84], 2000) == 3
    assert loop_with([0.5, 0.49, 0.48], [0.80, 0.82, 0.84], 60) == 3, "small steps add up"
    assert loop_with([2.0, 1.6, 1.55], [0.6, 0.6, 0.6], 100) == 2, "a clearly lower loss counts without better answers"
    assert loop_with([0.5, 0.1], [0.9, 0.5], 200) == 1, "but not with clearly worse ones"


def test_of_few_validation_records_the_latest_weights_are_kept_that_are_not_clearly_worse():
    assert loop_with([0.5, 0.4, 0.45], [0.7, 0.85, 0.80], 20) == 3
    assert loop_with([0.5, 0.4, 0.9], [0.7, 0.85, 0.85], 20) == 2, "a loss that has clearly risen is learning by heart"
    assert loop_with([0.5, 0.1], [0.9, 0.5], 20) == 1


@pytest.mark.integration
@pytest.mark.parametrize("private", [False, True])
def test_a_head_starts_at_words_of_texts_only_where_records_may_be_looked_at(lake, environment, model, private):
    noise = {"differential_privacy": {"target_epsilon": 8.0}} if private else {}
    use_case = use_case_for(model, recipe="auto", rank=4, max_steps=2, **noise)
    prepared = prepare(lake, environment, use_case, usable_splits(lake, use_case))
    head, words = head_of(prepared.model), AutoModelForCausalLM.from_pretrained(model).get_output_embeddings().weight
    expected = torch.stack([words[prepared.renderer.text.content(label)].mean(0) for label in prepared.renderer.labels])
    expected -= expected.mean(0)
    assert prepared.training.label_head_scale == 1.0, "few records need all of the start"
    assert len(expected) > 1 and torch.allclose(head.weight, expected) is private
    assert head.weight.requires_grad and head.weight.norm(dim=1).min() > 0
    if not private:
        side, start = prepared.sides["train"], len(prepared.objective.prefix)
        texts = [row.input_ids[start : row.prompt_length] for row in side.rows]
        answers = [prepared.renderer.labels.index(answer) for answer in side.answers]
        labels = [prepared.renderer.text.content(label) for label in prepared.renderer.labels]
        assert torch.allclose(head.weight, at_typical_tokens(words, labels, texts, answers))


@pytest.mark.parametrize(
    ("rows", "scale"), [(0, 1.0), (1, 1.0), (100, 1.0), (200, 0.5), (400, 0.25), (1_000_000, 0.25)]
)
def test_the_more_records_the_smaller_the_start_of_a_head(rows, scale):
    assert recipe_for(case(), Facts(rows, 40, 135_000_000)).training.label_head_scale == scale
    assert recipe_for(case(training={"label_head_scale": 0.7}), Facts(rows, 40, 1)).training.label_head_scale == 0.7


@pytest.mark.parametrize("recipe", ["auto", "manual"])
def test_records_are_not_looked_at_without_noise(recipe):
    settings = {"objective": "label_head", "label_head_start": "typical_tokens", "recipe": recipe}
    with pytest.raises(ValueError, match="typical_tokens` does not work with"):
        case(training={**settings, "differential_privacy": {"target_epsilon": 8.0}})


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
