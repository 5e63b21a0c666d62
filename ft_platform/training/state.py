"""All that the next optimizer step depends on, saved so that a killed training goes on to the same weights, bit for
bit; with another number of processes to the same up to rounding.

A state holds the trained weights, the moments of the optimizer, the best weights so far, the state of every random
number generator and the course of the training. Learning rate and order of the rows follow from the step and the seed.
Tensors are saved whole, whatever number of processes has them. States are saved between optimizer steps, so no
accumulation is ever half done. There is no gradient scaler: weights
that are trained are float32, the rest is float32 or bfloat16, which need none.
"""

import hashlib
import json
import random
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ft_platform.lake.training_states import TrainingStates
from ft_platform.models.kernels.own_kernels import PLAIN, go_on_with, kernels
from ft_platform.training import processes, sharding
from ft_platform.training.run import TrainingRun
from ft_platform.training.tensor_writing import each_whole, write_tensors

WEIGHTS, OPTIMIZER, BEST, RANDOM, RUN = (
    "weights.safetensors",
    "optimizer.safetensors",
    "best.safetensors",
    "random.safetensors",
    "run.json",
)
Weights = dict[str, torch.nn.Parameter]


def hardware(device: torch.device) -> dict[str, Any]:
    """What decides the last bits of a result besides inputs and code."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    counts = {"threads": torch.get_num_threads(), "processes": processes.count()}
    computing = {"kernels": kernels(), "torch": torch.__version__}
    return {"device": device.type, "processor": name, **counts, **computing}


class States:
    """Saves and restores the states of one training.

    Args:
        folders: where they lie.
        every_seconds: time between two states; 0: after every step.
        log: a logger.

    Attributes:
        damaged: step and reason of each saved state that was not whole and was set aside.
    """

    def __init__(self, folders: TrainingStates, every_seconds: float, log: Any) -> None:
        self.folders, self.every_seconds, self.log = folders, every_seconds, log
        self.damaged: list[tuple[int, str]] = []
        self.saved_step = 0
        self._saved_at = time.monotonic()

    def due(self, run: TrainingRun) -> bool:
        return not run.finished and time.monotonic() - self._saved_at >= self.every_seconds

    def save(self, run: TrainingRun, weights: Weights, optimizer: torch.optim.Optimizer) -> None:
        """Writes the state after `run.step`; it counts once all of it is on the disk.

        Raises:
            DiskFull: the states before are intact.
        """
        everyone = processes.gathered(_generators())
        moments = {
            f"{name}|{key}": value
            for name, parameter in weights.items()
            for key, value in optimizer.state[parameter].items()
        }
        tensors = {
            WEIGHTS: {name: (sharding.own(p), p) for name, p in weights.items()},
            OPTIMIZER: {name: (sharding.own(value), value) for name, value in moments.items()},
            BEST: {name: (value, weights[name]) for name, value in run.best.items()},
        }
        self.saved_step, self._saved_at = run.step, time.monotonic()
        if not processes.is_first():
            if sharding.is_divided(weights):
                for kept in tensors.values():
                    deque(each_whole(kept), maxlen=0)
            return
        generators = {
            f"{number}.{name}": (value, value)
            for number, (states, _) in enumerate(everyone)
            for name, value in states.items()
        }
        with self.folders.writing(run.step) as folder:
            for name, kept in (tensors | {RANDOM: generators}).items():
                write_tensors(folder / name, kept)
            saved = {
                "run": run.to_dict(),
                "random": [plain for _, plain in everyone],
                "divided": sharding.is_divided(weights),
            }
            (folder / RUN).write_text(json.dumps(saved))

    def restore(self, weights: Weights, optimizer: torch.optim.Optimizer) -> TrainingRun | None:
        """Puts the newest whole state into `weights`, `optimizer` and the random number generators; None if there is
        none. Training goes on with the kernels of before, where this machine has them. Where another number of
        processes saved the state, the generators are seeded anew, from the saved ones.
        """
        if not processes.is_first():
            processes.wait_for_all()  # the first one sets damaged states aside
        try:
            return self._restore(weights, optimizer)
        finally:
            if processes.is_first():
                processes.wait_for_all()

    def _restore(self, weights: Weights, optimizer: torch.optim.Optimizer) -> TrainingRun | None:
        with self.folders.newest(self._set_aside) as found:
            if found is None:
                return None
            step, folder = found
            saved = json.loads((folder / RUN).read_text())
            for name, file in _tensors(folder / WEIGHTS):
                sharding.own(weights[name]).copy_(sharding.own_rows(file, name, weights[name]))
            optimizer.state.clear()
            for name, file in _tensors(folder / OPTIMIZER):
                parameter, key = name.split("|")
                like = weights[parameter]
                # The step counter stays on the CPU, where the optimizer keeps it.
                optimizer.state[like][key] = (
                    file.get_tensor(name).clone()
                    if key == "step"
                    else sharding.divided_like(sharding.own_rows(file, name, like), like)
                )
            run = TrainingRun.from_dict(saved["run"])
            run.best = {name: sharding.own_rows(file, name, weights[name]) for name, file in _tensors(folder / BEST)}
            _restore_all_generators(
                {name: file.get_tensor(name).clone() for name, file in _tensors(folder / RANDOM)}, saved["random"], step
            )
        self.saved_step = step
        self.log.info(f"training goes on from the state saved after step {step} of {run.steps}")
        before = {"sharded": saved.get("divided", False), "kernels": PLAIN, **run.attempts[-1]}
        go_on_with(before["kernels"])
        self._warn_of_other_hardware(
            before,
            {"sharded": sharding.is_divided(weights), **hardware(next(iter(weights.values())).device)},
        )
        return run

    def remove(self) -> None:
        """Removes all states: the checkpoint is published."""
        self.folders.remove()

    def _set_aside(self, step: int, problem: str) -> None:
        self.damaged.append((step, problem))
        self.log.warning(
            f"the state saved after step {step} is damaged ({problem}) and was set aside; training goes on from the one"
            " before it"
        )

    def _warn_of_other_hardware(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        changed = [f"{name} {before[name]} -> {now[name]}" for name in now if before.get(name) != now[name]]
        if changed:
            drawn = "; dropout draws other numbers" if before.get("processes") != now["processes"] else ""
            self.log.warning(
                f"this attempt runs with another {', '.join(changed)}: the result can differ in the last bits{drawn},"
                " and `ft reproduce` will say so"
            )


def _tensors(path: Path) -> Iterator[tuple[str, Any]]:
    """The name of each tensor of a file, and the open file."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            yield name, file


def _generators() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """States of torch's generators as tensors, of Python's and numpy's as JSON values."""
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda.{number}": state for number, state in enumerate(torch.cuda.get_rng_state_all())}
    version, numbers, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    return tensors, {
        "python": [version, list(numbers), gauss],
        "numpy": [name, np.asarray(keys).tolist(), position, has_gauss, cached],
    }


def _restore_all_generators(tensors: dict[str, torch.Tensor], plain: list[dict[str, Any]], step: int) -> None:
    number, count = processes.number(), processes.count()
    if len(plain) == count:
        own = {name.partition(".")[2]: value for name, value in tensors.items() if name.startswith(f"{number}.")}
        _restore_generators(own, plain[number])
        return
    first = tensors["0.torch"]
    _restore_generators({"torch": first}, plain[0])
    seed = hashlib.blake2b(first.numpy().tobytes(), digest_size=8, key=f"{step} {number} {count}".encode()).digest()
    torch.manual_seed(int.from_bytes(seed, "little", signed=True))


def _restore_generators(tensors: dict[str, torch.Tensor], plain: dict[str, Any]) -> None:
    torch.set_rng_state(tensors["torch"])
    if torch.cuda.is_available():
        # As many as were saved: a machine with fewer GPUs is told as other hardware.
        for number in range(min(torch.cuda.device_count(), len(tensors) - 1)):
            torch.cuda.set_rng_state(tensors[f"cuda.{number}"], number)
    version, numbers, gauss = plain["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = plain["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
