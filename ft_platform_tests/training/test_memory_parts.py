"""What a training keeps in memory is counted exactly, without keeping it."""

import re

import pytest
import torch

from ft_platform.costs.memory_needs import require_memory
from ft_platform.errors import DoesNotFit
from ft_platform.lake.store import Lake
from ft_platform.models.kernels.recomputation import recomputes
from ft_platform.training import fit_check
from ft_platform.training.estimate import estimate
from ft_platform.training.fit_check import require_fit
from ft_platform.training.loop import train
from ft_platform.training.lora import trainable
from ft_platform.training.memory_parts import memory_parts
from ft_platform.training.plan import heaviest_micro_batch, plan_of, tokens_of
from ft_platform.training.prepare import prepare
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.tiny_models import save_tiny_model, usable_splits, use_case_for


@pytest.fixture
def made(environment, lake: Lake, tmp_path):
    """Prepares a training of a tiny model with these settings."""
    folder = save_tiny_model(tmp_path / "model")

    def made(**training):
        use_case = use_case_for(folder, **{"batch_rows": 4, "epochs": 2.0, "rank": 4, "alpha": 8, **training})
        return prepare(lake, environment, use_case, usable_splits(lake, use_case)), use_case

    return made


def test_weights_adapters_gradients_and_moments_are_those_of_the_model(made):
    prepared, _ = made(rank=4)
    parts = memory_parts(prepared.model, prepared.objective, prepared.rows[:2])
    trained = sum(p.numel() for p in prepared.model.parameters() if p.requires_grad)
    assert (parts.adapters, parts.gradients, parts.optimizer, parts.best) == (
        4 * trained,
        4 * trained,
        8 * trained,
        4 * trained,
    )
    frozen = {
        p.untyped_storage().data_ptr(): p.untyped_storage().nbytes()
        for p in prepared.model.parameters()
        if not p.requires_grad
    }
    assert sum(frozen.values()) <= parts.weights <= sum(frozen.values()) + 4096, "and the few numbers in buffers"


def kept_bytes(prepared, rows) -> int:
    """What saved tensors occupy while they are all kept, each storage once, weights not at all."""
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.detach())
        return tensor

    prepared.model.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = prepared.objective.loss(prepared.model, rows)
    weights = {p.untyped_storage().data_ptr() for p in (*prepared.model.parameters(), *prepared.model.buffers())}
    del loss
    return sum(
        {
            t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
            for t in kept
            if t.untyped_storage().data_ptr() not in weights
        }.values()
    )


def test_activations_are_the_bytes_that_autograd_keeps_until_the_backward_pass(made):
    """Reference: what saved tensors occupy while they are all kept, each storage once."""
    prepared, _ = made()
    rows = list(prepared.rows[:3])
    kept = kept_bytes(prepared, rows)
    parts = memory_parts(prepared.model, prepared.objective, rows)
    assert parts.activations + parts.logits // 2 == pytest.approx(kept, rel=0.02)
    assert 0 < parts.logits < parts.activations


def test_counting_changes_neither_weights_nor_random_numbers_nor_gradients(made):
    prepared, use_case = made(dropout=0.3)
    before = {name: value.clone() for name, value in prepared.model.state_dict().items()}
    state = torch.get_rng_state()
    require_fit(prepared, use_case.settings.training, ComputeProfile(), use_case)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in prepared.model.state_dict().items())
    assert all(p.grad is None for p in trainable(prepared.model).values())


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"rank": 16}, "optimizer"),
        ({"micro_batch_tokens": 64}, "activations"),
        ({"target_modules": ["q_proj"]}, "adapters"),
    ],
)
def test_each_part_follows_its_setting(made, changed, part):
    def size(**training):
        prepared, use_case = made(**training)
        settings = use_case.settings.training
        return getattr(
            memory_parts(
                prepared.model,
                prepared.objective,
                heaviest_micro_batch(prepared, settings, plan_of(prepared, settings)),
            ),
            part,
        )

    assert (size(**changed) > size()) == ("rank" in changed)
    assert size(**changed) != size()


def test_a_training_that_does_not_fit_is_refused_before_its_first_step(made, monkeypatch):
    prepared, use_case = made()
    needed = fit_check._in_use(prepared.model.device) / 2**30
    require_fit(prepared, use_case.settings.training, ComputeProfile(memory_limit_gib=needed + 1), use_case)
    with pytest.raises(DoesNotFit, match="was not started: it would need"):
        require_fit(prepared, use_case.settings.training, ComputeProfile(memory_limit_gib=needed / 2), use_case)


def test_layers_are_computed_again_where_memory_asks_for_it_and_the_setting_allows_it(made, monkeypatch):
    monkeypatch.setattr(fit_check, "_in_use", lambda device: 0)

    def fits(limit: int, choice: str) -> tuple[bool, str]:
        prepared, use_case = made(gradient_checkpointing=choice)
        require_fit(prepared, use_case.settings.training, ComputeProfile(memory_limit_gib=limit / 2**30), use_case)
        return recomputes(prepared.model), prepared.batching

    prepared, use_case = made(gradient_checkpointing="never")
    training = use_case.settings.training
    plain = memory_parts(
        prepared.model, prepared.objective, heaviest_micro_batch(prepared, training, plan_of(prepared, training))
    )
    assert 0 < plain.spared < plain.activations
    limit = plain.to_come - plain.spared // 2
    assert fits(plain.to_come, "auto") == (False, "packed") and fits(2 * limit, "always") == (
        True,
        "packed, layers computed again",
    )
    assert fits(limit, "auto") == fits(limit, "always") == (True, "packed, layers computed again")
    with pytest.raises(DoesNotFit, match=r"set training\.gradient_checkpointing=auto"):
        fits(limit, "never")
    with pytest.raises(DoesNotFit, match="or choose a larger profile"):
        fits(plain.to_come - 2 * plain.spared, "auto")


def test_where_one_record_is_too_long_the_error_says_how_long_it_may_be_and_that_is_so(made, monkeypatch):
    monkeypatch.setattr(fit_check, "_in_use", lambda device: 0)
    prepared, use_case = made(micro_batch_tokens=64)
    training = use_case.settings.training
    (longest,) = heaviest_micro_batch(prepared, training, plan_of(prepared, training))
    parts = memory_parts(prepared.model, prepared.objective, [longest])
    fixed = parts.to_come - parts.activations
    again = parts.with_layers_computed_again()
    limit = ComputeProfile(memory_limit_gib=(fixed + 0.75 * again.activations) / 2**30)
    with pytest.raises(DoesNotFit) as refused:
        require_fit(prepared, training, limit, use_case)
    assert "a smaller training.micro_batch_tokens does not help" in refused.value.message
    said = re.fullmatch(
        r"Set training\.max_length=(\d+) \(now 512\), or choose a profile with more memory in compute\.profile",
        refused.value.next_step,
    )
    assert said
    shorter, use_case = made(micro_batch_tokens=64, max_length=int(said[1]))
    require_fit(shorter, use_case.settings.training, limit, use_case)
    with pytest.raises(DoesNotFit, match="No length would fit: choose a profile with more memory"):
        require_fit(prepared, training, ComputeProfile(memory_limit_gib=fixed / 2 / 2**30), use_case)


def test_activations_of_layers_that_are_computed_again_are_their_inputs_and_one_layer(made):
    """Reference: what autograd keeps outside of the layers with their inputs, and what one layer alone keeps."""
    prepared, _ = made()
    rows = list(prepared.rows[:3])
    plain = memory_parts(prepared.model, prepared.objective, rows)
    prepared.recompute_layers()
    parts = memory_parts(prepared.model, prepared.objective, rows)
    assert parts == plain.with_layers_computed_again() and recomputes(prepared.model)
    outside = kept_bytes(prepared, rows)
    a_layer = parts.activations + parts.logits // 2 - outside
    hidden = prepared.model.config.hidden_size * 4 * tokens_of(rows, prepared.objective)
    assert a_layer > 4 * hidden, "a layer keeps more than its input"
    # The input of the first layer, the embeddings, is kept only where layers are computed again.
    assert plain.activations + plain.logits // 2 - outside + hidden == pytest.approx(2 * a_layer, rel=0.05), (
        "both layers are nearly alike"
    )


def test_an_estimate_says_that_layers_are_computed_again(made, monkeypatch):
    monkeypatch.setattr(fit_check, "_in_use", lambda device: 0)
    prepared, use_case = made()
    training = use_case.settings.training
    parts = memory_parts(
        prepared.model, prepared.objective, heaviest_micro_batch(prepared, training, plan_of(prepared, training))
    )
    limit = (parts.to_come - parts.spared // 2) / 2**30
    found = estimate(prepared, training, ComputeProfile(memory_limit_gib=limit), seconds=0.0, setup=(0.0, 0.0))
    assert found["batching"] == "packed, layers computed again"
    assert found["parts_gib"]["activations"] == pytest.approx((parts.activations - parts.spared) / 2**30, abs=1e-4)


def test_the_plan_is_what_the_loop_does(made):
    prepared, use_case = made(validations_per_epoch=3)
    training = use_case.settings.training
    plan = plan_of(prepared, training)
    points = []
    run = train(
        prepared.model,
        prepared.objective,
        prepared.rows,
        prepared.validation,
        training,
        on_step=lambda step, values: points.append(values),
    )
    if not run.stopped_early:
        assert (run.step, run.tokens) == (plan.steps, sum(plan.tokens))
        assert sum("validation_loss" in point for point in points) == plan.validations
    assert run.step <= plan.steps


def test_the_heaviest_micro_batch_is_the_one_with_the_most_tokens(made):
    prepared, use_case = made(micro_batch_tokens=256)
    training = use_case.settings.training
    heaviest = heaviest_micro_batch(prepared, training, plan_of(prepared, training))
    assert tokens_of(heaviest, prepared.objective) <= 256
    assert tokens_of(heaviest, prepared.objective) > 256 - max(map(prepared.objective.length, prepared.rows))


def test_an_estimate_has_the_exact_figures_of_the_plan_and_bands_around_memory_and_time(made):
    prepared, use_case = made()
    training = use_case.settings.training
    plan = plan_of(prepared, training)
    found = estimate(prepared, training, ComputeProfile(), seconds=0.0, setup=(3.0, 2.0))
    assert (found["steps"], found["tokens"], found["validations"]) == (plan.steps, sum(plan.tokens), plan.validations)
    assert found["trainable_parameters"] == sum(p.numel() for p in trainable(prepared.model).values())
    assert found["memory_band"][0] < found["memory_gib"] < found["memory_band"][1]
    assert found["seconds_band"][0] < found["seconds"] < found["seconds_band"][1]
    assert found["seconds"] > 3.0 and found["setup_seconds"] >= 3.0
    assert sum(found["parts_gib"].values()) == pytest.approx(found["memory_gib"], abs=0.01)


def test_an_estimate_of_a_training_of_one_short_batch_is_possible(made):
    prepared, use_case = made(batch_rows=512, max_steps=1)
    assert estimate(prepared, use_case.settings.training, ComputeProfile(), seconds=0.0, setup=(0.0, 0.0))["steps"] == 1


def test_more_steps_take_longer(made):
    prepared, use_case = made()
    short = estimate(prepared, use_case.settings.training, ComputeProfile(), seconds=0.0, setup=(0.0, 0.0))
    many = use_case.settings.training.model_copy(update={"epochs": 40.0})
    assert estimate(prepared, many, ComputeProfile(), seconds=0.0, setup=(0.0, 0.0))["steps"] == 20 * short["steps"]


def test_the_limit_of_the_profile_wins_over_the_machine(made):
    _, use_case = made()
    with pytest.raises(DoesNotFit, match="memory_limit_gib of compute profile 'local'"):
        require_memory(0.2, ComputeProfile(memory_limit_gib=0.1), use_case)
