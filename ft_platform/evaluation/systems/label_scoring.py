"""Classification by the model: the label with the highest log-probability, end of turn included, given the prompt.

The start that all prompts share is computed once, each prompt once, and the labels as a tree after it, in which labels
share their starts. Every label is scored, so the answer is always one of the labels, and nothing depends on how
generated text would be read.
"""

import bisect
import itertools
from collections.abc import Callable, Sequence
from typing import Any

OnRows = Callable[[int], None]


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

    return torch.stack(choice_scores(model, prompts, [labels] * len(prompts), on_rows))


def choice_scores(
    model: Any,
    prompts: Sequence[Sequence[int]],
    choices: Sequence[Sequence[Sequence[int]]],
    on_rows: OnRows = lambda done: None,
) -> list[Any]:
    """Log-probability of every choice after its prompt: one tensor `(choices,)` per prompt, float32, on the CPU.

    Args:
        choices: token ids of those of each prompt; the other arguments as of `label_scores`.
    """
    from ft_platform.models.kernels.packed_forward import continuation_log_probabilities, packing_problem, shared_start

    prefix = shared_start(prompts)
    # By length, so that rows in one pass need little padding in attention.
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row]), row))
    score = separate_scores if packing_problem(model) else continuation_log_probabilities
    rests = [list(prompts[row][len(prefix) :]) for row in order]
    found = dict(zip(order, score(model, rests, [choices[row] for row in order], prefix, on_rows), strict=True))
    return [found[row] for row in range(len(prompts))]


def separate_scores(
    model: Any,
    prompts: Sequence[Sequence[int]],
    choices: Sequence[Sequence[Sequence[int]]],
    prefix: Sequence[int],
    on_rows: OnRows = lambda done: None,
) -> list[Any]:
    """The same with one padded row per prompt and choice, for models that cannot run packed rows. Arguments as of
    `continuation_log_probabilities`."""
    import torch

    from ft_platform.models.kernels.packed_attention import Segment
    from ft_platform.models.kernels.packed_forward import PASS_TOKENS, batches_of, padded_forward

    pairs = [(prompt, choice) for prompt, own in zip(prompts, choices, strict=True) for choice in own]
    ends = list(itertools.accumulate(map(len, choices)))
    scores = []
    for batch in batches_of([len(prefix) + len(prompt) + len(choice) for prompt, choice in pairs], PASS_TOKENS):
        members = [pairs[place] for place in batch]
        segments = [Segment([*prompt, *choice[:-1]]) for prompt, choice in members]
        keep = [(n, len(prompt) - 1 + i) for n, (prompt, choice) in enumerate(members) for i in range(len(choice))]
        targets = torch.tensor([token for _, choice in members for token in choice], device=model.device)
        with torch.inference_mode():
            logits = padded_forward(model, segments, prefix, keep).float()
            chosen = torch.log_softmax(logits, dim=-1).gather(1, targets[:, None])[:, 0].cpu()
        scores += [part.sum() for part in chosen.split([len(choice) for _, choice in members])]
        on_rows(bisect.bisect_right(ends, len(scores)))
    return list(torch.stack(scores).split([len(own) for own in choices]))
