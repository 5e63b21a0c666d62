"""The loop: exact accumulation, best adapter kept, early stop, typed failures, equal results from equal seeds."""

import math
from types import SimpleNamespace

import pytest
import torch

from ft_platform.errors import ConfigError, NanLoss, OutOfMemory
from ft_platform.models.kernels.packed_forward import packed_forward, padded_forward
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.process import progress
from ft_platform.training import loop
from ft_platform.training.batches import Row, split_off_prefix, training_order
from ft_platform.training.loop import planned_steps, train
from ft_platform.training.lora import add_adapter, learning_rate_factor, trainable
from ft_platform.training.objectives import AnswerLoss, summed_loss
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.tiny_models import split_rows, tiny_model, tiny_tokenizer
from ft_platform_tests.training.losses import validation_loss

FAST = {"learning_rate": 5e-3, "batch_rows": 8, "rank": 4, "epochs": 2}


def settings(**values) -> Training:
    return Training(**{**FAST, **values})


@pytest.fixture(scope="module")
def data() -> tuple[list[int], list[Row], list[Row]]:
    renderer = Renderer(
        tiny_tokenizer(), Task(kind="classification", instruction="One of: {labels}."), ["loan", "card"]
    )
    sides = {
        side: [renderer.example(r["messages"], r["label"]) for r in split_rows(40) if r["split"] == side]
        for side in ("train", "validation")
    }
    prefix = renderer.prefix_ids()
    return prefix, split_off_prefix(sides["train"], prefix), split_off_prefix(sides["validation"], prefix)


def run(data, training: Training, forward=packed_forward):
    model = add_adapter(tiny_model(), training)
    return model, train(model, AnswerLoss(forward, data[0]), *data[1:], training)


def test_training_lowers_the_validation_loss_and_leaves_the_best_adapter_in_the_model(data):
    training = settings()
    model, result = run(data, training)
    metrics = result.metrics()
    assert metrics["validation_loss"] < 0.6 * metrics["validation_loss_before"]
    prefix, _, validation = data
    assert validation_loss(model, AnswerLoss(packed_forward, prefix), validation, training) == pytest.approx(
        metrics["validation_loss"], rel=1e-5
    )


def test_only_adapter_weights_change(data):
    model = add_adapter(tiny_model(), settings())
    before = {n: p.detach().clone() for n, p in model.named_parameters() if not p.requires_grad}
    train(model, AnswerLoss(packed_forward, data[0]), *data[1:], settings(max_steps=3))
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters() if not p.requires_grad)
    assert all("lora_" in name and p.dtype == torch.float32 for name, p in trainable(model).items())


def test_equal_seeds_give_equal_weights_and_other_seeds_others(data):
    weights = [run(data, settings(seed=seed, max_steps=4))[1].best for seed in (1, 1, 2)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert any(not torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_micro_batches_give_the_gradient_of_the_whole_batch(data):
    whole = run(data, settings(micro_batch_tokens=100_000, max_steps=3))[1]
    parts = run(data, settings(micro_batch_tokens=150, max_steps=3))[1]
    assert [p["loss"] for p in parts.curve[1:]] == pytest.approx([p["loss"] for p in whole.curve[1:]], rel=1e-4)
    assert all(torch.allclose(parts.best[name], value, atol=1e-4) for name, value in whole.best.items())


def test_padded_rows_train_like_packed_ones(data):
    packed, padded = (run(data, settings(max_steps=3), forward)[1] for forward in (packed_forward, padded_forward))
    assert [p["loss"] for p in padded.curve[1:]] == pytest.approx([p["loss"] for p in packed.curve[1:]], rel=1e-4)


def test_the_loss_is_the_mean_over_answer_tokens_of_the_whole_batch(data):
    prefix, rows, _ = data
    model = tiny_model()
    with torch.no_grad():
        expected = []
        for row in rows[:5]:
            logits = model(input_ids=torch.tensor([[*prefix, *row.ids]])).logits[0].log_softmax(-1)
            expected += [
                -float(logits[len(prefix) + place, target])
                for place, target in zip(row.places, row.targets, strict=True)
            ]
            assert [row.ids[place + 1] for place in row.places] == row.targets
        assert float(summed_loss(model, packed_forward, prefix, rows[:5])) == pytest.approx(sum(expected), rel=1e-5)


def test_training_stops_when_the_validation_loss_gets_worse_and_keeps_the_best(data):
    prefix, rows, validation = data
    wrong = [Row(row.ids, [(target + 1) % 256 for target in row.targets], row.places) for row in validation]
    training = settings(epochs=20, patience=2, validations_per_epoch=1)
    model = add_adapter(tiny_model(), training)
    result = train(model, AnswerLoss(packed_forward, prefix), rows, wrong, training)
    losses = [p["validation_loss"] for p in result.curve if "validation_loss" in p][1:]
    assert result.stopped_early and result.curve[-1]["step"] < result.steps
    assert result.best_loss == min(losses) and losses[-1] > result.best_loss and losses[-2] > result.best_loss
    assert validation_loss(model, AnswerLoss(packed_forward, prefix), wrong, training) == pytest.approx(
        result.best_loss, rel=1e-5
    )


def broken(value: float, at_call: int):
    calls = []

    def forward(model, segments, prefix, keep):
        calls.append(1)
        return packed_forward(model, segments, prefix, keep) * (value if len(calls) == at_call else 1.0)

    return forward


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_a_number_ends_training_with_step_last_good_loss_and_next_step(data, value):
    # Call 1 is the validation before training, 2 to 4 are the first steps.
    with pytest.raises(
        NanLoss,
        match=(
            r"loss became nan at step 3 of 8; the last finite loss was [\d.]+ at step 2; nothing was published.*Lower"
            r" training.learning_rate \(now 0.005\)"
        ),
    ):
        run(data, settings(validations_per_epoch=1), broken(value, at_call=4))


def test_a_gradient_that_is_not_finite_ends_training_although_the_loss_is_fine(data):
    model = add_adapter(tiny_model(), settings())
    next(iter(trainable(model).values())).register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(NanLoss, match=r"gradient norm became (nan|inf) at step 1"):
        train(model, AnswerLoss(packed_forward, data[0]), *data[1:], settings())


def test_a_validation_loss_that_is_not_a_number_is_not_taken_for_the_best(data):
    with pytest.raises(NanLoss, match="validation loss became nan at step 0"):
        run(data, settings(), broken(math.nan, at_call=1))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 99"
            " bytes"
        ),
    ],
    ids=["python", "cuda", "cpu"],
)
def test_out_of_memory_names_the_setting_to_lower(data, error):
    def forward(*_):
        raise error

    with pytest.raises(OutOfMemory, match=r"micro_batch_tokens=2048.*Set training.micro_batch_tokens=1024"):
        run(data, settings(), forward)


def test_where_the_longest_records_go_alone_out_of_memory_names_the_length(data):
    def forward(*_):
        raise MemoryError

    with pytest.raises(
        OutOfMemory, match=r"long records go through the model alone.*Lower training.max_length \(now 512"
    ):
        run(data, settings(micro_batch_tokens=512), forward)


def test_memory_that_really_cannot_be_had_is_out_of_memory(data):
    with pytest.raises(OutOfMemory):
        run(data, settings(), lambda *_: torch.empty(2**50))


def test_other_errors_stay_what_they_are(data):
    def forward(*_):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        run(data, settings(), forward)


def test_modules_that_do_not_exist_are_a_config_error():
    with pytest.raises(ConfigError, match=r"training\.target_modules \['nope'\]"):
        add_adapter(tiny_model(), settings(target_modules=["nope"]))


def test_progress_tells_loss_rate_speed_memory_and_time_left(data):
    updates = []
    with progress.listening(updates.append):
        run(data, settings())
    steps = [u for u in updates if u.unit == "steps"]
    assert [u.done for u in steps] == list(range(1, 9)) and {u.total for u in steps} == {8}
    assert {"loss", "learning_rate", "tokens_per_second", "memory_gib", "seconds_left"} <= steps[0].fields.keys()
    assert "validation_loss" in steps[1].fields and steps[-1].fields["seconds_left"] == 0


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        # 10 steps, 2 of them warm-up (1/3, 2/3); then 8 steps from 1 towards 0.
        ("linear", [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        ("constant", [1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("cosine", [1 / 3, 2 / 3, *((1 + math.cos(math.pi * i / 8)) / 2 for i in range(8))]),
    ],
)
def test_the_learning_rate_follows_the_schedule(schedule, expected):
    training = settings(schedule=schedule, warmup_fraction=0.2)
    assert [learning_rate_factor(step, 10, training) for step in range(10)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("rows", "values", "expected"),
    [
        (100, {"batch_rows": 16, "epochs": 2}, (14, 4)),  # 7 steps per epoch
        (100, {"batch_rows": 16, "epochs": 0.5}, (4, 4)),
        (100, {"batch_rows": 16, "epochs": 2, "max_steps": 5}, (5, 4)),
        (3, {"batch_rows": 16, "epochs": 1, "validations_per_epoch": 10}, (1, 1)),
    ],
)
def test_steps_and_validations_follow_rows_and_settings(rows, values, expected):
    assert planned_steps(rows, Training(**values)) == expected


def test_every_epoch_takes_every_row_once_in_another_order():
    order = training_order(10, 4, seed=3)
    epochs = [[n for _ in range(3) for n in next(order)] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10)) and epochs[0] != epochs[1]


@pytest.mark.parametrize(
    "name", ["dropout", "weight_decay", "max_grad_norm", "alpha", "warmup_fraction", "batch_rows", "target_modules"]
)
def test_each_setting_changes_the_result(data, name):
    other = {
        "dropout": 0.3,
        "weight_decay": 0.5,
        "max_grad_norm": 0.01,
        "alpha": 8,
        "warmup_fraction": 0.5,
        "batch_rows": 4,
        "target_modules": ["q_proj"],
    }
    base, changed = (run(data, settings(max_steps=4, **more))[1] for more in ({}, {name: other[name]}))
    assert base.best_loss != changed.best_loss


def test_the_first_step_of_an_attempt_says_nothing_about_the_time_left():
    at = SimpleNamespace(
        run=SimpleNamespace(step=3),
        steps=6,
        step_seconds=[24.0, 6.0, 6.5],
        validation_seconds=2.0,
        validates_after=lambda step: step == 6,
    )
    assert loop._Loop.seconds_left(at) == 3 * 6.25 + 2.0
    at.step_seconds = [24.0]
    assert loop._Loop.seconds_left(at) == 3 * 24.0 + 2.0
