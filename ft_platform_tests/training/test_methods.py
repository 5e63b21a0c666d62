"""What can be trained and on what: LoRA and its variants, all weights, 4-bit weights, pairs of answers.."""

import logging
import math
from types import SimpleNamespace

import pytest
import torch

from ft_platform.errors import BaseModelError
from ft_platform.models.adapter import with_adapter
from ft_platform.models.guards.own_files import LABEL_HEAD
from ft_platform.models.kernels.packed_forward import packed_forward, padded_forward
from ft_platform.models.kernels.recomputation import recomputes
from ft_platform.models.label_head import head_scores, with_label_head
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.training.batches import Row
from ft_platform.training.loop import micro_batches
from ft_platform.training.lora import add_adapter, trainable
from ft_platform.training.memory_parts import memory_parts
from ft_platform.training.preferences import Pair, PreferenceLoss, summed_log_probabilities, with_reference
from ft_platform.training.prepare import fit, prepare
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import save_tiny_model, split_rows, tiny_model, usable_splits, use_case_for
from ft_platform_tests.training.losses import validation_loss

LOG = logging.getLogger("test")
FAST = {"learning_rate": 5e-3, "batch_rows": 8, "rank": 4, "max_steps": 6}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def reloaded_loss(lake, environment, use_case: NamedUseCase, splits, checkpoint) -> float:
    """Validation loss of the published weights on a freshly loaded base model."""
    from ft_platform.models import base_model

    prepared = prepare(lake, environment, use_case, splits)
    settings = use_case.settings.base_model
    base, _ = base_model.load(
        base_model.resolve(settings, environment.cache_path), settings.dtype, settings.quantization
    )
    with lake.local_copy(checkpoint) as folder:
        return validation_loss(
            with_adapter(base, folder), prepared.objective, prepared.validation, use_case.settings.training
        )


@pytest.mark.integration
@pytest.mark.parametrize(
    "changed",
    [{}, {"rslora": True}, {"dora": True}, {"method": "full", "learning_rate": 5e-4}],
    ids=["lora", "rslora", "dora", "full"],
)
def test_every_method_learns_and_computes_after_loading_what_it_computed_in_training(lake, environment, model, changed):
    use_case = use_case_for(model, **{**FAST, "max_steps": 12, "epochs": 5, **changed})
    splits = usable_splits(lake, use_case)
    trained = checkpoint_for(lake, environment, use_case, splits, LOG)
    assert trained.metrics["validation_loss"] < 0.95 * trained.metrics["validation_loss_before"]
    assert reloaded_loss(lake, environment, use_case, splits, trained.checkpoint) == pytest.approx(
        trained.metrics["validation_loss"], rel=1e-5
    )


def test_rslora_scales_by_the_root_of_the_rank_and_dora_learns_a_magnitude():
    plain, scaled, dora = (
        add_adapter(tiny_model(), Training(rank=16, alpha=32, **changed))
        for changed in ({}, {"rslora": True}, {"dora": True})
    )
    layer = [next(m for m in adapted.modules() if hasattr(m, "lora_A")) for adapted in (plain, scaled)]
    assert layer[0].scaling["default"] == 2.0 and layer[1].scaling["default"] == 32 / math.sqrt(16)
    assert any("magnitude" in name for name in trainable(dora)) and not any(
        "magnitude" in name for name in trainable(plain)
    )


def test_full_training_changes_every_matrix_in_float32_and_other_weights_are_refused(
    lake, environment, model, tmp_path
):
    use_case = use_case_for(model, **{**FAST, "method": "full", "max_steps": 2})
    splits = usable_splits(lake, use_case)
    prepared = prepare(lake, environment, use_case, splits)
    assert all(p.dtype == torch.float32 for p in trainable(prepared.model).values())
    assert {name for name, _ in prepared.model.named_parameters()} == trainable(prepared.model).keys()
    checkpoint = checkpoint_for(lake, environment, use_case, splits, LOG).checkpoint
    from safetensors.torch import load_file

    before, after = tiny_model().state_dict(), load_file(f"{checkpoint.uri}/model.safetensors")
    assert all(not torch.equal(before[name], value) for name, value in after.items() if value.dim() > 1)
    with lake.local_copy(checkpoint) as folder, pytest.raises(BaseModelError, match="do not fit the base model"):
        with_adapter(tiny_model(hidden_size=24, head_dim=4), folder)


def test_bfloat16_products_train_float32_weights(lake, environment, model):
    use_case = use_case_for(model, **{**FAST, "method": "full", "learning_rate": 5e-4, "max_steps": 12, "epochs": 5})
    base = use_case.settings.base_model.model_copy(update={"dtype": "bfloat16"})
    use_case = use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"base_model": base})})
    splits = usable_splits(lake, use_case)
    trained = checkpoint_for(lake, environment, use_case, splits, LOG)
    assert trained.metrics["validation_loss"] < 0.95 * trained.metrics["validation_loss_before"]
    assert reloaded_loss(lake, environment, use_case, splits, trained.checkpoint) == pytest.approx(
        trained.metrics["validation_loss"], rel=0.02
    )


def test_four_bit_weights_stay_as_they_are_and_their_adapter_learns(lake, environment, model):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes (extra gpu) is not installed")
    use_case = use_case_for(model, **{**FAST, "max_steps": 12, "epochs": 5})
    base = use_case.settings.base_model.model_copy(update={"quantization": "nf4"})
    use_case = use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"base_model": base})})
    splits = usable_splits(lake, use_case)
    prepared = prepare(lake, environment, use_case, splits)
    kinds = {type(m).__name__ for m in prepared.model.modules()}
    assert "Linear4bit" in kinds and all("lora_" in name for name in trainable(prepared.model))
    trained = checkpoint_for(lake, environment, use_case, splits, LOG)
    assert trained.metrics["validation_loss"] < 0.95 * trained.metrics["validation_loss_before"]
    assert reloaded_loss(lake, environment, use_case, splits, trained.checkpoint) == pytest.approx(
        trained.metrics["validation_loss"], rel=1e-3
    )


# Pairs of answers


def rows_of(answer: list[int]) -> Row:
    question = [5, 6, 7, 8]
    return Row([*question, *answer[:-1], answer[-1]], answer, [len(question) - 1 + i for i in range(len(answer))])


PAIRS = [
    Pair(rows_of([10, 11, 12]), rows_of([20, 21])),
    Pair(rows_of([30]), rows_of([40, 41, 42, 43])),
    Pair(rows_of([9, 9]), rows_of([8, 7, 6])),
]
PREFIX = [1, 2, 3]


def log_probability(model, row: Row) -> torch.Tensor:
    """By the plain model, one row at a time."""
    logits = model(input_ids=torch.tensor([[*PREFIX, *row.ids]])).logits[0].log_softmax(-1)
    return sum(logits[len(PREFIX) + place, target] for place, target in zip(row.places, row.targets, strict=True))


def test_log_probabilities_of_answers_are_those_of_the_plain_model():
    model = tiny_model()
    rows = [answer for pair in PAIRS for answer in (pair.chosen, pair.rejected)]
    with torch.no_grad():
        expected = torch.stack([log_probability(model, row) for row in rows])
        for forward in (packed_forward, padded_forward):
            assert torch.allclose(summed_log_probabilities(model, forward, PREFIX, rows), expected, atol=1e-4)


def test_dpo_starts_at_log_two_and_equals_its_formula_after_a_change():
    base, changed = tiny_model(), tiny_model()
    pairs = with_reference(base, packed_forward, PREFIX, PAIRS, 2048)
    objective = PreferenceLoss("dpo", 0.3, packed_forward, PREFIX)
    with torch.no_grad():
        assert float(objective.loss(base, pairs)) / 3 == pytest.approx(math.log(2), rel=1e-5)
        for parameter in changed.parameters():
            parameter.add_(0.02)
        expected = 0.0
        for pair in PAIRS:
            gain = [
                float(log_probability(changed, row) - log_probability(base, row))
                for row in (pair.chosen, pair.rejected)
            ]
            expected -= math.log(1 / (1 + math.exp(-0.3 * (gain[0] - gain[1]))))
        assert float(objective.loss(changed, pairs)) == pytest.approx(expected, rel=1e-4)


def test_orpo_equals_the_formula_of_the_paper():
    model = tiny_model()
    expected = 0.0
    with torch.no_grad():
        for pair in PAIRS:
            means = [float(log_probability(model, row)) / len(row.targets) for row in (pair.chosen, pair.rejected)]
            odds = [math.log(math.exp(m) / (1 - math.exp(m))) for m in means]
            expected += -means[0] - 0.2 * math.log(1 / (1 + math.exp(-(odds[0] - odds[1]))))
        assert float(PreferenceLoss("orpo", 0.2, packed_forward, PREFIX).loss(model, PAIRS)) == pytest.approx(
            expected, rel=1e-4
        )


def test_both_equal_trl():
    """DPO: the line of `DPOTrainer` for `loss_type: sigmoid`. ORPO: the function of `ORPOTrainer`, and its negative
    log-likelihood."""
    trainer = pytest.importorskip("trl.experimental.orpo").ORPOTrainer
    model, beta = tiny_model(), 0.3
    with torch.no_grad():
        logs = torch.stack(
            [log_probability(model, row) for pair in PAIRS for row in (pair.chosen, pair.rejected)]
        ).view(-1, 2)
        lengths = torch.tensor([[len(pair.chosen.targets), len(pair.rejected.targets)] for pair in PAIRS])
        means = logs / lengths
        weighted, *_ = trainer.odds_ratio_loss(
            SimpleNamespace(beta=beta, accelerator=SimpleNamespace(device="cpu")), means[:, 0], means[:, 1]
        )
        assert float(PreferenceLoss("orpo", beta, packed_forward, PREFIX).loss(model, PAIRS)) == pytest.approx(
            float((-means[:, 0] - weighted).sum()), rel=1e-5
        )
        pairs = [
            Pair(pair.chosen, pair.rejected, reference) for pair, reference in zip(PAIRS, (0.4, -0.2, 1.0), strict=True)
        ]
        delta = logs[:, 0] - logs[:, 1] - torch.tensor([0.4, -0.2, 1.0])
        expected = -torch.nn.functional.logsigmoid(beta * delta)
        assert float(PreferenceLoss("dpo", beta, packed_forward, PREFIX).loss(model, pairs)) == pytest.approx(
            float(expected.sum()), rel=1e-5
        )


@pytest.mark.parametrize("kind", ["dpo", "orpo"])
def test_the_loss_of_pairs_and_its_gradients_are_those_of_whole_logits(kind, monkeypatch):
    monkeypatch.setattr("ft_platform.models.kernels.answer_loss.CHUNK_LOGITS", 3 * 260)  # several chunks

    def found() -> tuple[float, dict]:
        model = add_adapter(tiny_model(), Training(rank=4, alpha=8, seed=3))
        loss = PreferenceLoss(kind, 0.3, packed_forward, PREFIX).loss(model, PAIRS)
        loss.backward()
        return float(loss.detach()), {name: p.grad for name, p in trainable(model).items()}

    chunked = found()
    monkeypatch.setattr("ft_platform.models.kernels.answer_loss.plain_head", lambda model: None)
    plain = found()
    assert chunked[0] == pytest.approx(plain[0], rel=1e-6)
    assert all(torch.allclose(chunked[1][name], value, atol=1e-6) for name, value in plain[1].items())
    assert any(bool(value.abs().max() > 1e-3) for value in plain[1].values())


def test_memory_of_pairs_counts_the_logits_of_their_answers_and_keeps_none(lake, environment, model):
    use_case = preference_case(model, objective="dpo")
    prepared = prepare(lake, environment, use_case, usable_splits(lake, use_case, preference_rows()))
    rows = list(prepared.rows[:3])
    answers = sum(len(row.targets) for pair in rows for row in (pair.chosen, pair.rejected))
    assert memory_parts(prepared.model, prepared.objective, rows).logits == 2 * 4 * 260 * answers


def preference_case(model, **training) -> NamedUseCase:
    attributes = {
        **{name: value for name, value in minimal_attributes("unused.csv").items() if name != "fairness"},
        "task": {"kind": "generation", "instruction": "Answer."},
        "record": {"chat_format": "preference", "consent": "consent"},
        "base_model": {"uri": str(model), "dtype": "float32"},
        "training": {"recipe": "manual", **FAST, **training},
    }
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))


def preference_rows(rows: int = 48) -> list[dict]:
    """Fictitious questions; polite answers are liked, curt ones are not."""
    made = []
    for number in range(rows):
        messages = [
            {"role": "user", "content": f"Case {number}: where is my card?"},
            {"role": "assistant", "content": "We are sorry. It is on its way."},
            {"role": "rejected", "content": "Wait."},
        ]
        made.append(
            {
                "record_id": f"r{number:04d}",
                "messages": messages,
                "label": None,
                "split": "validation" if number % 8 in (2, 5) else "train",
            }
        )
    return made


@pytest.mark.integration
@pytest.mark.parametrize("objective", ["dpo", "orpo"])
def test_preference_training_prefers_the_liked_answers(lake, environment, model, objective):
    use_case = preference_case(model, objective=objective, max_steps=12, epochs=5)
    splits = usable_splits(lake, use_case, preference_rows())
    prepared = prepare(lake, environment, use_case, splits)
    before = margin(prepared.model, prepared)
    trained = checkpoint_for(lake, environment, use_case, splits, LOG)
    assert trained.metrics["validation_loss"] < 0.9 * trained.metrics["validation_loss_before"]
    with lake.local_copy(trained.checkpoint) as folder:
        assert margin(with_adapter(tiny_model(), folder), prepared) > before + 1.0


def margin(model, prepared) -> float:
    """Mean log-probability of the liked answers minus that of the others, on validation pairs."""
    rows = [answer for pair in prepared.validation for answer in (pair.chosen, pair.rejected)]
    with torch.no_grad():
        logs = summed_log_probabilities(model.eval(), packed_forward, prepared.objective.prefix, rows).view(-1, 2)
    return float((logs[:, 0] - logs[:, 1]).mean())


def test_pairs_without_a_second_answer_or_with_equal_ones_are_left_out_and_counted(lake, environment, model):
    use_case = preference_case(model, objective="dpo")
    rows = preference_rows()
    rows[0]["messages"] = rows[0]["messages"][:2]
    rows[1]["messages"] = [
        *rows[1]["messages"][:2],
        {"role": "rejected", "content": "We are sorry. It is on its way. "},
    ]
    prepared = prepare(lake, environment, use_case, usable_splits(lake, use_case, rows))
    assert prepared.sides["train"].left_out == {"no_rejected_answer": 1, "equal_answers": 1}
    assert len(prepared.rows) == len(prepared.sides["train"].record_ids) == sum(r["split"] == "train" for r in rows) - 2


def test_both_answers_of_a_pair_follow_the_same_prompt_also_where_it_is_shortened(lake, environment, model):
    use_case = preference_case(model, objective="dpo", max_length=120)
    rows = preference_rows(16)
    for row in rows:
        row["messages"][0]["content"] = "Where is my card? " * 20
    prepared = prepare(lake, environment, use_case, usable_splits(lake, use_case, rows))
    for chosen, rejected in zip(prepared.sides["train"].rows, prepared.sides["train"].rejected, strict=True):
        assert (
            chosen.input_ids[: chosen.prompt_length] == rejected.input_ids[: rejected.prompt_length]
            and chosen.truncated
        )
        assert max(len(chosen.input_ids), len(rejected.input_ids)) == 120


def test_the_learning_rate_of_preferences_is_lower_unless_it_is_named():
    assert (
        Training(objective="dpo").learning_rate == 5e-5
        and Training(objective="orpo", learning_rate=1e-3).learning_rate == 1e-3
    )
    assert Training().learning_rate == 5e-4


@pytest.mark.parametrize(
    ("training", "base", "problem"),
    [
        ({"objective": "dpo"}, {}, "needs `task.kind: generation` and `record.rejected`"),
        (
            {"method": "full", "objective": "label_head"},
            {},
            "`training.objective: label_head` needs `training.method: lora`",
        ),
        ({"method": "full"}, {"quantization": "nf4"}, "cannot train `base_model.quantization: nf4`"),
        ({"method": "full", "dora": True}, {}, "`training.dora` needs `training.method: lora`"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(training, base, problem):
    attributes = {**minimal_attributes("unused.csv"), "training": training, "base_model": {"uri": "org/name", **base}}
    with pytest.raises(ValueError, match=problem):
        UseCase.model_validate(attributes)


def test_a_label_head_learns_and_gives_the_same_labels_after_loading(lake, environment, model):
    use_case = use_case_for(
        model, **{**FAST, "objective": "label_head", "max_steps": 30, "epochs": 20, "learning_rate": 1e-2}
    )
    splits = usable_splits(lake, use_case)
    trained = checkpoint_for(lake, environment, use_case, splits, LOG)
    assert trained.metrics["validation_loss_before"] == pytest.approx(math.log(2), abs=0.3)
    assert trained.metrics["validation_loss"] < 0.2
    assert reloaded_loss(lake, environment, use_case, splits, trained.checkpoint) == pytest.approx(
        trained.metrics["validation_loss"], rel=1e-5
    )
    prepared = prepare(lake, environment, use_case, splits)
    prompts = [row.input_ids[: row.prompt_length] for row in prepared.sides["validation"].rows]
    with lake.local_copy(trained.checkpoint) as folder:
        scores = head_scores(with_adapter(tiny_model(), folder), prompts)
    expected = prepared.sides["validation"].answers
    assert [prepared.renderer.labels[i] for i in scores.argmax(1).tolist()] == expected
    assert torch.allclose(scores.exp().sum(1), torch.ones(len(prompts)), atol=1e-5)


def test_a_label_head_of_another_width_or_with_infinite_values_is_refused(tmp_path):
    from safetensors.torch import save_file

    for weight in (torch.zeros(3, 7), torch.full((3, 48), math.inf), torch.zeros(3)):
        save_file({"weight": weight}, tmp_path / LABEL_HEAD)
        with pytest.raises(BaseModelError, match=r"label_head.safetensors of checkpoint .* does not fit"):
            with_label_head(tiny_model(), tmp_path)


# Every setting of `training` is read: another value gives other weights, another course, or other rows.

OTHER_VALUES: dict[str, dict] = {
    "objective": {"objective": "orpo"},
    "recipe": {"recipe": "auto"},
    "label_head_start": {"objective": "label_head", "label_head_start": "typical_tokens"},
    "label_head_scale": {"objective": "label_head", "label_head_scale": 0.3},
    "label_descriptions": {
        "objective": "label_head",
        "label_head_start": "label_tokens",
        "label_descriptions": {"loan": "Money for a house."},
    },
    "label_smoothing": {"objective": "label_head", "label_smoothing": 0.3},
    "beta": {"objective": "dpo", "beta": 0.9},
    "method": {"method": "full"},
    "rank": {"rank": 8},
    "alpha": {"alpha": 8},
    "rslora": {"rslora": True},
    "dora": {"dora": True},
    "dropout": {"dropout": 0.3},
    "target_modules": {"target_modules": ["q_proj"]},
    "learning_rate": {"learning_rate": 1e-3},
    "schedule": {"schedule": "cosine"},
    "warmup_fraction": {"warmup_fraction": 0.5},
    "weight_decay": {"weight_decay": 0.5},
    "max_grad_norm": {"max_grad_norm": 0.01},
    "epochs": {"epochs": 0.5},
    "max_steps": {"max_steps": 2},
    "batch_rows": {"batch_rows": 4},
    "micro_batch_tokens": {"micro_batch_tokens": 100},
    "gradient_checkpointing": {"gradient_checkpointing": "always"},
    "max_length": {"max_length": 200},
    "train_on": {"train_on": "last_turn"},
    "validations_per_epoch": {"validations_per_epoch": 4},
    "keep": {"keep": "best_metric"},
    "patience": {"patience": 1, "learning_rate": 0.1, "epochs": 8, "max_steps": 16, "validations_per_epoch": 4},
    "seed": {"seed": 5},
    "differential_privacy": {"differential_privacy": {"target_epsilon": 8.0}},
}
COMPARED_WITH = {
    "label_head_start": {"objective": "label_head"},
    "label_head_scale": {"objective": "label_head"},
    "label_descriptions": {"objective": "label_head", "label_head_start": "label_tokens"},
    "label_smoothing": {"objective": "label_head"},
    "beta": {"objective": "dpo"},
    "patience": {"learning_rate": 0.1, "epochs": 8, "max_steps": 16, "validations_per_epoch": 4, "patience": 40},
}
"""What a value is compared with, where that is not the plain case."""


def course(lake, environment, model, **training):
    """Weights, figures, micro-batches and whether layers are computed again, of a training on pairs of answers in
    conversations of two turns; of a label head on labels."""
    labels = training.get("objective") == "label_head"
    case = use_case_for if labels else preference_case
    use_case = case(model, **{**FAST, "learning_rate": 5e-3, "max_steps": 4, **training})
    rows = split_rows() if labels else preference_rows()
    for row in () if labels else rows:
        row["messages"] = [
            {"role": "user", "content": "Hello, how are you today? " * 6},
            {"role": "assistant", "content": "Good day."},
            *row["messages"],
        ]
    prepared = prepare(lake, environment, use_case, usable_splits(lake, use_case, rows))
    found = fit(prepared, use_case.settings.training)
    micros = micro_batches(prepared.rows[:16], prepared.objective, use_case.settings.training)
    timed = ("tokens_per_second", "learning_rate")
    losses = [{name: value for name, value in point.items() if name not in timed} for point in found.curve]
    return found.best, losses, [len(micro) for micro in micros], recomputes(prepared.model)


@pytest.fixture(scope="module")
def plain_course():
    return {}


def test_every_setting_of_training_is_compared():
    elsewhere = {"continue_from", "window_days", "replay_share"}  # test_continuing.py, test_window.py
    assert OTHER_VALUES.keys() == Training.model_fields.keys() - elsewhere


@pytest.mark.integration
@pytest.mark.parametrize("name", OTHER_VALUES)
def test_every_setting_of_training_changes_the_run(lake, environment, model, plain_course, name):
    compared = COMPARED_WITH.get(name, {})
    key = str(compared)
    if key not in plain_course:
        plain_course[key] = course(lake, environment, model, **compared)
    before, now = plain_course[key], course(lake, environment, model, **OTHER_VALUES[name])
    same_weights = before[0].keys() == now[0].keys() and all(
        torch.equal(value, now[0][n]) for n, value in before[0].items()
    )
    assert not same_weights or before[1:] != now[1:]
    again = course(lake, environment, model, **compared) if name == "seed" else before
    assert all(torch.equal(value, again[0][n]) for n, value in before[0].items()), (
        "the same settings give the same weights"
    )
