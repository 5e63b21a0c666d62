"""What a model writes after a prompt, as token ids."""

from collections.abc import Callable, Sequence
from typing import Any

from ft_platform.evaluation.systems.generation import GENERATION_TOKENS

TOP_K = 40
"""Tokens that sampling chooses among (Carlini et al., arXiv:2012.07805, section 4.1)."""


def continuations(
    model: Any,
    prompts: Sequence[Sequence[int]],
    end_of_turn: int,
    new_tokens: int,
    seed: int | None = None,
    on_rows: Callable[[int], None] = lambda done: None,
) -> list[list[int]]:
    """One continuation for each prompt, without the end of turn.

    Args:
        end_of_turn: token id at which writing stops.
        new_tokens: most tokens.
        seed: draw among the 40 likeliest tokens; None: take the likeliest.
    """
    import torch

    from ft_platform.models.kernels.packed_forward import batches_of

    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), row))
    written: list[list[int]] = [[]] * len(prompts)
    done = 0
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        if seed is not None:
            torch.manual_seed(seed)
        for batch in batches_of([len(prompts[row]) + new_tokens for row in order], GENERATION_TOKENS):
            rows = [order[place] for place in batch]
            for row, ids in zip(
                rows,
                _written(model, [prompts[row] for row in rows], end_of_turn, new_tokens, sampled=seed is not None),
                strict=True,
            ):
                written[row] = ids
            done += len(rows)
            on_rows(done)
    return written


def _written(
    model: Any, prompts: Sequence[Sequence[int]], stop: int, new_tokens: int, *, sampled: bool
) -> list[list[int]]:
    import torch
    from transformers import GenerationConfig

    longest = max(map(len, prompts))
    # Padding is on the left and told by the mask alone: in SmolLM2 the padding token is the end of turn, which prompts
    # hold too.
    ids = torch.tensor([[stop] * (longest - len(p)) + list(p) for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    drawing = {"do_sample": True, "temperature": 1.0, "top_k": TOP_K, "top_p": 1.0} if sampled else {"do_sample": False}
    settings = GenerationConfig(max_new_tokens=new_tokens, eos_token_id=stop, pad_token_id=stop, **drawing)
    with torch.inference_mode():
        new = model.generate(input_ids=ids, attention_mask=mask, generation_config=settings)[:, longest:].tolist()
    return [row[: row.index(stop)] if stop in row else row for row in new]
