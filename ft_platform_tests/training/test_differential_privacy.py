"""Differential privacy: each record's influence is bounded, noise and samples are what the accountant counts, and the
secret behind them stays one."""

import dataclasses
import json
import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import kstest, norm

from ft_platform.errors import ConfigError, MissingExtra, OutOfMemory, Preempted, VersionRefused
from ft_platform.lake.training_states import TrainingStates
from ft_platform.models.kernels.packed_forward import packed_forward
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.training import loop, privacy_budget
from ft_platform.training.batches import Row, split_off_prefix, with_persons
from ft_platform.training.loop import train
from ft_platform.training.lora import add_adapter, trainable
from ft_platform.training.objectives import AnswerLoss
from ft_platform.training.private_gradients import PrivateGradients, add_clipped, budget_of, units_of
from ft_platform.training.secret_draws import SecretDraws, new_secret
from ft_platform.training.state import States
from ft_platform.training.stopping import Stopping
from ft_platform.use_case.schema import Task, UseCase
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.conftest import minimal_attributes
from ft_platform_tests.tiny_models import (
    save_tiny_model,
    split_rows,
    tiny_model,
    tiny_tokenizer,
    usable_splits,
    use_case_for,
)

LOG = logging.getLogger("test")
SECRET = "5a" * 32
PRIVATE = Training(
    learning_rate=5e-3, batch_rows=8, rank=4, epochs=2, dropout=0.1, differential_privacy={"noise_multiplier": 1.0}
)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def data() -> tuple[AnswerLoss, list[Row], list[Row]]:
    renderer = Renderer(
        tiny_tokenizer(), Task(kind="classification", instruction="One of: {labels}."), ["loan", "card"]
    )
    prefix = renderer.prefix_ids()
    sides = [
        [renderer.example(r["messages"], r["label"]) for r in split_rows(40) if r["split"] == side]
        for side in ("train", "validation")
    ]
    return AnswerLoss(packed_forward, prefix), *(split_off_prefix(side, prefix) for side in sides)


def model_with_adapter():
    model = add_adapter(tiny_model(), Training(rank=4))
    with torch.no_grad():  # matrix B starts with zeros, under which A has no gradient
        for name, parameter in trainable(model).items():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    return model


def gradients(
    rows, noise: float = 0.0, max_norm: float = 1e9, secret: str = SECRET, step: int = 1, taken=None
) -> torch.Tensor:
    """What `PrivateGradients` leaves in the weights, before the division by the expected number, as one vector."""
    objective, given = rows
    budget = dataclasses.replace(budget_of(given, 1, PRIVATE), noise_multiplier=noise, max_grad_norm=max_norm)
    model = model_with_adapter()
    PrivateGradients(given, budget, secret).accumulate(model, objective, given if taken is None else taken, step)
    return torch.cat([p.grad.flatten() for p in trainable(model).values()]) * budget.expected_units


def test_without_clipping_and_noise_the_gradient_is_that_of_the_ordinary_batch(data):
    objective, rows, _ = data
    assert len({len(row.targets) for row in rows}) == 1, (
        "of equally long answers the mean over tokens is the mean over records"
    )
    model = model_with_adapter()
    loop._accumulate(model, objective, rows, Training())
    ordinary = torch.cat([p.grad.flatten() for p in trainable(model).values()])
    assert (
        torch.allclose(gradients((objective, rows)) / len(rows), ordinary, atol=1e-6, rtol=1e-4)
        and ordinary.norm() > 0.1
    )


@pytest.mark.parametrize("max_norm", [0.01, 1.0])
def test_a_record_moves_the_sum_by_the_clipping_norm_at_most(data, max_norm):
    objective, rows, _ = data
    loud = dataclasses.replace(
        rows[0], targets=[200] * len(rows[0].targets)
    )  # a wrong answer: an outlier with a large gradient
    without = gradients((objective, rows), max_norm=max_norm, taken=rows[1:8])
    with_it = gradients((objective, rows), max_norm=max_norm, taken=[loud, *rows[1:8]])
    assert 0.99 * max_norm < (with_it - without).norm() <= max_norm * (1 + 1e-4)
    assert gradients((objective, rows), taken=[loud]).norm() > 2 * max_norm, "it would have moved it further"


def test_a_person_moves_the_sum_by_the_clipping_norm_however_many_records_are_theirs(data):
    objective, rows, _ = data
    persons = with_persons(rows, ["p1"] * 5 + [None] + [f"p{n}" for n in range(2, len(rows) - 4)])
    units = units_of(persons)
    assert units[0] == [0, 1, 2, 3, 4] and units[1] == [5] and sum(map(len, units)) == len(rows)
    assert gradients((objective, persons), max_norm=0.5, taken=persons[:5]).norm() == pytest.approx(0.5, rel=1e-3)
    assert gradients((objective, rows), max_norm=0.5, taken=rows[:5]).norm() > 1.0, "as five records they have more"


def gradients_in_a_group(number: int, folder: str, rows) -> None:
    """One of two processes."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2)
    torch.save(gradients(rows, noise=1.0, max_norm=0.5), f"{folder}/{number}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradient_and_the_noise_of_one(data, tmp_path):
    objective, rows, _ = data
    torch.multiprocessing.spawn(gradients_in_a_group, (str(tmp_path), (objective, rows)), nprocs=2)  # type: ignore[attr-defined]
    alone = gradients((objective, rows), noise=1.0, max_norm=0.5)
    first, second = (torch.load(tmp_path / f"{number}.pt") for number in range(2))
    assert torch.equal(first, second) and torch.allclose(first, alone, atol=1e-5)


def test_a_short_gradient_is_left_alone_and_one_that_is_not_finite_stays_so():
    weight = torch.nn.Parameter(torch.zeros(2))
    for gradient, expected in (([0.3, 0.4], [0.3, 0.4]), ([30.0, 40.0], [0.6, 0.8])):
        sums, weight.grad = {"w": torch.zeros(2)}, torch.tensor(gradient)
        assert add_clipped(sums, {"w": weight}, 1.0) == (gradient != expected)
        assert sums["w"].tolist() == pytest.approx(expected, rel=1e-5) and weight.grad is None
    weight.grad = torch.tensor([math.inf, 1.0])
    add_clipped(sums, {"w": weight}, 1.0)
    assert not torch.isfinite(sums["w"]).all()


def test_the_noise_is_normal_with_the_deviation_the_accountant_counts_and_new_in_every_step(data):
    objective, rows, _ = data
    first, second, other = (
        gradients((objective, rows), noise=1.7, max_norm=0.3, step=step, secret=secret, taken=[]).double().numpy()
        for step, secret in ((1, SECRET), (2, SECRET), (1, "a5" * 32))
    )
    # 4,000 numbers and more: the deviation is known to 1.2 %, three times over; the test of Kolmogorov and Smirnov sees
    # another shape.
    assert len(first) > 4000 and first.std() == pytest.approx(1.7 * 0.3, rel=0.036)
    assert kstest(first / (1.7 * 0.3), "norm").pvalue > 0.001
    for one in (second, other):
        assert abs(np.corrcoef(first, one)[0, 1]) < 3 / math.sqrt(len(first))
    assert np.array_equal(first, gradients((objective, rows), noise=1.7, max_norm=0.3, taken=[]).double().numpy()), (
        "the same secret and step give the same"
    )


def test_every_unit_is_in_a_step_with_the_same_probability_and_independently_of_the_others():
    rows = [Row([1], [1], [0]) for _ in range(50)]
    budget = budget_of(rows, 1, PRIVATE)
    order = PrivateGradients(rows, budget, SECRET).order(0)
    taken = np.array([np.isin(np.arange(50), next(order)) for _ in range(4000)])
    rate = 8 / 50
    assert budget.sampling_rate == rate and np.abs(taken.mean(0) - rate).max() < 4.5 * math.sqrt(
        rate * (1 - rate) / 4000
    )
    # Batches of one size would have no variance.
    assert taken.sum(1).var() == pytest.approx(50 * rate * (1 - rate), rel=0.1)
    again = PrivateGradients(rows, budget, SECRET).order(3)
    assert next(again) == np.flatnonzero(taken[3]).tolist(), "a step draws the same, whichever were drawn before it"


def test_draws_lie_inside_of_their_range():
    draws = SecretDraws(new_secret()).uniform(1, "sample", 100_000)
    assert 0 < draws.min() < 1e-4 and 1 - 1e-4 < draws.max() < 1
    assert new_secret() != new_secret() and len(bytes.fromhex(new_secret())) == 32


def gaussian_epsilon(sigma: float, steps: int, delta: float) -> float:
    """Exact epsilon of composed Gaussian mechanisms without sampling (Dong, Roth, Su, arXiv:1905.02383, corollaries
    2.13 and 3.3)."""
    mu = math.sqrt(steps) / sigma
    return brentq(lambda e: norm.cdf(-e / mu + mu / 2) - math.exp(e) * norm.cdf(-e / mu - mu / 2) - delta, 0, 100)


@pytest.mark.parametrize(("accountant", "looser"), [("prv", 1.02), ("rdp", 1.3)])
def test_epsilon_is_that_of_the_gaussian_mechanism_where_every_record_is_in_every_step(accountant, looser):
    exact = gaussian_epsilon(3.0, 10, 1e-3)
    assert exact <= privacy_budget.epsilon_of(3.0, 1e-3, 1.0, 10, accountant) <= looser * exact


def test_epsilon_is_the_librarys_for_known_parameters():
    from opacus.accountants import RDPAccountant

    counted = RDPAccountant()
    for _ in range(200):
        counted.step(noise_multiplier=1.3, sample_rate=250 / 60_000)
    found = privacy_budget.epsilon_of(1.3, 1e-5, 250 / 60_000, 200, "rdp")
    assert found == pytest.approx(
        counted.get_epsilon(1e-5, alphas=privacy_budget.ORDERS)
    ) and found <= counted.get_epsilon(1e-5)


@pytest.mark.integration
def test_the_noise_follows_from_the_epsilon_that_is_wanted():
    rows = [Row([1], [1], [0]) for _ in range(500)]
    wanted = PRIVATE.model_copy(
        update={
            "differential_privacy": PRIVATE.differential_privacy.model_copy(
                update={"noise_multiplier": None, "target_epsilon": 3.0}
            )
        }
    )
    budget = budget_of(rows, 120, wanted)
    assert 2.95 < budget.epsilon <= 3.0 and budget.delta == pytest.approx(500**-1.1) and budget.unit == "record"
    given = Training(batch_rows=8, differential_privacy={"noise_multiplier": budget.noise_multiplier})  # type: ignore[arg-type]
    assert budget_of(rows, 120, given).epsilon == budget.epsilon
    assert budget_of(rows, 240, given).epsilon > budget.epsilon
    persons = budget_of(with_persons(rows, [f"p{n // 2}" for n in range(500)]), 120, wanted)
    assert (persons.unit, persons.units, persons.most_records, persons.sampling_rate) == ("person", 250, 2, 8 / 500)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"target_epsilon": 8.0, "target_delta": 0.03},
            r"target_delta is 0.03: with 50 to protect it must be below 0.02",
        ),
        ({"noise_multiplier": 0.1}, r"noise_multiplier 0.1 gives an epsilon of \d+, which protects nobody"),
    ],
)
def test_a_promise_that_is_worth_nothing_is_refused(settings, complaint):
    training = Training(differential_privacy=settings)
    with pytest.raises(ConfigError, match=complaint):
        budget_of([Row([1], [1], [0])] * 50, 100, training)


def test_a_missing_opacus_names_the_extra(monkeypatch):
    monkeypatch.setattr(privacy_budget.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'opacus.*pip install "ft-platform\[dp\]"'):
        budget_of([Row([1], [1], [0])] * 50, 100, PRIVATE)


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"training": {"differential_privacy": {"target_epsilon": 8, "noise_multiplier": 1}}}, "not both"),
        (
            {"training": {"differential_privacy": {"target_delta": 1e-6}}},
            "needs `target_epsilon` or `noise_multiplier`",
        ),
        (
            {"training": {"method": "full", "differential_privacy": {"target_epsilon": 8}}},
            "needs `training.method: lora`",
        ),
        (
            {
                "task": {"kind": "generation"},
                "training": {"objective": "orpo", "differential_privacy": {"target_epsilon": 8}},
            },
            "`training.objective: sft` or `label_head`, got lora and orpo",
        ),
        (
            {
                "fairness": {
                    "mitigation": "counterfactual_augmentation",
                    "swaps": [{"name": "gender", "terms": [["he", "she"]]}],
                },
                "training": {"differential_privacy": {"target_epsilon": 8}},
            },
            "does not work with `fairness.mitigation: counterfactual_augmentation`",
        ),
    ],
)
def test_settings_that_would_break_the_promise_are_refused(attributes, complaint):
    with pytest.raises(ValueError, match=complaint):
        UseCase.model_validate({**minimal_attributes("unused.csv"), **attributes})


def fit(data, training=PRIVATE, saved: States | None = None, stop_after: int = 0):
    class StopAfter(Stopping):
        def __call__(self, run):
            self.signal = 15 if run.step == stop_after else None
            return super().__call__(run)

    return train(add_adapter(tiny_model(), training), *data, training, states=saved, limit=StopAfter("complaints"))


def same(a, b) -> bool:
    return all(torch.equal(value, b.best[name]) for name, value in a.best.items())


def test_a_stopped_training_goes_on_with_the_secret_of_its_state_to_the_same_weights(data, lake, monkeypatch):
    monkeypatch.setattr(loop, "new_secret", lambda: SECRET)
    whole = fit(data)
    splits = usable_splits(lake, use_case_for("unused"))
    for stop_after in (2, 5):
        with pytest.raises(Preempted):
            fit(data, saved=States(TrainingStates(lake, splits, "ckpt-1"), 9999, LOG), stop_after=stop_after)
        monkeypatch.setattr(loop, "new_secret", lambda: pytest.fail("a state holds its secret"))
    resumed = fit(data, saved=States(TrainingStates(lake, splits, "ckpt-1"), 9999, LOG))
    assert (
        same(resumed, whole)
        and [p.get("loss") for p in resumed.curve] == [p.get("loss") for p in whole.curve]
        and resumed.privacy == whole.privacy
    )
    monkeypatch.setattr(loop, "new_secret", lambda: "a5" * 32)
    assert not same(fit(data), whole)


def test_all_steps_are_made_and_the_last_weights_kept_whatever_the_validation_records_say(data, monkeypatch):
    rising = iter(range(1, 100))
    monkeypatch.setattr(loop, "validation_figures", lambda *_: {"validation_loss": float(next(rising))})
    worse_and_worse = {"patience": 1, "validations_per_epoch": 2}
    run = fit(data, PRIVATE.model_copy(update=worse_and_worse))
    assert (
        not run.stopped_early
        and run.step == run.steps == run.best_step == 8
        and run.best_loss == run.curve[-1]["validation_loss"]
    )
    plain = fit(data, Training(**{**PRIVATE.model_dump(exclude={"differential_privacy"}), **worse_and_worse}))
    assert plain.stopped_early and plain.best_step < plain.step < 8, "without differential privacy it ends early"


def test_a_step_without_records_has_noise_and_no_loss(data, monkeypatch):
    monkeypatch.setattr(loop, "new_secret", lambda: SECRET)
    run = fit(data, PRIVATE.model_copy(update={"batch_rows": 1, "epochs": 0.3}))
    empty = [p for p in run.curve if p["step"] and "loss" not in p]
    assert (
        empty
        and all(p["gradient_norm"] > 0 for p in empty)
        and all(p["loss"] == p["loss"] for p in run.curve if "loss" in p)
    )
    assert run.metrics()["train_loss"] == [p["loss"] for p in run.curve if "loss" in p][-1]


def test_out_of_memory_names_the_settings_that_help(data):
    def forward(*_):
        raise MemoryError

    with pytest.raises(
        OutOfMemory, match=r"each record goes through the model alone.*Lower training.max_length \(now 512\)"
    ):
        fit((AnswerLoss(forward, data[0].prefix), *data[1:]))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def holding(secret: str, lake) -> set[str]:
    """Names of the files of the lake that hold a secret, as text or as bytes."""
    contents = {
        path: path.read_bytes() for path in Path(lake.path_of("shared", "complaints")).rglob("*") if path.is_file()
    }
    return {
        path.name
        for path, content in contents.items()
        if secret.encode() in content or bytes.fromhex(secret) in content
    }


@pytest.mark.integration
@pytest.mark.parametrize("objective", ["sft", "label_head"])
def test_a_checkpoint_tells_its_budget_holds_no_secret_and_cannot_be_reproduced(
    lake, environment, model, objective, monkeypatch
):
    from ft_platform.reporting.evaluation_report import training_sentence
    from ft_platform.reporting.publishing.training import checkpoint_for
    from ft_platform.training.reproduce import reproduce

    made: list[str] = []
    monkeypatch.setattr(loop, "new_secret", lambda: made.append(new_secret()) or made[-1])
    while_training: set[str] = set()
    remove = States.remove
    monkeypatch.setattr(States, "remove", lambda self: while_training.update(holding(made[0], lake)) or remove(self))
    use_case = use_case_for(
        model,
        learning_rate=5e-3,
        batch_rows=8,
        rank=4,
        objective=objective,
        differential_privacy={"target_epsilon": 6.0},
    )
    compute = use_case.settings.compute.model_copy(update={"save_minutes": 0.0})
    use_case = use_case.model_copy(update={"settings": use_case.settings.model_copy(update={"compute": compute})})
    trained = checkpoint_for(lake, environment, use_case, usable_splits(lake, use_case), LOG)
    info = lake.manifest(trained.checkpoint).info
    budget = info["differential_privacy"]
    assert (
        5.9 < trained.metrics["epsilon"] == budget["epsilon"] <= 6.0
        and budget["unit"] == "record"
        and budget["units"] == 36
    )
    assert "each record alone" in info["batching"]
    sentence = training_sentence(json.loads(lake.read_file(trained.checkpoint, "training.json")))
    assert (
        "Trained with differential privacy: epsilon 6.00 with delta 1.9e-02 per record (36 of them; a person with k"
        " records" in sentence
    )
    assert len(made) == 1
    assert "run.json" in while_training, "saved states hold it, or a killed training could not go on"
    assert holding(made[0], lake) == set(), "it went with them"
    with pytest.raises(
        VersionRefused, match=r"trained with differential privacy.*nobody can compute these weights again"
    ):
        reproduce(lake, environment, use_case, trained.checkpoint)


def test_persons_are_taken_from_the_splits(lake, environment, model):
    import pyarrow as pa

    from ft_platform.training.prepare import prepare
    from ft_platform_tests.tiny_models import SCHEMA

    plain = use_case_for(model, differential_privacy={"noise_multiplier": 1.0})
    record = plain.settings.record.model_copy(update={"subject": "customer"})
    use_case = plain.model_copy(update={"settings": plain.settings.model_copy(update={"record": record})})
    rows = [{**row, "subject_id": f"subject_{number // 3}"} for number, row in enumerate(split_rows())]
    splits = usable_splits(lake, use_case, rows, SCHEMA.append(pa.field("subject_id", pa.string())))
    prepared = prepare(lake, environment, use_case, splits)
    budget = budget_of(prepared.rows, 5, use_case.settings.training)
    assert budget.unit == "person" and budget.units == len({r["subject_id"] for r in rows if r["split"] == "train"})
    assert {row.person for row in prepared.rows} == {r["subject_id"] for r in rows if r["split"] == "train"}


def test_an_estimate_says_what_will_be_promised_and_counts_every_record_alone(lake, environment, model):
    from ft_platform.training.estimate import estimate
    from ft_platform.training.plan import plan_of
    from ft_platform.training.prepare import prepare

    use_case = use_case_for(model, batch_rows=8, rank=4, differential_privacy={"target_epsilon": 6.0})
    prepared = prepare(lake, environment, use_case, usable_splits(lake, use_case))
    training = use_case.settings.training
    plan = plan_of(prepared, training)
    objective = prepared.objective
    assert plan.tokens[0] == sum(objective.shared_tokens + objective.length(prepared.rows[n]) for n in plan.batches[0])
    found = estimate(prepared, training, ComputeProfile(), seconds=0.0, setup=(0.0, 0.0))
    assert found["differential_privacy"]["epsilon"] <= 6.0 and found["seconds"] > 0


def test_divided_weights_are_refused(lake, environment, model, monkeypatch):
    from ft_platform.reporting.publishing import training as trainer

    use_case = use_case_for(model, differential_privacy={"target_epsilon": 6.0})
    profile = ComputeProfile(backend="torchrun", processes=2, sharded=True)
    monkeypatch.setattr(type(environment), "profile", lambda self, name: profile)
    monkeypatch.setattr("ft_platform.training.processes.count", lambda: 2)
    with pytest.raises(ConfigError, match="does not work with a `sharded` compute profile"):
        trainer._fit_in_memory(lake, environment, use_case, usable_splits(lake, use_case), None, None, None, None, LOG)  # type: ignore[arg-type]
