"""Weights that are divided between processes: each reads, keeps and saves its own part, and what comes out is what one
process makes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import safetensors
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from ft_platform.errors import BaseModelError, ConfigError
from ft_platform.models import base_model
from ft_platform.models.base_model import ResolvedModel
from ft_platform.training import processes, sharding
from ft_platform.training.checkpoint import write_weights
from ft_platform.training.lora import trainable, with_trainable_weights
from ft_platform.use_case.settings.training import Training
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.tiny_models import tiny_model, tiny_tokenizer

PROCESSES = 3  # divides few of the lengths


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> ResolvedModel:
    """A model in several files, with one matrix for first and last layer."""
    folder = tmp_path_factory.mktemp("models") / "tied"
    tiny_model(tie_word_embeddings=True).save_pretrained(folder, max_shard_size="60KB")
    tiny_tokenizer().save_pretrained(folder)
    assert len(list(folder.glob("*.safetensors"))) > 2
    return ResolvedModel(folder, "", "tied")


@contextmanager
def process(number: int) -> Iterator[None]:
    """One of several processes that never talk to each other."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", rank=number, world_size=PROCESSES, store=FakeStore())
    try:
        yield
    finally:
        dist.destroy_process_group()


def divided(base: ResolvedModel, dtype: str, training: Training) -> Any:
    model, _ = base_model.load(base, dtype, by_parts=True)
    model = with_trainable_weights(model, training, fused=False)
    sharding.divide(model, base.folder, getattr(torch, dtype))
    return model


class Counted:
    """A file that notes how many numbers are taken out of it at once."""

    def __init__(self, file: Any, taken: list[int]) -> None:
        self.file, self.taken = file, taken

    def __enter__(self) -> "Counted":
        self.file = self.file.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self.file.__exit__(*failure)

    def get_tensor(self, name: str) -> torch.Tensor:
        return self._noted(self.file.get_tensor(name))

    def get_slice(self, name: str) -> "Counted":
        return Counted(self.file.get_slice(name), self.taken)

    def __getitem__(self, rows: slice) -> torch.Tensor:
        return self._noted(self.file[rows])

    def _noted(self, tensor: torch.Tensor) -> torch.Tensor:
        self.taken.append(tensor.numel())
        return tensor


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_each_process_reads_its_part_of_what_one_process_reads(base, monkeypatch, method: str, dtype: str) -> None:
    """Weights, fresh adapters, rotary frequencies, ties, precisions, and what is trained: bit for bit."""
    training, opened = Training.model_validate({"method": method, "rank": 4}), safetensors.safe_open
    whole = with_trainable_weights(base_model.load(base, dtype)[0], training, fused=False)
    expected, buffers = dict(whole.named_parameters(remove_duplicate=False)), dict(whole.named_buffers())
    largest = max(weight.numel() for weight in expected.values())
    of_file = sum(weight.numel() for name, weight in base_model.load(base, dtype)[0].named_parameters())
    seen = dict.fromkeys(expected, 0)
    read: list[int] = []
    for number in range(PROCESSES):
        taken: list[int] = []
        with process(number), monkeypatch.context() as patch:
            patch.setattr(safetensors, "safe_open", lambda *a, taken=taken, **k: Counted(opened(*a, **k), taken))
            model = divided(base, dtype, training)
            found = dict(model.named_parameters(remove_duplicate=False))
            assert found.keys() == expected.keys()
            for name, weight in found.items():
                own = sharding.own(weight)
                rows = processes.rows_of(len(expected[name]))
                assert torch.equal(own, expected[name].detach()[rows]), name
                assert (weight.dtype, weight.requires_grad) == (expected[name].dtype, expected[name].requires_grad)
                seen[name] += own.numel()
            assert {name: b.tolist() for name, b in model.named_buffers()} == {
                n: b.tolist() for n, b in buffers.items()
            }
            assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
        assert max(taken) <= -(-largest // PROCESSES) + 64  # a row more where it cannot be divided evenly
        read += taken
    assert seen == {name: weight.numel() for name, weight in expected.items()}
    assert sum(read) == of_file  # each number by one process


@pytest.mark.parametrize("method", ["lora", "full"])
def test_each_process_puts_its_part_of_a_checkpoint_into_the_model(base, tmp_path, method: str) -> None:
    training = Training.model_validate({"method": method, "rank": 4})
    whole = with_trainable_weights(base_model.load(base, "float32")[0], training, fused=False)
    with torch.no_grad():
        for number, weight in enumerate(trainable(whole).values()):
            weight.fill_(number / 100)
    prepared: Any = SimpleNamespace(model=whole, base=base)
    write_weights(tmp_path, prepared)
    with process(1):
        model = divided(base, "float32", training)
        sharding.put_own_parts(model, tmp_path)
        for name, weight in trainable(model).items():
            expected = trainable(whole)[name].detach()
            assert torch.equal(sharding.own(weight), expected[processes.rows_of(len(expected))]), name
        other = divided(base, "float32", training.model_copy(update={"rank": 8, "method": "lora"}))
        with pytest.raises(BaseModelError, match="its tensors are not those that are trained"):
            sharding.put_own_parts(other, tmp_path)


def test_weights_under_other_names_are_read_whole_and_the_log_says_so(tmp_path, caplog) -> None:
    """The experts of Mixtral lie one by one in its files and are one tensor in the model."""
    tiny_model("mixtral", num_local_experts=2).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    whole, _ = base_model.load(ResolvedModel(tmp_path, "", "experts"), "float32", by_parts=True)
    assert not any(weight.is_meta for weight in whole.parameters())
    assert "experts is read whole by each process before it is divided: its files hold no" in caplog.text


@pytest.mark.parametrize(("objective", "quantization"), [("label_head", "none"), ("sft", "nf4")])
def test_what_cannot_be_divided_is_refused_before_anything_is_read(objective: str, quantization: str) -> None:
    with pytest.raises(ConfigError, match="`sharded` compute profile"):
        sharding.require_divisible(objective, quantization)


@pytest.fixture
def trainings(tmp_path, base) -> Callable[..., list[dict[str, Any]]]:
    """Runs trainings one after the other: number of processes, whether weights are divided, step after which it stops,
    name of the lake."""

    def run(*those: tuple[int, bool, int, str], **training: Any) -> list[dict[str, Any]]:
        settings = {
            "learning_rate": 5e-3,
            "batch_rows": 7,
            "rank": 4,
            "max_steps": 8,
            "epochs": 9,
            "validations_per_epoch": 1,
            "patience": 99,
            **training,
        }
        lines = [
            {
                "processes": count,
                "divided": divides,
                "training": settings,
                "base": str(base.folder),
                "home": str(tmp_path / lake),
                "stop_after": stop,
                "into": str(tmp_path / f"weights-{number}"),
            }
            for number, (count, divides, stop, lake) in enumerate(those)
        ]
        done = subprocess.run(
            [sys.executable, "-m", "ft_platform_tests.training.divided_program"],
            input="".join(f"{json.dumps(line)}\n" for line in lines),
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert done.returncode == 0 and len(found) == len(those), done.stderr[-3000:]
        assert not any("codes" in one for one in found), done.stderr[-3000:]
        return found

    return run


def weights_in(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(next(folder.glob("*.safetensors")))


def test_saved_by_four_processes_it_goes_on_in_two_and_the_checkpoint_is_that_of_one(tmp_path, base, trainings) -> None:
    alone, stopped, resumed = trainings(
        (1, False, 0, "alone"), (4, True, 4, "lake"), (2, True, 0, "lake"), method="full"
    )
    assert stopped == {"ended": "stopped"} and resumed["attempts"] == [4, 2]
    assert resumed["losses"] == pytest.approx(alone["losses"], rel=1e-4)
    expected, found = weights_in(tmp_path / "weights-0"), weights_in(tmp_path / "weights-2")
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], weight, atol=1e-4) for name, weight in expected.items())
    # The files that one process writes of these very weights, byte for byte.
    model, _ = base_model.load(base, "float32")
    model.float().load_state_dict(found, strict=False)
    model.save_pretrained(tmp_path / "again", max_shard_size="1000GB")
    names = {path.name for path in (tmp_path / "again").iterdir()}
    assert names == {path.name for path in (tmp_path / "weights-2").iterdir()} and "model.safetensors" in names
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "weights-2" / name).read_bytes(), name
