"""Answers of the model as free text (greedy), and how surprised it is by the reference answers (teacher forcing)."""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ft_platform.evaluation.systems.label_scoring import OnRows

GENERATION_TOKENS = 16_384
"""Prompt and answer tokens that are generated side by side.

Measured on SmolLM2-135M, bf16, one core, 60 short prompts: 15.1, 10.2, 7.9 cpu-seconds with 16, 32, 60 rows."""

TOP_K = 40
"""Tokens that sampling chooses among (Carlini et al., arXiv:2012.07805, section 4.1)."""

LOSS_TOKENS = 1024


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    end_of_turn: Sequence[int],
    max_new_tokens: int,
    on_rows: OnRows = lambda done: None,
) -> list[str]:
    """One greedy answer per prompt, without the end of turn.

    Args:
        end_of_turn: ids that end an answer (`Renderer.end_of_turn`); generation stops at the last of them.
        max_new_tokens: longest answer in tokens.
    """
    written = continuations(model, prompts, end_of_turn[-1], max_new_tokens, on_rows=on_rows)
    return [tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in written]


def continuations(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stop: int,
    new_tokens: int,
    seed: int | None = None,
    on_rows: OnRows = lambda done: None,
    top_k: int = TOP_K,
) -> list[list[int]]:
    """What a model writes after each prompt, as token ids without `stop`.

    Args:
        stop: token id at which writing stops.
        new_tokens: most tokens.
        seed: draw among the likeliest tokens; None: take the likeliest.
        top_k: how many are drawn among; 0: all.
    """
    import torch

    from ft_platform.models.kernels.packed_forward import batches_of

    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), row))
    written: dict[int, list[int]] = {}
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        if seed is not None:
            torch.manual_seed(seed)
        for batch in batches_of([len(prompts[row]) + new_tokens for row in order], GENERATION_TOKENS):
            rows = [order[place] for place in batch]
            among = None if seed is None else top_k
            answers = _generate_batch(model, [prompts[row] for row in rows], stop, new_tokens, among)
            written |= zip(rows, answers, strict=True)
            on_rows(len(written))
    return [written[row] for row in range(len(prompts))]


def _generate_batch(
    model: Any, prompts: Sequence[Sequence[int]], stop: int, new_tokens: int, among: int | None
) -> list[list[int]]:
    """Token ids of the answers up to the first `stop`.

    Args:
        among: how many of the likeliest tokens are drawn among (0: all); None: take the likeliest.
    """
    import torch
    from transformers import GenerationConfig

    prefix, cache = _computed_start(model, prompts)
    rests = [list(prompt[len(prefix) :]) for prompt in prompts]
    longest = max(map(len, rests))
    # Padding is told by the mask alone: in SmolLM2 the padding token is the end of turn, which prompts hold too.
    ids = [[*prefix, *[stop] * (longest - len(rest)), *rest] for rest in rests]
    mask = [[1] * len(prefix) + [0] * (longest - len(rest)) + [1] * len(rest) for rest in rests]
    drawing: dict[str, Any] = {"do_sample": False}
    if among is not None:
        drawing = {"do_sample": True, "temperature": 1.0, "top_k": among, "top_p": 1.0}
    settings = GenerationConfig(max_new_tokens=new_tokens, eos_token_id=stop, pad_token_id=stop, **drawing)
    with torch.inference_mode():
        output = model.generate(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            generation_config=settings,
            **cache,
        )
    new = output[:, len(ids[0]) :].tolist()
    return [row[: row.index(stop)] if stop in row else row for row in new]


def _computed_start(model: Any, prompts: Sequence[Sequence[int]]) -> tuple[list[int], dict[str, Any]]:
    """The start that the prompts share, and the argument for `generate` with its keys and values for each of them.

    Nothing where the layers of the cache are no plain ones: padding behind the start would count as tokens of a sliding
    window."""
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer

    from ft_platform.models.kernels.packed_forward import shared_start

    prefix = shared_start(prompts)
    if not prefix or len(prompts) == 1:
        return [], {}
    cache = DynamicCache(config=model.config.get_text_config())
    if not cache.layers or any(type(layer) is not DynamicLayer for layer in cache.layers):
        return [], {}
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    known = inspect.signature(base.forward).parameters
    kept = {"cache" if "cache" in known else "past_key_values": cache}  # transformers 5 renames it on the way
    with torch.inference_mode():
        model(input_ids=torch.tensor([prefix], device=model.device), logits_to_keep=1, **kept)
        cache.batch_repeat_interleave(len(prompts))
    return prefix, kept


@dataclass(frozen=True)
class Reading:
    """How a model reads an answer that it is given, token by token. Shapes `(tokens,)`.

    Attributes:
        logprobs: log-probability of each token in nats.
        likeliest: id of the token that the model would have taken there.
        leads: by how many nats that one is likelier than the second.
    """

    logprobs: np.ndarray
    likeliest: np.ndarray
    leads: np.ndarray


def answer_losses(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], on_rows: OnRows = lambda done: None
) -> tuple[np.ndarray, np.ndarray]:
    """Summed negative log-probability in nats and number of tokens of each reference answer. Shapes `(rows,)`.

    Args:
        prompts: token ids of whole prompts.
        answers: token ids of the references with their end of turn (`Renderer.answer_ids`).
    """
    import torch

    losses = np.zeros(len(prompts))
    for rows, logits, targets in _logits_at_answers(model, prompts, answers, on_rows):
        loss = torch.nn.functional.cross_entropy(logits, targets, reduction="none").cpu()
        for row, part in zip(rows, loss.split([len(answers[row]) for row in rows]), strict=True):
            losses[row] = float(part.sum(dtype=torch.float64))
    return losses, np.array([len(answer) for answer in answers])


def answer_readings(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], on_rows: OnRows = lambda done: None
) -> list[Reading]:
    """How the model reads each answer. Arguments as of `answer_losses`."""
    import torch

    found: dict[int, Reading] = {}
    for rows, logits, targets in _logits_at_answers(model, prompts, answers, on_rows):
        logprobs = torch.log_softmax(logits, dim=-1)
        best = logprobs.topk(2, dim=-1)
        told = (logprobs.gather(1, targets[:, None])[:, 0], best.indices[:, 0], best.values[:, 0] - best.values[:, 1])
        lengths = [len(answers[row]) for row in rows]
        for row, *parts in zip(rows, *(one.cpu().split(lengths) for one in told), strict=True):
            found[row] = Reading(*(part.numpy() for part in parts))
    return [found[row] for row in range(len(prompts))]


def _logits_at_answers(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], on_rows: OnRows
) -> Iterator[tuple[list[int], Any, Any]]:
    """Batches: their rows, float32 logits before each token of these rows' answers, and the tokens. Shapes
    `(tokens, vocabulary)` and `(tokens,)`."""
    import torch

    from ft_platform.models.kernels.packed_attention import Segment
    from ft_platform.models.kernels.packed_forward import (
        batches_of,
        packed_forward,
        packing_problem,
        padded_forward,
        shared_start,
    )

    prefix = shared_start(prompts)
    forward = padded_forward if packing_problem(model) else packed_forward
    rests = [list(p[len(prefix) :]) for p in prompts]
    order = sorted(range(len(prompts)), key=lambda row: (len(rests[row]) + len(answers[row]), row))
    done = 0
    for batch in batches_of([len(rests[row]) + len(answers[row]) for row in order], LOSS_TOKENS):
        rows = [order[place] for place in batch]
        segments = [Segment([*rests[row], *answers[row][:-1]]) for row in rows]
        keep = [(n, len(rests[row]) - 1 + i) for n, row in enumerate(rows) for i in range(len(answers[row]))]
        targets = torch.tensor([token for row in rows for token in answers[row]], device=model.device)
        with torch.inference_mode():
            logits = forward(model, segments, prefix, keep).float()
        yield rows, logits, targets
        done += len(rows)
        on_rows(done)
