"""Saved states: a training that is stopped goes on to the same weights; damaged, foreign and missing states are never
taken for good ones."""

import json
import logging
import random
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ft_platform.errors import DiskFull, Preempted
from ft_platform.lake.opening import open_lake
from ft_platform.lake.training_states import TrainingStates
from ft_platform.lake.versions import TableVersion
from ft_platform.models.kernels import own_kernels
from ft_platform.models.kernels.packed_forward import packed_forward
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.training import state
from ft_platform.training.batches import Row, split_off_prefix
from ft_platform.training.loop import train
from ft_platform.training.lora import add_adapter
from ft_platform.training.objectives import AnswerLoss
from ft_platform.training.state import States
from ft_platform.training.stopping import Stopping
from ft_platform.use_case.schema import Task
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.tiny_models import split_rows, tiny_model, tiny_tokenizer

LOG = logging.getLogger("test")
# Dropout draws from torch's generator in every step; patience and best step are part of the state.
TRAINING = Training(
    learning_rate=5e-3, batch_rows=8, rank=4, epochs=2.5, dropout=0.1, weight_decay=0.01, validations_per_epoch=2
)


@pytest.fixture(scope="module")
def data():
    renderer = Renderer(
        tiny_tokenizer(), Task(kind="classification", instruction="One of: {labels}."), ["loan", "card"]
    )
    prefix = renderer.prefix_ids()
    sides = [
        split_off_prefix(
            [renderer.example(r["messages"], r["label"]) for r in split_rows(40) if r["split"] == side], prefix
        )
        for side in ("train", "validation")
    ]
    return AnswerLoss(packed_forward, prefix), *sides


@pytest.fixture
def folders(tmp_path) -> TrainingStates:
    return TrainingStates(
        open_lake(Environment(home=tmp_path)), TableVersion("complaints", "splits", "shared", 1, "c0", 40, ""), "ckpt-1"
    )


def states(folders: TrainingStates, every_seconds: float = 0.0) -> States:
    return States(folders, every_seconds, LOG)


class StopAfter(Stopping):
    """A stop request that arrives during one step."""

    def __init__(self, step: int) -> None:
        super().__init__("complaints")
        self.step = step

    def __call__(self, run):
        self.signal = signal.SIGTERM if run.step == self.step else None
        return super().__call__(run)


def run(data, saved: States | None = None, stop_after: int = 0, training: Training = TRAINING):
    objective, rows, validation = data
    torch.manual_seed(random.randrange(10_000))  # another state of the generator in every attempt, as in a new process
    return train(
        add_adapter(tiny_model(), training),
        objective,
        rows,
        validation,
        training,
        states=saved,
        limit=StopAfter(stop_after),
    )


@pytest.fixture(scope="module")
def uninterrupted(data):
    return run(data)


def same(a, b) -> bool:
    return a.best.keys() == b.best.keys() and all(torch.equal(value, b.best[name]) for name, value in a.best.items())


def losses(run) -> list[tuple[float | None, ...]]:
    return [(p["step"], p.get("loss"), p.get("validation_loss")) for p in run.curve]


@pytest.mark.parametrize("stops", [[1], [5], [2, 3, 7], list(range(1, 10))], ids=str)
def test_a_stopped_training_goes_on_to_the_same_weights_and_the_same_curve(data, folders, uninterrupted, stops):
    for number, step in enumerate(stops):
        with pytest.raises(
            Preempted,
            match=(
                rf"by SIGTERM; the state after step {step} of \d+ was saved.*ft run complaints --select"
                r" adapter_checkpoint"
            ),
        ):
            run(data, states(folders, every_seconds=9999), stop_after=step)
        assert folders.steps()[0] == step and len(folders.steps()) == min(number + 1, 2)
    finished = run(data, states(folders))
    assert same(finished, uninterrupted)
    assert losses(finished) == losses(uninterrupted)
    assert [a["from_step"] for a in finished.attempts] == [0, *stops] and finished.tokens == uninterrupted.tokens


@pytest.mark.parametrize("left_out", ["optimizer", "best", "random", "misses", "step counter"])
def test_a_state_without_one_of_its_parts_would_give_other_weights(data, folders, uninterrupted, monkeypatch, left_out):
    """Each part is needed: without it the comparison above turns red."""
    objective, rows, validation = data
    # Validation answers that are wrong get worse with training: the best comes early, so that what was kept, and the
    # count of misses, matter.
    wrong = [Row(row.ids, [(target + 1) % 256 for target in row.targets], row.places) for row in validation]
    data = objective, rows, wrong
    training = TRAINING.model_copy(update={"epochs": 20, "patience": 4, "validations_per_epoch": 4})
    expected = run(data, training=training)
    stop = expected.step - 2
    assert expected.stopped_early and 0 < expected.best_step < stop
    with pytest.raises(Preempted):
        run(data, states(folders, 9999), stop, training)
    read, from_dict = state._tensors, state.TrainingRun.from_dict

    def without(path: Path):
        found = {name: file.get_tensor(name).clone() for name, file in read(path)}
        if left_out in ("optimizer", "step counter") and path.name == state.OPTIMIZER:
            other, steps = (torch.zeros_like, False) if left_out == "optimizer" else (torch.ones_like, True)
            found = {name: other(t) if name.endswith("step") == steps else t for name, t in found.items()}
        if left_out == "best" and path.name == state.BEST:
            found = {}
        return [(name, SimpleNamespace(get_tensor=found.__getitem__)) for name in found]

    def without_misses(values):
        return from_dict({**values, "misses": 0, "best_loss": None if left_out == "best" else values["best_loss"]})

    monkeypatch.setattr(state, "_tensors", without)
    if left_out == "random":
        monkeypatch.setattr(state, "_restore_generators", lambda *_: None)
    if left_out in ("misses", "best"):
        monkeypatch.setattr(state.TrainingRun, "from_dict", without_misses)
    broken = run(data, states(folders), training=training)
    assert not same(broken, expected) or losses(broken) != losses(expected)
    monkeypatch.undo()
    folders.remove()
    with pytest.raises(Preempted):
        run(data, states(folders, 9999), stop, training)
    whole = run(data, states(folders), training=training)
    assert same(whole, expected) and losses(whole) == losses(expected)


def test_in_another_number_of_processes_each_draws_its_own_numbers_and_the_same_ones_again(monkeypatch):
    torch.manual_seed(3)
    tensors, plain = state._generators()
    saved = {f"0.{name}": value for name, value in tensors.items()}

    def drawn(number: int, count: int, step: int) -> list[float]:
        monkeypatch.setattr(state.processes, "number", lambda: number)
        monkeypatch.setattr(state.processes, "count", lambda: count)
        state._restore_all_generators(saved, [plain], step)
        return torch.rand(3).tolist()

    of_two = [drawn(number, 2, 5) for number in (0, 1)]
    assert of_two == [drawn(number, 2, 5) for number in (0, 1)]
    different = [*of_two, drawn(0, 3, 5), drawn(0, 2, 6), drawn(0, 1, 5)]
    assert len({tuple(one) for one in different}) == 5
    assert drawn(0, 1, 5) == drawn(0, 1, 6)  # as many as saved it: exactly what they were


def test_all_random_number_generators_are_saved_and_restored(folders):
    weights = {"w": torch.nn.Parameter(torch.zeros(2))}
    optimizer = torch.optim.AdamW(weights.values())
    saved = states(folders)
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    saved.save(state.TrainingRun(steps=4, step=1, attempts=[state.hardware(torch.device("cpu"))]), weights, optimizer)
    drawn = random.random(), np.random.normal(), torch.rand(2)
    random.seed(7), np.random.seed(8), torch.manual_seed(9)
    states(folders).restore(weights, optimizer)
    again = random.random(), np.random.normal(), torch.rand(2)
    assert again[:2] == drawn[:2] and torch.equal(again[2], drawn[2])


def saved_at(data, folders, *steps: int) -> list[Path]:
    for step in steps:
        with pytest.raises(Preempted):
            run(data, states(folders, 9999), stop_after=step)
    return [Path(folders.folder) / f"step-{step:08d}" for step in steps]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FILES = [state.WEIGHTS, state.OPTIMIZER, state.BEST, state.RANDOM, state.RUN, "manifest.json"]
DAMAGE = {
    "bit": flip,
    "cut": lambda p: p.write_bytes(p.read_bytes()[:-1]),
    "gone": lambda p: p.unlink(),
    "empty": lambda p: p.write_bytes(b""),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_state_is_set_aside_and_the_one_before_it_leads_to_the_same_weights(
    data, folders, uninterrupted, caplog, name, damage
):
    _, newest = saved_at(data, folders, 2, 4)
    damage(newest / name)
    saved = states(folders)
    with caplog.at_level(logging.INFO):
        finished = run(data, saved)
    assert same(finished, uninterrupted) and [a["from_step"] for a in finished.attempts][-1] == 2
    assert (
        [step for step, _ in saved.damaged] == [4]
        and "step 4 is damaged" in caplog.text
        and "goes on from the state saved after step 2" in caplog.text
    )


def test_where_every_state_is_damaged_training_begins_again_and_says_so(data, folders, uninterrupted, caplog):
    for folder in saved_at(data, folders, 2, 4):
        flip(folder / state.WEIGHTS)
    saved = states(folders)
    finished = run(data, saved)
    assert (
        same(finished, uninterrupted) and len(finished.attempts) == 1 and [step for step, _ in saved.damaged] == [4, 2]
    )


def test_a_manifest_that_names_no_file_or_too_few_is_no_proof(folders, data):
    _, newest = saved_at(data, folders, 2, 4)
    manifest = newest / "manifest.json"
    manifest.write_text(json.dumps({"step": 4, "files": {}, "splits": "splits@1", "splits_content_hash": "c"}))
    saved = states(folders)
    run(data, saved)
    assert saved.damaged == [(4, "manifest.json names no file")]


def test_a_full_disk_leaves_the_states_before_as_they_were(data, folders, uninterrupted, monkeypatch):
    saved_at(data, folders, 2)
    before = {p: p.read_bytes() for p in Path(folders.folder).rglob("*") if p.is_file()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ft_platform.training.tensor_writing.each_whole", full)
    with pytest.raises(DiskFull, match="no space left for state-ckpt-1 of complaints"):
        run(data, states(folders))
    monkeypatch.undo()
    assert {p: p.read_bytes() for p in Path(folders.folder).rglob("*") if p.is_file()} == before
    assert same(run(data, states(folders)), uninterrupted)


def test_no_state_is_written_when_all_steps_are_done(data, folders):
    finished = run(data, states(folders))
    assert finished.finished and max(folders.steps()) < finished.steps
    folders.remove()
    assert folders.steps() == [] and not Path(folders.folder).exists()


def test_another_number_of_threads_is_told(data, folders, caplog):
    saved_at(data, folders, 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        run(data, states(folders))
    finally:
        torch.set_num_threads(threads)
    assert f"threads {threads} -> {threads + 1}" in caplog.text


IN_BFLOAT16 = Training(learning_rate=5e-3, batch_rows=8, rank=4, epochs=1.5, validations_per_epoch=2)


def run_in_bfloat16(data, saved: States | None = None, stop_after: int = 0):
    model = add_adapter(tiny_model(hidden_size=64, num_attention_heads=4, head_dim=16).bfloat16(), IN_BFLOAT16)
    limit = StopAfter(stop_after)
    return train(model, data[0], data[1], data[2], IN_BFLOAT16, states=saved, limit=limit)


def forgetting_kernels(monkeypatch) -> None:
    """States as versions without own kernels wrote them."""
    to_dict = state.TrainingRun.to_dict

    def without(run):
        told = to_dict(run)
        return {**told, "attempts": [{k: v for k, v in a.items() if k != "kernels"} for a in told["attempts"]]}

    monkeypatch.setattr(state.TrainingRun, "to_dict", without)


@pytest.mark.parametrize("begun_with", [own_kernels.OWN_BFLOAT16, own_kernels.PLAIN, "a version without own ones"])
def test_a_training_goes_on_with_the_kernels_it_began_with(data, folders, caplog, monkeypatch, begun_with):
    if own_kernels.kernels() != own_kernels.OWN_BFLOAT16:
        pytest.skip("own kernels: no AVX-512 for bfloat16, or AMX, or no compiler")
    first = begun_with if begun_with == own_kernels.OWN_BFLOAT16 else own_kernels.PLAIN
    with own_kernels.kernels_kept(), monkeypatch.context() as older:
        own_kernels.go_on_with(first)
        whole = run_in_bfloat16(data)
        if begun_with.startswith("a version"):
            forgetting_kernels(older)
        with pytest.raises(Preempted):
            run_in_bfloat16(data, states(folders, 9999), stop_after=2)
    assert own_kernels.kernels() == own_kernels.OWN_BFLOAT16
    finished = run_in_bfloat16(data, states(folders))
    assert same(finished, whole) and losses(finished) == losses(whole)
    assert finished.attempts[-1]["kernels"] == first and "another" not in caplog.text
    assert own_kernels.kernels() == own_kernels.OWN_BFLOAT16, "of this training only"


def test_kernels_that_are_missing_are_told(data, folders, caplog, monkeypatch):
    if own_kernels.kernels() != own_kernels.OWN_BFLOAT16:
        pytest.skip("own kernels: no AVX-512 for bfloat16, or AMX, or no compiler")
    whole = run_in_bfloat16(data)
    with pytest.raises(Preempted):
        run_in_bfloat16(data, states(folders, 9999), stop_after=2)
    monkeypatch.setattr(own_kernels, "_library", lambda *_: None)
    finished = run_in_bfloat16(data, states(folders))
    assert "with another kernels avx512_bf16 -> plain: the result can differ in the last bits" in caplog.text
    assert not same(finished, whole), "so a training that goes on with its kernels is one that has them"
