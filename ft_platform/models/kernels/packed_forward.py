"""Forward passes without padding waste, for training and evaluation.

`packed_forward(model, segments, prefix, keep)` runs many rows as one: `prefix` (the system message) is computed once,
every row continues it on its own, and logits are made only where they are asked for. The result equals that of separate
rows up to rounding. `label_log_probabilities` scores every label of every prompt in one pass.
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


def label_log_probabilities(
    model: Any,
    prompts: Sequence[Sequence[int]],
    labels: Sequence[Sequence[int]],
    prefix: Sequence[int],
    batch_tokens: int = 2048,
) -> torch.Tensor:
    """Log-probability of every label after every prompt; the prompt is computed once for all labels.

    Args:
        prompts: prompts without `prefix`, none of them empty.
        labels: token ids of each label with its end of turn (`Renderer.answer_ids`).
        prefix: token ids all prompts start with.
        batch_tokens: most tokens in one pass.

    Returns:
        Shape `(prompts, labels)`, float32, on the CPU.
    """
    scores = torch.empty(len(prompts), len(labels))
    tree = Tree.of(label[:-1] for label in labels)
    # Where a label's tokens are predicted: 0 is the prompt's last token, then the tokens of the tree.
    predicted = [(label, [0, *(place + 1 for place in path)]) for label, path in zip(labels, tree.paths, strict=True)]
    owners, places, tokens = (
        torch.tensor(values, device=model.device)
        for values in zip(
            *(
                (n, place, token)
                for n, (label, at) in enumerate(predicted)
                for place, token in zip(at, label, strict=True)
            ),
            strict=True,
        )
    )
    for rows in batches_of([len(p) + len(tree.tokens) for p in prompts], batch_tokens):
        segments = [Segment(prompts[row], tree) for row in rows]
        keep = [(n, len(s.ids) - 1 + place) for n, s in enumerate(segments) for place in range(len(tree.tokens) + 1)]
        with torch.inference_mode():
            logits = packed_forward(model, segments, prefix, keep).float().view(len(rows), len(tree.tokens) + 1, -1)
            chosen = logits[:, places, tokens] - torch.logsumexp(logits, dim=-1)[:, places]
            scores[rows] = torch.zeros(len(rows), len(labels), device=model.device).index_add_(1, owners, chosen).cpu()
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
