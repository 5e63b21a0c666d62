"""How much memory each process of a training needs to load its part of a model: if each reads its own rows of the
weights, and if each reads all of them and keeps its part.

    python benchmarks/sharded_loading.py
    python benchmarks/sharded_loading.py --layers 9 --processes 2 4 --json

Makes a model of random float32 weights in several safetensors files (9 layers: 0.6 GB), and loads it with LoRA adapters
in several processes on this machine (gloo), in float32 and rounded to bfloat16. Prints the most memory that a process
had beyond what it had before, in MiB, looked at every 2 ms: its own (RssAnon of Linux), and with the pages of files
that it looked at (VmRSS), which the kernel takes back where memory is short."""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

WAYS = ("parts", "whole")
KINDS = ("RssAnon", "VmRSS")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=9)
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import peft  # noqa: F401
    import torch
    import torch.distributed.fsdp
    from torch.distributed.tensor import DTensor  # noqa: F401
    from transformers import LlamaForCausalLM  # noqa: F401

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        ended(os.fork() or make(folder, arguments.layers))
        weights = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**20
        if not arguments.json:
            print(
                f"weights in float32: {weights:.0f} MiB\nprocesses  loaded as  read by    own MiB  with files",
                flush=True,
            )
        for count in arguments.processes:
            for dtype in ("float32", "bfloat16"):
                for way in WAYS:
                    own, everything = together(count, way, dtype, folder)
                    row = {"processes": count, "dtype": dtype, "way": way, "own_mib": own, "rss_mib": everything}
                    shown = f"{count:9}  {dtype:9}  {way:7}  {own:9,}  {everything:10,}"
                    print(json.dumps({"weights_mib": round(weights), **row}) if arguments.json else shown, flush=True)


def together(count: int, way: str, dtype: str, folder: Path) -> list[int]:
    """The most of each kind of memory that one of the processes had beyond what it had before, in MiB."""
    with tempfile.TemporaryDirectory() as meeting:
        children = [os.fork() or load(folder, dtype, way, number, count, Path(meeting)) for number in range(count)]
        running, peaks = set(children), {child: [0, 0] for child in children}
        while running:
            for child in list(running):
                peaks[child] = list(map(max, peaks[child], memory(child)))
                if ended(child, os.WNOHANG):
                    running.remove(child)
            time.sleep(0.002)
        before = [json.loads((Path(meeting) / str(number)).read_text()) for number in range(count)]
        more = [[p - b for p, b in zip(peaks[c], had, strict=True)] for c, had in zip(children, before, strict=True)]
        return [max(kind) // 1024 for kind in zip(*more, strict=True)]


def ended(child: int, options: int = 0) -> bool:
    pid, status = os.waitpid(child, options)
    if pid and status:
        raise SystemExit("a process failed")
    return bool(pid)


def make(folder: Path, layers: int) -> int:
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
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="200MB")
    tiny_tokenizer().save_pretrained(folder)
    os._exit(0)


def load(folder: Path, dtype: str, way: str, number: int, count: int, meeting: Path) -> int:
    """Notes what this process has before, then loads and divides the model, and ends."""
    import torch
    import torch.distributed as dist

    from ft_platform.models import base_model
    from ft_platform.training import sharding
    from ft_platform.training.lora import with_trainable_weights
    from ft_platform.use_case.settings.training import Training

    try:
        dist.init_process_group("gloo", init_method=f"file://{meeting}/store", rank=number, world_size=count)
        (meeting / str(number)).write_text(json.dumps(memory(os.getpid())))
        resolved = base_model.ResolvedModel(folder, "", "made up")
        model, _ = base_model.load(resolved, dtype, by_parts=way == "parts")
        model: Any = with_trainable_weights(model, Training(), fused=False)
        sharding.divide(model, folder, getattr(torch, dtype))
        dist.barrier()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def memory(process: int) -> list[int]:
    """KiB of each kind; 0 after its end."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return [0, 0]
    found = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(KINDS)}
    return [found.get(kind, 0) for kind in KINDS]


if __name__ == "__main__":
    main()
