"""Forward passes without padding waste, for training and evaluation.

`packed_forward(model, segments, prefix, keep)` runs many rows as one: `prefix` (the system message) is computed once,
every row continues it on its own, and logits are made only where they are asked for. The result equals that of separate
rows up to rounding. `continuation_log_probabilities` scores all continuations of a prompt in one pass.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from ft_platform.models.kernels.fused_rotary import rotary_in
from ft_platform.models.kernels.packed_attention import (
    PackedLayout,
    PackingUnsupported,
    Segment,
    Tree,
    packed_attention_in,
)

Place = tuple[int, int]
"""Row, and token within the row's `Segment.tokens()`: the logits there predict the token after it."""

PASS_TOKENS = 2048
"""Tokens per forward pass. Measured on SmolLM2-135M, bf16, one core: 14.1, 12.0, 10.7, 12.0 cpu-seconds for 220 records
at 512, 1024, 2048, 4096."""

PROBE_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}
"""Largest relative difference of logits between packed and separate rows that is rounding. Seen: 1e-6 and 0.01; a row
that sees its neighbour: above 0.3."""


def packed_forward(
    model: Any, segments: Sequence[Segment], prefix: Sequence[int], keep: Sequence[Place]
) -> torch.Tensor:
    """Logits of packed rows at the places asked for.

    Args:
        model: causal LM of transformers, with or without peft adapters.
        segments: rows after the prefix, none of them empty.
        prefix: token ids all rows start with; may be empty.
        keep: places whose logits are wanted.

    Returns:
        Shape `(len(keep), vocabulary)`, in the order of `keep`, with gradients where they are enabled.

    Raises:
        PackingUnsupported: the architecture cannot run packed rows.
    """
    layout = PackedLayout(len(prefix), segments, model.device)
    ids = torch.tensor([[*prefix, *(token for s in segments for token in s.tokens())]], device=model.device)
    wanted = torch.tensor([layout.starts[row] + token for row, token in keep], device=model.device)
    with packed_attention_in(model), rotary_in(model):
        return model(
            input_ids=ids,
            position_ids=layout.position_ids,
            use_cache=False,
            logits_to_keep=wanted,
            packed_layout=layout,
        ).logits[0]


def padded_forward(
    model: Any, segments: Sequence[Segment], prefix: Sequence[int], keep: Sequence[Place]
) -> torch.Tensor:
    """The same as `packed_forward` with rows padded to the longest, for models that cannot run packed rows. No
    branches."""
    if any(s.tree.tokens for s in segments):
        raise PackingUnsupported("branches need packed rows")
    rows = [[*prefix, *s.ids] for s in segments]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=model.device)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=model.device)
    first = min(len(prefix) + token for _, token in keep)
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=longest - first).logits
    return logits[[row for row, _ in keep], [len(prefix) + token - first for _, token in keep]]


def packing_problem(model: Any, forward: Callable[..., torch.Tensor] = packed_forward) -> str | None:
    """Why this model should not run packed rows, or None. Finds out by running a few tokens both ways.

    Args:
        forward: `packed_forward` or `flat_forward`.
    """
    size = min(model.config.get_text_config().vocab_size, 1000)
    prefix = [(7 * i + 3) % size for i in range(5)]
    segments = [Segment([(11 * i + 5 * n) % size for i in range(length)]) for n, length in enumerate((9, 4, 8, 6))]
    keep = [(row, len(s.ids) - 1) for row, s in enumerate(segments)]
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            packed = forward(model, segments, prefix, keep).float()
            separate = torch.cat([padded_forward(model, [s], prefix, [(0, len(s.ids) - 1)]) for s in segments]).float()
    except (PackingUnsupported, TypeError) as error:
        return f"{type(model).__name__}: {error}"
    finally:
        model.train(training)
    difference = float((packed - separate).norm() / (separate - separate.mean(1, keepdim=True)).norm())
    return (
        None
        if difference <= PROBE_TOLERANCE[model.dtype]
        else f"packed logits differ from separate rows by {difference:.2g}"
    )


def shared_start(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Longest common start of all prompts that leaves at least one token of each."""
    first, last = min(map(list, prompts)), max(map(list, prompts))
    limit = min(map(len, prompts)) - 1
    common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: min(common, limit)]


def last_outputs(
    model: Any, prompts: Sequence[Sequence[int]], on_rows: Callable[[int], None] = lambda done: None
) -> torch.Tensor:
    """What the output layer makes of the last token of every prompt; their common start is computed once. Shape
    `(prompts, outputs)`, float32, on the CPU.

    Args:
        on_rows: called with the number of prompts done.
    """
    if not prompts:
        return torch.empty(0, 0)
    found = dict(outputs_of(model, prompts, shared_start(prompts), on_rows, lambda length: [length - 1]))
    return torch.stack([found[row][0] for row in range(len(prompts))])


def outputs_of(
    model: Any,
    prompts: Sequence[Sequence[int]],
    prefix: Sequence[int],
    on_rows: Callable[[int], None],
    places: Callable[[int], Sequence[int]],
) -> Iterator[tuple[int, torch.Tensor]]:
    """What the output layer makes of some tokens of every prompt: row and `(places, outputs)`, float32, on the CPU, the
    shortest prompts first.

    Args:
        prefix: token ids that all prompts start with and none ends with; computed once for each pass.
        on_rows: called with the number of prompts done.
        places: from how many tokens a prompt has after the prefix to which of them are wanted.
    """
    forward = padded_forward if packing_problem(model) else packed_forward
    rests = [prompt[len(prefix) :] for prompt in prompts]
    order = sorted(range(len(rests)), key=lambda row: (len(rests[row]), row))
    done = 0
    for batch in batches_of([len(rests[row]) for row in order], PASS_TOKENS):
        rows = [order[place] for place in batch]
        wanted = [places(len(rests[row])) for row in rows]
        keep = [(number, place) for number, one in enumerate(wanted) for place in one]
        with torch.inference_mode():
            outputs = forward(model, [Segment(rests[row]) for row in rows], prefix, keep).float().cpu()
        yield from zip(rows, outputs.split([len(one) for one in wanted]), strict=True)
        done += len(rows)
        on_rows(done)


def continuation_log_probabilities(
    model: Any,
    prompts: Sequence[Sequence[int]],
    continuations: Sequence[Sequence[Sequence[int]]],
    prefix: Sequence[int],
    on_rows: Callable[[int], None] = lambda done: None,
) -> list[torch.Tensor]:
    """Log-probability of every continuation of a prompt; the prompt is computed once for all of them, and what they
    share once too.

    Args:
        prompts: prompts without `prefix`, none of them empty.
        continuations: token ids of those of each prompt, none of them empty.
        prefix: token ids all prompts start with.
        on_rows: called with the number of prompts done.

    Returns:
        One tensor `(continuations,)` per prompt, float32, on the CPU.
    """
    # The labels of a task are one object for all its prompts.
    trees = {key: Tree.of(tokens[:-1] for tokens in one) for key, one in {id(c): c for c in continuations}.items()}
    segments = [Segment(p, trees[id(one)]) for p, one in zip(prompts, continuations, strict=True)]
    scores: list[torch.Tensor] = []
    for rows in batches_of(list(map(len, segments)), PASS_TOKENS):
        keep, at, tokens, lengths = [], [], [], []
        for number, row in enumerate(rows):
            tree, last = segments[row].tree, len(segments[row].ids) - 1
            for continuation, path in zip(continuations[row], tree.paths, strict=True):
                # Predicted by the prompt's last token, then by the tokens of the tree.
                at += [len(keep), *(len(keep) + 1 + place for place in path)]
                tokens += continuation
                lengths.append(len(continuation))
            keep += [(number, last + place) for place in range(len(tree.tokens) + 1)]
        with torch.inference_mode():
            logits = packed_forward(model, [segments[row] for row in rows], prefix, keep).float()
            places, wanted = torch.tensor([at, tokens], device=model.device)
            chosen = (logits[places, wanted] - torch.logsumexp(logits, dim=-1)[places]).cpu()
        owners = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
        sums = torch.zeros(len(lengths)).index_add_(0, owners, chosen)
        scores += sums.split([len(continuations[row]) for row in rows])
        on_rows(len(scores))
    return scores


def batches_of(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Row numbers in their order, in batches of at most `most` tokens (one row at least)."""
    batch: list[int] = []
    total = 0
    for row, length in enumerate(lengths):
        if batch and total + length > most:
            yield batch
            batch, total = [], 0
        batch.append(row)
        total += length
    if batch:
        yield batch
