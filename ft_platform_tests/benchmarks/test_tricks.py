"""Tricks of the recipe benchmark do what they say, on a tiny model."""

import json
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch

from benchmarks import tricks_private, tricks_repeated, tricks_with_texts
from benchmarks.recipe_tasks.__main__ import COMMITTED
from benchmarks.recipe_tasks.tasks import TASKS
from benchmarks.tricks import as_it_is
from benchmarks.tricks_repeated import averaged, half_soft, learned_from, three_seeds
from benchmarks.tricks_with_texts import DESCRIPTIONS, INSTRUCTIONS, at_descriptions, replayed
from ft_platform.evaluation.suites import choice_items, instruction_items
from ft_platform.models.kernels.packed_forward import packed_forward
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.settings.training import Training
from ft_platform.training.batches import labelled_prompts, split_off_prefix
from ft_platform.training.head_start import at_label_tokens
from ft_platform.training.lora import trainable, with_trainable_weights
from ft_platform.training.objectives import AnswerLoss, LabelLoss
from ft_platform.training.prepared import Prepared
from ft_platform.training.recipe import Recipe
from ft_platform.use_case.schema import Task
from ft_platform_tests.tiny_models import split_rows, tiny_model, tiny_tokenizer
from ft_platform_tests.training.losses import validation_loss

LABELS = ["card", "loan"]


def prepared(**changes: Any) -> Prepared:
    """Two steps on tiny records; with `objective: label_head` for labels, else for written answers."""
    settings = {"rank": 2, "batch_rows": 8, "max_steps": 2, "learning_rate": 5e-3, "label_smoothing": 0.0}
    training = Training(**{**settings, **changes})
    head = training.objective == "label_head"
    task = Task(kind="classification", instruction="One of: {labels}.")
    renderer = Renderer(tiny_tokenizer(), task, LABELS)
    sides, found = {}, split_rows(40)
    prefix = renderer.prefix_ids()
    for side in ("train", "validation"):
        rows = [row for row in found if row["split"] == side]
        rendered, answers = [renderer.example(r["messages"], r["label"]) for r in rows], [r["label"] for r in rows]
        cut = labelled_prompts(rendered, answers, LABELS, prefix) if head else split_off_prefix(rendered, prefix)
        sides[side] = cut
    model = with_trainable_weights(tiny_model(), training, len(LABELS), torch.zeros(2, 48))
    objective = (
        LabelLoss(packed_forward, prefix, training.label_smoothing) if head else AnswerLoss(packed_forward, prefix)
    )
    nothing, recipe = cast(Any, None), Recipe(training, {})
    rows, validation = sides["train"], sides["validation"]
    return Prepared(model, objective, rows, validation, {}, renderer, nothing, "packed", "", "float32", recipe)


def silent(step: int, values: dict[str, float]) -> None:
    pass


def scores(one: Prepared) -> torch.Tensor:
    one.model.eval()
    with torch.no_grad():
        return one.objective.scores(one.model, one.validation)


def test_the_mean_of_three_seeds_updates_weights_by_the_mean_of_their_updates():
    one = prepared(objective="label_head")
    _, others = three_seeds(one, silent)
    found = scores(one)
    updates: list[dict[str, torch.Tensor]] = []
    for use in others["alone"]:
        use()
        weights = {name: weight.detach().clone() for name, weight in trainable(one.model).items()}
        updates.append(
            {
                name: weights[name.replace("lora_A", "lora_B")] @ weight if "lora_A" in name else weight
                for name, weight in weights.items()
                if "lora_B" not in name
            }
        )
    means = {name: torch.stack([update[name] for update in updates]).mean(0) for name in updates[0]}
    joined = averaged([{n: w.detach() for n, w in trainable(one.model).items()}] * 3)
    assert all(w.shape[0] == 6 for n, w in joined.items() if "lora_A" in n)
    plain = prepared(objective="label_head")
    with torch.no_grad():
        for name, module in plain.model.named_modules():
            if hasattr(module, "lora_A"):
                update = means[f"{name}.lora_A.default.weight"] * module.scaling["default"]
                assert update.abs().max() > 1e-4
                module.base_layer.weight += update
        head = next(name for name in means if "lora_A" not in name)
        trainable(plain.model)[head].copy_(means[head])
    assert torch.allclose(found, scores(plain), atol=1e-5)


def test_the_seeds_start_apart_and_the_first_is_the_platforms_own_training():
    one, own = prepared(objective="label_head"), prepared(objective="label_head")
    _, others = three_seeds(one, silent)
    as_it_is(own, silent)
    alone = []
    for use in others["alone"]:
        use()
        alone.append({name: weight.detach().clone() for name, weight in trainable(one.model).items()})
    assert all(torch.equal(alone[0][name], weight) for name, weight in trainable(own.model).items())
    for name in (name for name in alone[0] if "lora_A" in name):
        assert not torch.allclose(alone[0][name], alone[1][name]), name
        assert not torch.allclose(alone[1][name], alone[2][name]), name


def test_the_ensemble_is_the_mean_of_the_log_probabilities():
    one = prepared(objective="label_head")
    _, others = three_seeds(one, silent)
    alone = []
    for use in others["alone"]:
        use()
        alone.append(torch.log_softmax(scores(one), 1))
    others["ensemble"][0]()
    assert torch.allclose(scores(one), torch.stack(alone).mean(0), atol=1e-6)
    assert not torch.allclose(alone[0], alone[1])


def test_soft_labels_sum_to_one_and_half_of_them_is_the_label():
    found = half_soft(torch.randn(50, 7) * 4, torch.arange(50) % 7)
    assert torch.allclose(found.sum(1), torch.ones(50))
    assert (found[range(50), torch.arange(50) % 7] >= 0.5).all()


def test_soft_rows_learn_their_probabilities_and_others_their_label():
    one = prepared(objective="label_head", label_smoothing=0.1)
    truth = [row.targets[0] for row in one.validation]
    soft = tricks_repeated.SoftLabels(packed_forward, one.objective.prefix, 0.1)
    hard = [
        tricks_repeated.SoftRow(row.ids, row.targets, row.places, soft=torch.nn.functional.one_hot(t, 2).float())
        for row, t in zip(one.validation, torch.tensor(truth), strict=True)
    ]
    other = [replace(row, soft=torch.tensor([0.5, 0.5])) for row in hard]
    expected = float(one.objective.loss(one.model, one.validation))
    assert float(soft.loss(one.model, hard)) == pytest.approx(expected, rel=1e-5)
    assert float(soft.loss(one.model, one.validation)) == pytest.approx(expected, rel=1e-5)
    as_it_is(one, silent)
    assert float(soft.loss(one.model, hard)) != pytest.approx(float(soft.loss(one.model, other)), rel=1e-3)


def test_a_further_training_starts_where_the_first_did_with_labels_that_are_half_soft():
    one, plain = prepared(objective="label_head"), prepared(objective="label_head")
    points: list[int] = []
    learned_from(1)(one, lambda step, values: points.append(step))
    as_it_is(plain, silent)
    assert points == [0, 1, 2], "the first training is not told"
    assert all(0.5 <= row.soft.max() < 1 for row in one.rows)
    assert not torch.allclose(scores(one), scores(plain)), "it learned other labels"


def test_a_head_at_descriptions_starts_at_their_tokens(monkeypatch):
    monkeypatch.setattr(tricks_with_texts, "DESCRIBED", [{"labels": {"card": "plastic", "loan": "money lent"}}])
    seen: list[torch.Tensor] = []
    one = prepared(objective="label_head", label_head_scale=0.5)

    def told(step: int, values: dict[str, float]) -> None:
        seen.append(one.model.get_output_embeddings().weight.detach().clone())

    at_descriptions(typical=False)(one, told)
    words = one.model.get_input_embeddings().weight
    expected = at_label_tokens(words, [one.renderer.text.content(text) for text in ("plastic", "money lent")])
    assert torch.allclose(seen[0], expected * 0.5)


def test_every_label_of_a_described_task_has_its_own_description():
    labels = {one["name"]: one["labels"] for one in json.loads(COMMITTED.read_text())}
    for task, described in DESCRIPTIONS.items():
        assert set(described) >= set(TASKS[task].only.split(",")) - {""}, task
        assert len(set(described.values())) == len(described) >= labels[task], task
        assert not TASKS[task].held_out


def test_a_tenth_of_the_rows_are_answers_of_the_base_model_and_the_others_learn_as_before(monkeypatch):
    monkeypatch.setattr(tricks_with_texts, "ANSWER_TOKENS", 5)
    one, before = prepared(), prepared()
    replayed(one, silent)
    assert len(before.rows) == 30 and len(one.rows) == 33
    assert len(one.objective.prefix) < len(before.objective.prefix)
    same = validation_loss(before.model, before.objective, before.validation, before.training)
    again = prepared().model
    assert validation_loss(again, one.objective, one.validation, one.training) == pytest.approx(same, rel=1e-5)
    for number, row in enumerate(one.rows[30:]):
        ids = [*one.objective.prefix, *row.ids]
        first = len(ids) - len(row.targets)
        assert one.renderer.text.decoded(ids[:first]).count(INSTRUCTIONS[number]) == 1
        with torch.no_grad():
            logits = before.model(torch.tensor([ids])).logits[0]
        likeliest = logits.argmax(-1).tolist()[first - 1 : -1]
        written = likeliest if len(row.targets) == 5 else likeliest[: len(row.targets)]
        assert row.targets == ids[first:] == written, "greedy"
        assert [row.ids[place + 1] for place in row.places] == row.targets


def test_no_general_instruction_is_asked_by_a_suite():
    asked = {item.instruction for item in instruction_items()} | {item.question for item in choice_items()}
    assert len(set(INSTRUCTIONS)) == len(INSTRUCTIONS) == 30
    assert not asked & set(INSTRUCTIONS)


def test_what_cheap_systems_say_of_a_record_does_not_depend_on_its_label() -> None:
    texts = [f"{'card' if n % 2 else 'loan'} number {n}" for n in range(40)]
    states, truth = np.random.default_rng(0).normal(size=(40, 8)), np.arange(40) % 2
    said = tricks_private.out_of_fold(texts, states, truth, 3)
    assert said.sum(axis=1) == pytest.approx(1) and (said[:, 2] == 0).all()
    assert (said[:, :2].argmax(axis=1) == truth).mean() > 0.8
    other = truth.copy()
    other[7] = 0
    assert tricks_private.out_of_fold(texts, states, other, 3)[7] == pytest.approx(said[7])
