"""All that the next optimizer step depends on, saved so that a killed training goes on to the same weights, bit for
bit.

A state holds the trained weights, the moments of the optimizer, the best weights so far, the state of every random
number generator and the course of the training. Learning rate and order of the rows follow from the step and the seed.
States are saved between optimizer steps, so no accumulation is ever half done. There is no gradient scaler: weights
that are trained are float32, the rest is float32 or bfloat16, which need none.
"""

import errno
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ft_platform.errors import StateRefused
from ft_platform.lake.training_states import TrainingStates
from ft_platform.training import processes, sharding
from ft_platform.training.run import TrainingRun

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
    return {"device": device.type, "processor": name, **counts, "torch": torch.__version__}


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
        trained = {name: sharding.whole(p.detach()) for name, p in weights.items()}
        moments = {
            f"{name}|{key}": sharding.whole(value)
            for name, parameter in weights.items()
            for key, value in optimizer.state[parameter].items()
        }
        self.saved_step, self._saved_at = run.step, time.monotonic()
        if not processes.is_first():
            return
        generators = {
            f"{number}.{name}": value for number, (tensors, _) in enumerate(everyone) for name, value in tensors.items()
        }
        with self.folders.writing(run.step) as folder:
            _write(folder / WEIGHTS, trained)
            _write(folder / OPTIMIZER, moments)
            _write(folder / BEST, run.best)
            _write(folder / RANDOM, generators)
            saved = {
                "run": run.to_dict(),
                "random": [plain for _, plain in everyone],
                "divided": sharding.is_divided(weights),
            }
            (folder / RUN).write_text(json.dumps(saved))

    def restore(self, weights: Weights, optimizer: torch.optim.Optimizer) -> TrainingRun | None:
        """Puts the newest whole state into `weights`, `optimizer` and the random number generators; None if there is
        none.

        Raises:
            StateRefused: it was made by another number of processes.
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
            self._require_processes(
                step, len(saved["random"]), saved.get("divided", False) == sharding.is_divided(weights)
            )
            with torch.no_grad():
                for name, value in _read(folder / WEIGHTS).items():
                    weights[name].copy_(sharding.part_of(value, weights[name]))
            optimizer.state.clear()
            for name, value in _read(folder / OPTIMIZER).items():
                parameter, key = name.split("|")
                # The step counter stays on the CPU, where the optimizer keeps it.
                optimizer.state[weights[parameter]][key] = (
                    value if key == "step" else sharding.part_of(value, weights[parameter])
                )
            run = TrainingRun.from_dict(saved["run"])
            run.best = _read(folder / BEST)
            own = f"{processes.number()}."
            tensors = {
                name.removeprefix(own): value for name, value in _read(folder / RANDOM).items() if name.startswith(own)
            }
            _restore_generators(tensors, saved["random"][processes.number()])
        self.saved_step = step
        self.log.info(f"training goes on from the state saved after step {step} of {run.steps}")
        self._warn_of_other_hardware(run, next(iter(weights.values())).device)
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

    def _require_processes(self, step: int, saved_by: int, divided_alike: bool) -> None:
        if saved_by != processes.count() or not divided_alike:
            other = f"of {saved_by} processes, and this attempt has {processes.count()}"
            if saved_by == processes.count():
                other = "of a training whose weights were divided between processes otherwise (`sharded`)"
            raise StateRefused(
                f"the state saved after step {step} is {other}: the result would be another",
                f"Use the compute profile it was started with, or remove {self.folders.folder} to begin again",
            )

    def _warn_of_other_hardware(self, run: TrainingRun, device: torch.device) -> None:
        before, now = run.attempts[-1], hardware(device)
        changed = [f"{name} {before[name]} -> {now[name]}" for name in now if before.get(name) != now[name]]
        if changed:
            self.log.warning(
                f"this attempt runs with another {', '.join(changed)}: the result can differ in the last bits, and `ft"
                " reproduce` will say so"
            )


def _write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, path)
    except SafetensorError as error:  # its own type, also for a full disk
        if "os error 28" in str(error) or "No space left" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device", str(path)) from None
        raise


def _read(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    # Copied out of the mapped file, which may be removed while the tensors live.
    return {name: tensor.clone() for name, tensor in load_file(path).items()}


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
