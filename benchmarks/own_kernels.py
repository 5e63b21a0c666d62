"""What each of our own kernels gains: CPU seconds of one training step with all of them, with all but one and with
none, by turns in one process.

    python benchmarks/own_kernels.py --json                 # 8 short chats
    python benchmarks/own_kernels.py --shape long --json    # 2 rows of about 1,550 tokens
    python benchmarks/own_kernels.py --dtype float32 --json
    ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 python benchmarks/own_kernels.py --dtype float32 --json

Rows, model and adapter are those of `benchmarks/training.py`. Prints `{"cpu_seconds": {variant: median}, "gain":
{kernel: how many times as long the step takes without it}, "parts": {function: [own, plain]}, "loss": {variant}, ...}`:
`parts` are the CPU seconds inside each function of the step, forward and backward.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

PLACES = {
    "products": ("fused_lora.takes",),
    "output_layer_and_loss": ("answer_loss.takes",),
    "attention": ("own_attention.takes",),
    "norms_gates_rotation": ("fused_layers.takes", "fused_rotary.takes"),
}
"""Kernel -> functions that say whether to use it."""
ROWS = {"short": 8, "long": 2}


def without(kernels: list[str]) -> ExitStack:
    off = ExitStack()
    for place in (place for kernel in kernels for place in PLACES[kernel]):
        off.enter_context(patch(f"ft_platform.models.kernels.{place}", lambda *_: False))
    return off


def prepared(arguments: argparse.Namespace) -> tuple[Any, Any, list[Any]]:
    import training
    import training_systems

    from ft_platform.models import base_model
    from ft_platform.models.rendering.renderer import Renderer
    from ft_platform.use_case.schema import Task
    from ft_platform.use_case.settings.base_model import BaseModelSettings
    from ft_platform.use_case.settings.training import Training

    base = base_model.resolve(BaseModelSettings(uri=training.URI), arguments.cache)
    renderer = Renderer(base_model.load(base)[1], Task(kind="generation", instruction=training.INSTRUCTION))
    with tempfile.TemporaryDirectory() as folder:
        rows = training.rendered_rows(renderer, arguments.shape, ROWS[arguments.shape], Path(folder))
    job = {"model": str(base.folder), "prefix": renderer.prefix_ids(), "rows": rows, "dtype": arguments.dtype}
    return training_systems.prepared(job, {}, Training(epochs=1))


def timed_parts() -> dict[str, float]:
    """CPU seconds inside each function of our own with gradients, which this begins to count."""
    from ft_platform.models.kernels import answer_loss, fused_layers, fused_lora, fused_rotary, packed_attention

    spent: dict[str, float] = {}

    def counting(function: Any, name: str) -> Any:
        def counted(*arguments: Any) -> Any:
            start = time.process_time()
            result = function(*arguments)
            spent[name] = spent.get(name, 0.0) + time.process_time() - start
            return result

        return staticmethod(counted)

    for module, name in (
        (fused_lora, "_SummedOnce"),
        (answer_loss, "_LinearCrossEntropy"),
        (packed_attention, "_PackedAttention"),
        (fused_layers, "_RmsNorm"),
        (fused_layers, "_Gated"),
        (fused_rotary, "_Rotary"),
    ):
        function = getattr(module, name)
        for way in ("forward", "backward"):
            setattr(function, way, counting(getattr(function, way), name.strip("_")))
    return spent


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    import torch
    import training_systems

    from ft_platform.models.kernels.own_kernels import kernels, takes
    from ft_platform.programs.reporting import prepare_process

    prepare_process()
    torch.set_num_threads(arguments.threads)
    model, objective, rows = prepared(arguments)
    if not takes(next(model.parameters())):
        raise SystemExit("our own kernels are not for this processor, or there is no compiler")
    variants = {"own": [], **{f"without {name}": [name] for name in PLACES}, "plain": list(PLACES)}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    losses: dict[str, float] = {}
    spent, parts = timed_parts(), {name: list[dict[str, float]]() for name in ("own", "plain")}
    for number in range(arguments.rounds + 1):
        for name, off in variants.items():
            spent.clear()
            with without(off):
                start = time.process_time()
                loss = objective.loss(model.train(), rows)
                loss.backward()
                whole = time.process_time() - start
            model.zero_grad()
            losses[name] = round(float(loss.detach()), 5)
            if number:  # the first round warms up
                seconds[name].append(whole)
            if number and name in parts:
                parts[name].append(dict(spent))
    found = {name: round(median(some), 4) for name, some in seconds.items()}
    return {
        "cpu_seconds": found,
        "gain": {name: round(found[f"without {name}"] / found["own"], 3) for name in PLACES},
        "parts": {
            part: [round(median(one[part] for one in parts[name]), 4) for name in parts] for part in parts["own"][0]
        },
        "all": round(found["plain"] / found["own"], 3),
        "loss": losses,
        "gflops_per_cpu_second": round(training_systems.step_flops(model, objective, rows) / found["own"] / 1e9),
        "tokens": objective.shared_tokens + sum(len(row.ids) for row in rows),
        "threads": arguments.threads,
        "kernels": kernels(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", choices=sorted(ROWS), default="short")
    parser.add_argument("--dtype", choices=["auto", "float32"], default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(".ft/cache"), help="where the base model is kept")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["FT_THREADS"] = str(arguments.threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    found = measure(arguments)
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
