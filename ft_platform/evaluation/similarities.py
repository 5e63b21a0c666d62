"""Similarity of answers and references by a model's hidden states: every token is matched with the most similar one of
the other text.

Zhang et al., BERTScore: Evaluating Text Generation with BERT, ICLR 2020 (without inverse document frequencies and
without rescaling). Covered: other words for the same. Not covered: whether an answer is true; a wrong number is very
similar to a right one.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ft_platform.evaluation.outputs import Outputs, TextOutputs
from ft_platform.models import base_model
from ft_platform.models.rendering.text_tokens import TextTokens
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment

MOST_TOKENS = 512
"""A text is read up to this many tokens."""
BATCH_TOKENS = 4096


def add_similarities(outputs: dict[str, Outputs], use_case: NamedUseCase, environment: Environment) -> None:
    """Puts the similarities of every system's answers into its outputs, where the settings name a model for it and
    answers are texts.

    Raises:
        BaseModelError: the model does not exist, is not pinned as it must be, or is not safe to load.
    """
    settings = use_case.settings.evaluation.similarity_model
    texts = {system: found for system, found in outputs.items() if isinstance(found, TextOutputs)}
    if settings is None or not texts:
        return
    resolved = base_model.resolve_here(settings, environment)
    model, tokenizer = base_model.load(resolved, settings.dtype, settings.quantization)
    for system, found in texts.items():
        outputs[system] = replace(found, similarities=similarities(model, tokenizer, found.references, found.answers))


def similarities(model: Any, tokenizer: Any, references: Sequence[str], answers: Sequence[str]) -> np.ndarray:
    """F1 of greedily matched tokens in [-1, 1]; 0 where one of two texts is empty. Shape `(rows,)`."""
    tokens = TextTokens(tokenizer)
    distinct = sorted({*references, *answers})
    rows = [tokens.content(text.strip(), MOST_TOKENS) for text in distinct]
    states = dict(zip(distinct, hidden_states(model, rows), strict=True))
    return np.array(
        [matched_f1(states[reference], states[answer]) for reference, answer in zip(references, answers, strict=True)]
    )


def hidden_states(model: Any, rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """Last hidden states of each row, of length 1. Shapes `(tokens, width)`, float32."""
    import torch

    from ft_platform.models.kernels.packed_forward import batches_of

    found: list[np.ndarray] = [np.empty((0, 0), np.float32)] * len(rows)
    order = [row for row in sorted(range(len(rows)), key=lambda row: (len(rows[row]), row)) if rows[row]]
    for batch in batches_of([len(rows[row]) for row in order], BATCH_TOKENS):
        members = [order[place] for place in batch]
        longest = max(len(rows[row]) for row in members)
        ids = torch.tensor([[*rows[row], *[0] * (longest - len(rows[row]))] for row in members], device=model.device)
        start = [[1] * len(rows[row]) + [0] * (longest - len(rows[row])) for row in members]
        mask = torch.tensor(start, device=model.device)
        with torch.inference_mode():
            states = (
                model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
                .hidden_states[-1]
                .float()
            )
            states = torch.nn.functional.normalize(states, dim=-1).cpu().numpy()
        for row, one in zip(members, states, strict=True):
            found[row] = one[: len(rows[row])]
    return found


def matched_f1(reference: np.ndarray, answer: np.ndarray) -> float:
    """Harmonic mean of precision (each token of the answer with the most similar one of the reference) and recall (the
    other way round).

    Args:
        reference, answer: vectors of length 1. Shapes `(tokens, width)`.
    """
    if not len(reference) or not len(answer):
        return 0.0
    similarity = answer @ reference.T
    precision, recall = float(similarity.max(axis=1).mean()), float(similarity.max(axis=0).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
