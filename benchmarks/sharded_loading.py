"""How much memory each process of a training needs to load its part of a model: if each reads its own rows of the
weights, and if each reads all of them and keeps its part.

    python benchmarks/sharded_loading.py
    python benchmarks/sharded_loading.py --layers 9 --processes 2 4 --json

Makes a model of random float32 weights in several safetensors files (9 layers: 0.6 GB), and loads it with LoRA adapters
in several processes on this machine (gloo). Prints for each number of processes the most memory that a process had
beyond what it had before, in MiB and as a share of the weights: RssAnon of Linux, looked at every 2 ms. Pages of the
files are not in it; the kernel takes them back where memory is short."""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

WAYS = ("parts", "whole")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=9)
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", choices=("make", *WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work == "make":
        make(arguments.folder, arguments.layers)
    elif arguments.work:
        print(json.dumps(load(arguments.folder, by_parts=arguments.work == "parts")))
    else:
        found = measured(arguments.layers, arguments.processes)
        print(json.dumps(found) if arguments.json else table(found))


def measured(layers: int, processes: list[int]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        subprocess.run([*command("make", folder), "--layers", str(layers)], check=True, stderr=subprocess.DEVNULL)
        weights = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**20
        rows = [
            {"processes": count, "way": way, "peak_mib": max(together(count, way, folder))}
            for count in processes
            for way in WAYS
        ]
    return {"weights_mib": round(weights), "rows": rows}


def together(count: int, way: str, folder: Path) -> list[int]:
    """Peak of each process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(count)}
    started = [
        subprocess.Popen(
            command(way, folder),
            env={**os.environ, **meet, "RANK": str(number), "LOCAL_RANK": str(number), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for number in range(count)
    ]
    peaks = dict.fromkeys(started, 0)
    while any(process.poll() is None for process in started):
        peaks = {process: max(peak, memory(process.pid)) for process, peak in peaks.items()}
        time.sleep(0.002)
    answers = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit(f"{way} with {count} processes failed")
    before = [json.loads(answer.splitlines()[-1]) for answer in answers]
    return [(peaks[process] - had) // 1024 for process, had in zip(started, before, strict=True)]


def command(work: str, folder: Path) -> list[str]:
    return [sys.executable, __file__, "--work", work, "--folder", str(folder)]


def make(folder: Path, layers: int) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    from ft_platform_tests.tiny_models import tiny_tokenizer

    config = LlamaConfig(
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=layers,
        num_attention_heads=16,
        vocab_size=32_000,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder, max_shard_size="200MB")
    tiny_tokenizer().save_pretrained(folder)


def load(folder: Path, by_parts: bool) -> int:
    """Loads and divides the model; KiB that this process had before."""
    import peft  # noqa: F401
    import torch
    import torch.distributed.fsdp
    from torch.distributed.tensor import DTensor  # noqa: F401
    from transformers import LlamaForCausalLM  # noqa: F401

    from ft_platform.models import base_model
    from ft_platform.settings.training import Training
    from ft_platform.training import sharding
    from ft_platform.training.lora import with_trainable_weights
    from ft_platform.training.processes import process_group, wait_for_all

    with process_group():
        before = memory(os.getpid())
        model, _ = base_model.load(base_model.ResolvedModel(folder, "", "made up"), "float32", by_parts=by_parts)
        model = with_trainable_weights(model, Training(), fused=False)
        sharding.divide(model, folder, torch.float32)
        wait_for_all()
        return before


def memory(process: int) -> int:
    """KiB of its own; 0 after its end."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def table(found: dict[str, Any]) -> str:
    lines = [f"weights: {found['weights_mib']:,} MiB", "processes  read by parts      read whole"]
    for count in dict.fromkeys(row["processes"] for row in found["rows"]):
        of = {row["way"]: row["peak_mib"] for row in found["rows"] if row["processes"] == count}
        shares = [f"{of[way]:6,} MiB ({of[way] / found['weights_mib']:.2f})" for way in WAYS]
        lines.append(f"{count:9}  {'  '.join(shares)}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
