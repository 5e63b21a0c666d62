"""Classification by the model: the label with the highest log-probability, end of turn included, given the prompt.

The start that all prompts share is computed once, each prompt once, and the labels as a tree after it, in which labels
share their starts. Every label is scored, so the answer is always one of the labels, and nothing depends on how
generated text would be read.
"""

from collections.abc import Callable, Sequence
from typing import Any

PASS_TOKENS = 2048
"""Tokens per forward pass. Measured on SmolLM2-135M, bf16, one core: 14.1, 12.0, 10.7, 12.0 cpu-seconds for 220 records
at 512, 1024, 2048, 4096."""

OnRows = Callable[[int], None]


def shared_start(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Longest common start of all prompts that leaves at least one token of each."""
    first, last = min(map(list, prompts)), max(map(list, prompts))
    limit = min(map(len, prompts)) - 1
    common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: min(common, limit)]


def label_scores(
    model: Any, prompts: Sequence[Sequence[int]], labels: Sequence[Sequence[int]], on_rows: OnRows = lambda done: None
) -> Any:
    """Log-probability of every label after every prompt.

    Args:
        model: causal LM of transformers, with or without adapter.
        prompts: token ids of whole prompts.
        labels: token ids of each label with its end of turn (`Renderer.answer_ids`).
        on_rows: called with the number of prompts done.

    Returns:
        Tensor of shape `(prompts, labels)`, float32, on the CPU.
    """
    import torch

    from ft_platform.models.kernels.packed_attention import Tree
    from ft_platform.models.kernels.packed_forward import batches_of, label_log_probabilities, packing_problem

    prefix = shared_start(prompts)
    rests = [list(p[len(prefix) :]) for p in prompts]
    score = separate_label_scores if packing_problem(model) else label_log_probabilities
    # By length, so that rows in one pass need little padding in attention.
    order = sorted(range(len(rests)), key=lambda row: (len(rests[row]), row))
    tokens_of_labels = len(Tree.of(label[:-1] for label in labels).tokens)
    scores = torch.empty(len(prompts), len(labels))
    done = 0
    for batch in batches_of([len(rests[row]) + tokens_of_labels for row in order], PASS_TOKENS):
        rows = [order[place] for place in batch]
        scores[rows] = score(model, [rests[row] for row in rows], labels, prefix, PASS_TOKENS)
        done += len(rows)
        on_rows(done)
    return scores


def separate_label_scores(
    model: Any,
    prompts: Sequence[Sequence[int]],
    labels: Sequence[Sequence[int]],
    prefix: Sequence[int],
    batch_tokens: int,
) -> Any:
    """The same with one padded row per prompt and label, for models that cannot run packed rows. Arguments as of
    `label_log_probabilities`."""
    import torch

    from ft_platform.models.kernels.packed_attention import Segment
    from ft_platform.models.kernels.packed_forward import batches_of, padded_forward

    pairs = [(row, column) for row in range(len(prompts)) for column in range(len(labels))]
    scores = torch.empty(len(prompts), len(labels))
    for batch in batches_of(
        [len(prefix) + len(prompts[row]) + len(labels[column]) for row, column in pairs], batch_tokens
    ):
        members = [pairs[place] for place in batch]
        segments = [Segment([*prompts[row], *labels[column][:-1]]) for row, column in members]
        keep = [
            (n, len(prompts[row]) - 1 + i)
            for n, (row, column) in enumerate(members)
            for i in range(len(labels[column]))
        ]
        targets = torch.tensor([token for _, column in members for token in labels[column]], device=model.device)
        with torch.inference_mode():
            logits = padded_forward(model, segments, prefix, keep).float()
            chosen = torch.log_softmax(logits, dim=-1).gather(1, targets[:, None])[:, 0].cpu()
        lengths = [len(labels[column]) for _, column in members]
        for (row, column), part in zip(members, chosen.split(lengths), strict=True):
            scores[row, column] = part.sum()
    return scores
