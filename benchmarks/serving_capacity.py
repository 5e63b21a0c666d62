"""How many requests a core answers and how much memory a server takes, for three sizes of base model.

    python benchmarks/serving_capacity.py --folder F

Models with made-up weights in the shapes of SmolLM2 135M, 360M and 1.7B, which are as fast and as large as the real
ones, in bfloat16; LoRA adapters of rank 16 on all linear layers; prompts of 128 tokens that all begin differently;
answers of 48 tokens; nine labels of `benchmarks/serving.py`. The engine of `ft serve` in a process of its own for each
size, one thread, no HTTP. Prints of each size:

- `megabytes`: by arithmetic (`computed`) and of the process (`measured`: private memory before and after) for the base
  model, one adapter, and 1,000 tokens of keys and values, of which a request under way holds prompt and longest answer;
- `per_cpu_second`: requests of each kind in a cpu-second, the median of `--repeats`: `label_head` and `scored_label` 16
  at a time, `written_answer` 1, 8 and 16 at a time, each with the same adapter.
"""

import argparse
import gc
import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

SHAPES = {  # hidden, layers, heads, heads of keys and values, width of the middle; 64 numbers a head
    "135M": (576, 30, 9, 3, 1536),
    "360M": (960, 32, 15, 5, 2560),
    "1.7B": (2048, 24, 32, 32, 8192),
}
VOCABULARY, RANK, PROMPT, ANSWER, BATCH = 49_152, 16, 128, 48, 16
ADAPTERS, KEPT = 4, 2_048
"""Adapters that are loaded, and tokens of keys and values that are written, to measure what each takes."""


def config_of(size: str) -> Any:
    from transformers import LlamaConfig

    hidden, layers, heads, shared, middle = SHAPES[size]
    return LlamaConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=shared,
        intermediate_size=middle,
        vocab_size=VOCABULARY,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )


def computed(size: str) -> dict[str, float]:
    """Megabytes by arithmetic: bfloat16 has 2 bytes a number, and adapters beside packed weights are kept in float32.

    The output layer shares its weights with the embeddings, and the packed copy of it is there once more
    (`engine.packed_weights`)."""
    hidden, layers, heads, shared, middle = SHAPES[size]
    pairs = [(hidden, 64 * heads), *2 * [(hidden, 64 * shared)], (64 * heads, hidden)]
    pairs += [*2 * [(hidden, middle)], (middle, hidden)]
    weights = layers * sum(a * b for a, b in pairs) + 2 * VOCABULARY * hidden
    return {
        "base_model": round(2 * weights / 1e6, 1),
        "adapter": round(4 * layers * RANK * sum(a + b for a, b in pairs) / 1e6, 1),
        "thousand_tokens": round(1000 * 2 * 2 * layers * shared * 64 / 1e6, 1),
    }


def private_megabytes() -> float:
    """Memory of this process that no file backs, after what is free was given back."""
    from ft_platform.process.memory import give_back

    gc.collect()
    give_back()
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) * 1024 / 1e6


def prompts(count: int, start: int) -> list[list[int]]:
    """Token ids at random, which share no start."""
    import torch

    generator = torch.Generator().manual_seed(start)
    return torch.randint(100, VOCABULARY, (count, PROMPT), generator=generator).tolist()


def one_size(size: str, folder: Path, repeats: int) -> dict[str, Any]:
    """In a process of its own."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from benchmarks.serving import LABELS
    from benchmarks.serving_engine import answers
    from ft_platform.models.rendering.text_tokens import TextTokens
    from ft_platform.serving.engine.requests import Adapter
    from ft_platform.serving.engine.worker import Engine

    text, places = TextTokens(AutoTokenizer.from_pretrained(folder / "tokenizer")), folder / size
    before = private_megabytes()
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config_of(size), dtype=torch.bfloat16)
    engine = Engine(model, text, end_of_turn=[2])
    of_model = private_megabytes() - before
    before = private_megabytes()
    for number in range(ADAPTERS):
        engine.load(Adapter(f"a{number}", places / f"a{number}"))
    of_adapter = (private_megabytes() - before) / ADAPTERS
    engine.load(Adapter("head", places / "head", tuple(LABELS)))
    engine.load(Adapter("written", places / "a0", tuple(LABELS)))
    engine.start()
    before = private_megabytes()
    for number in range(KEPT // PROMPT):
        answers(engine, ["base"], prompts(1, 10_000 + number), 1)
    kept = engine.state().kept_tokens
    of_tokens = (private_megabytes() - before) * 1000 / kept

    def scored(name: str) -> Callable[[int], Any]:
        def run(number: int) -> None:
            done: queue.Queue[Any] = queue.Queue()
            engine.scores(name, prompts(BATCH, 100 * number + len(name)), done.put)
            if isinstance(found := done.get(timeout=1800), Exception):
                raise found

        return run

    def written(count: int) -> Callable[[int], Any]:
        return lambda number: answers(engine, ["a0"] * count, prompts(count, 100_000 * count + number), ANSWER)

    rates = {
        "label_head": BATCH / cpu_seconds(scored("head"), repeats),
        "scored_label": BATCH / cpu_seconds(scored("written"), repeats),
        **{f"written_answer_{n}": n / cpu_seconds(written(n), repeats) for n in (1, 8, 16)},
    }
    engine.stop()
    measured = {"base_model": of_model, "adapter": of_adapter, "thousand_tokens": of_tokens}
    return {
        "megabytes": {
            "computed": computed(size),
            "measured": {name: round(value, 1) for name, value in measured.items()},
        },
        "per_cpu_second": {name: round(rate, 3) for name, rate in rates.items()},
    }


def cpu_seconds(work: Callable[[int], Any], repeats: int) -> float:
    """Median of runs 1 to `repeats`, after run 0."""
    found = []
    for number in range(repeats + 1):
        started = time.process_time()
        work(number)
        found.append(time.process_time() - started)
    return median(found[1:])


def prepare(folder: Path, sizes: list[str]) -> None:
    """The tokenizer, and adapters of each size."""
    import torch
    from transformers import AutoModelForCausalLM

    from benchmarks.serving import LABELS
    from benchmarks.serving_engine import URI, save_adapters
    from ft_platform.models import base_model
    from ft_platform.models.label_head import LabelHead, save_head
    from ft_platform.use_case.settings.base_model import BaseModelSettings

    base = base_model.resolve(BaseModelSettings(uri=URI), folder / "cache")
    base_model.load(base, "bfloat16")[1].save_pretrained(folder / "tokenizer")
    for size in sizes:
        if (folder / size).exists():
            continue
        model = AutoModelForCausalLM.from_config(config_of(size), dtype=torch.bfloat16)
        new = folder / f"{size}.new"
        save_adapters(model, new, ADAPTERS, RANK)
        head = new / "head"
        head.mkdir()
        for file in (new / "a0").iterdir():
            os.link(file, head / file.name)
        torch.manual_seed(1)
        save_head(LabelHead(model.config.hidden_size, len(LABELS), bias=False), head)
        new.rename(folder / size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="tokenizer and adapters; kept from start to start")
    parser.add_argument("--sizes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", choices=list(SHAPES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    os.environ |= {"OMP_NUM_THREADS": "1", "FT_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    from ft_platform.training.threads import pin_threads

    pin_threads()
    if arguments.one:
        print(json.dumps(one_size(arguments.one, folder, arguments.repeats)))
        return
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder, arguments.sizes)
    found = {}
    for size in arguments.sizes:
        command = [sys.executable, __file__, "--folder", str(folder), "--repeats", str(arguments.repeats), "--one"]
        found[size] = json.loads(subprocess.run([*command, size], check=True, stdout=subprocess.PIPE).stdout)
        print(size, json.dumps(found[size]), file=sys.stderr)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
