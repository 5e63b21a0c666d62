"""Answers of the model as free text (greedy), and how surprised it is by the reference answers (teacher forcing)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ft_platform.evaluation.systems.label_scoring import OnRows, shared_start

GENERATION_TOKENS = 16_384
"""Prompt and answer tokens that are generated side by side.

Measured on SmolLM2-135M, bf16, one core, 60 short prompts: 15.1, 10.2, 7.9 cpu-seconds with 16, 32, 60 rows."""

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
    from ft_platform.models.kernels.packed_forward import batches_of

    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), row))
    answers = [""] * len(prompts)
    done = 0
    for batch in batches_of([len(prompts[row]) + max_new_tokens for row in order], GENERATION_TOKENS):
        rows = [order[place] for place in batch]
        for row, ids in zip(
            rows, _generate_batch(model, [prompts[row] for row in rows], end_of_turn, max_new_tokens), strict=True
        ):
            answers[row] = tokenizer.decode(ids, skip_special_tokens=True).strip()
        done += len(rows)
        on_rows(done)
    return answers


def _generate_batch(
    model: Any, prompts: Sequence[Sequence[int]], end_of_turn: Sequence[int], max_new_tokens: int
) -> list[list[int]]:
    """Token ids of the answers up to the first end of turn."""
    import torch
    from transformers import GenerationConfig

    stop = end_of_turn[-1]
    longest = max(map(len, prompts))
    # Padding is on the left and told by the mask alone: in SmolLM2 the padding token is the end of turn, which prompts
    # hold too.
    ids = torch.tensor([[stop] * (longest - len(p)) + list(p) for p in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    settings = GenerationConfig(do_sample=False, max_new_tokens=max_new_tokens, eos_token_id=stop, pad_token_id=stop)
    with torch.inference_mode():
        output = model.generate(input_ids=ids, attention_mask=mask, generation_config=settings)
    new = output[:, longest:].tolist()
    return [row[: row.index(stop)] if stop in row else row for row in new]


def answer_losses(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], on_rows: OnRows = lambda done: None
) -> tuple[np.ndarray, np.ndarray]:
    """Summed negative log-probability in nats and number of tokens of each reference answer. Shapes `(rows,)`.

    Args:
        prompts: token ids of whole prompts.
        answers: token ids of the references with their end of turn (`Renderer.answer_ids`).
    """
    import torch

    from ft_platform.models.kernels.packed_attention import Segment
    from ft_platform.models.kernels.packed_forward import batches_of, packed_forward, packing_problem, padded_forward

    prefix = shared_start(prompts)
    forward = padded_forward if packing_problem(model) else packed_forward
    rests = [list(p[len(prefix) :]) for p in prompts]
    order = sorted(range(len(prompts)), key=lambda row: (len(rests[row]) + len(answers[row]), row))
    losses = np.zeros(len(prompts))
    done = 0
    for batch in batches_of([len(rests[row]) + len(answers[row]) for row in order], LOSS_TOKENS):
        rows = [order[place] for place in batch]
        segments = [Segment([*rests[row], *answers[row][:-1]]) for row in rows]
        keep = [(n, len(rests[row]) - 1 + i) for n, row in enumerate(rows) for i in range(len(answers[row]))]
        targets = torch.tensor([token for row in rows for token in answers[row]], device=model.device)
        with torch.inference_mode():
            loss = torch.nn.functional.cross_entropy(
                forward(model, segments, prefix, keep).float(), targets, reduction="none"
            ).cpu()
        for row, part in zip(rows, loss.split([len(answers[row]) for row in rows]), strict=True):
            losses[row] = float(part.sum(dtype=torch.float64))
        done += len(rows)
        on_rows(done)
    return losses, np.array([len(answer) for answer in answers])
