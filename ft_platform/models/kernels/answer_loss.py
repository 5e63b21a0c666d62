"""Cross entropy and log-probabilities of answer tokens without ever holding all their logits.

The output layer and the loss are computed for some tokens at a time, and the gradient in the same pass (Wijmans et al.,
arXiv:2411.09009; Liger, arXiv:2410.10989): 500 answer tokens of a vocabulary of 49,152 would need 98 MB in float32
three times over. Where each token gets a gradient of its own (`answer_log_probabilities`), the logits are computed
again in the backward pass."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch

from ft_platform.models.kernels.own_kernels import call, sum_of_products, takes

CHUNK_LOGITS = 2**23
"""Logits computed at once: 32 MB in float32."""
PROBE_TOLERANCE = 1e-3
"""Largest relative difference between the model's logits and its output layer alone that is rounding; in bfloat16 both
round alike."""

_plain: WeakKeyDictionary[torch.nn.Module, bool] = WeakKeyDictionary()
"""What `plain_head` found out about the output layers asked before."""


class _LinearCrossEntropy(torch.autograd.Function):
    """Sum over tokens of the cross entropy of `hidden weight^T + bias`.

    Shapes: `hidden (tokens, width)`, `weight (vocabulary, width)`, `bias (vocabulary,)` or None, `targets (tokens,)`,
    `weights (tokens,)` or None for all 1.
    Returns a scalar, float32.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        weights: torch.Tensor | None,
    ) -> torch.Tensor:
        ctx.gradients = _empty_gradients(ctx, hidden, weight, bias)
        ctx.dtypes = [hidden.dtype, weight.dtype, weight.dtype]
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        if _own(hidden, weight, bias, targets, weights) and not ctx.needs_input_grad[1]:
            return _own_loss(hidden, weight, targets, weights, ctx.gradients[0])
        for part in _chunks(hidden, weight):
            wanted = targets[part, None]
            logits = torch.nn.functional.linear(hidden[part], weight, bias).float()
            chosen = logits.gather(1, wanted)
            log_sum = torch.logsumexp(logits, dim=1, keepdim=True)
            counted = None if weights is None else weights[part, None]
            losses = log_sum - chosen
            total += (losses if counted is None else losses * counted).sum()
            if any(gradient is not None for gradient in ctx.gradients):
                of_logits = logits.sub_(log_sum).exp_()
                of_logits.scatter_add_(1, wanted, torch.full_like(chosen, -1.0))
                if counted is not None:
                    of_logits *= counted
                _add(ctx.gradients, of_logits, hidden[part], weight, part.start)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        scaled = [
            None if x is None else (x * gradient).to(dtype) for x, dtype in zip(ctx.gradients, ctx.dtypes, strict=True)
        ]
        return (*scaled, None, None)


def _own(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    weights: torch.Tensor | None,
) -> bool:
    """Whether our own kernels can compute it. Targets that are no tokens, or are too few, are left to the plain code,
    which refuses them: a kernel would read and write beside the logits."""
    plain = bias is None and (weights is None or weights.dtype == torch.float32) and targets.dtype == torch.int64
    return (
        plain
        and not any(size % 2 for size in weight.shape)
        and takes(hidden, weight)
        and len(targets) == len(hidden)
        and (weights is None or len(weights) == len(hidden))
        and bool(((targets >= 0) & (targets < len(weight))).all())
    )


def _own_loss(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None,
    of_hidden: torch.Tensor | None,
) -> torch.Tensor:
    """The sum by our own kernels, and the gradient of `hidden` into `of_hidden`; logits are float32 and never
    rounded."""
    targets, weights = targets.contiguous(), None if weights is None else weights.contiguous()
    losses = torch.empty(len(hidden), dtype=torch.float32)
    for part in _chunks(hidden, weight):
        logits = sum_of_products([(hidden[part], weight.T)], torch.float32)
        of_logits = None
        if of_hidden is not None:  # in float32 gradients take the place of the logits
            of_logits = logits if hidden.dtype == torch.float32 else torch.empty_like(logits, dtype=hidden.dtype)
        counted = None if weights is None else weights[part]
        call("cross_entropy", hidden.dtype, logits, targets[part], counted, losses[part], of_logits, *logits.shape)
        if of_hidden is not None and of_logits is not None:
            of_hidden[part] = sum_of_products([(of_logits, weight)])
    return losses.sum()


class _LinearLogProbabilities(torch.autograd.Function):
    """Log-probability of each target under the softmax of `hidden weight^T + bias`.

    Shapes as of `_LinearCrossEntropy`. Returns shape `(tokens,)`, float32. Keeps its arguments and a number per token.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
    ) -> torch.Tensor:
        found, log_sums = (torch.empty(len(hidden), dtype=torch.float32, device=hidden.device) for _ in range(2))
        for part in _chunks(hidden, weight):
            logits = torch.nn.functional.linear(hidden[part], weight, bias).float()
            log_sums[part] = torch.logsumexp(logits, dim=1)
            found[part] = logits.gather(1, targets[part, None])[:, 0] - log_sums[part]
        ctx.save_for_backward(hidden, weight, bias, targets, log_sums)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # type: ignore[override]
        hidden, weight, bias, targets, log_sums = ctx.saved_tensors
        gradients = _empty_gradients(ctx, hidden, weight, bias)
        for part in _chunks(hidden, weight):
            probabilities = (
                torch.nn.functional.linear(hidden[part], weight, bias).float().sub_(log_sums[part, None]).exp_()
            )
            of_logits = probabilities.scatter_add_(
                1, targets[part, None], torch.full_like(log_sums[part, None], -1.0)
            ).mul_(-gradient[part, None])
            _add(gradients, of_logits, hidden[part], weight, part.start)
        return (*(None if x is None else x.to(weight.dtype) for x in gradients), None)


def _chunks(hidden: torch.Tensor, weight: torch.Tensor) -> Iterator[slice]:
    tokens = max(CHUNK_LOGITS // len(weight), 1)
    return (slice(start, start + tokens) for start in range(0, len(hidden), tokens))


def _empty_gradients(
    ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> list[torch.Tensor | None]:
    """Room for what is asked for of `hidden`, `weight` and `bias`; what all tokens add to is float32."""
    of_hidden, of_weight, of_bias = ctx.needs_input_grad[:3]
    return [
        torch.empty_like(hidden) if of_hidden else None,
        torch.zeros_like(weight, dtype=torch.float32) if of_weight else None,
        torch.zeros_like(bias, dtype=torch.float32) if bias is not None and of_bias else None,
    ]


def _add(
    gradients: list[torch.Tensor | None],
    of_logits: torch.Tensor,
    hidden: torch.Tensor,
    weight: torch.Tensor,
    start: int,
) -> None:
    of_hidden, of_weight, of_bias = gradients
    rounded = of_logits.to(hidden.dtype)
    if of_hidden is not None:
        torch.mm(rounded, weight, out=of_hidden[start : start + len(hidden)])
    if of_weight is not None:
        of_weight += rounded.T @ hidden
    if of_bias is not None:
        of_bias += of_logits.sum(0)


def answer_loss(
    model: Any,
    forward: Any,
    segments: Sequence[Any],
    prefix: Sequence[int],
    keep: Sequence[tuple[int, int]],
    targets: torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Sum of the cross entropies of `targets` at the places `keep`; a scalar, float32.

    Args:
        model: causal LM of transformers, with or without peft adapters.
        forward: `packed_forward` or `padded_forward`; gets the arguments before and after it.
        targets: token ids, shape `(len(keep),)`.
        weights: how much each of them counts, shape `(len(keep),)`; None: all alike.
    """
    found = _head_and_hidden(model, forward, segments, prefix, keep)
    if found is not None:
        return _LinearCrossEntropy.apply(*found, targets, weights)
    logits = forward(model, segments, prefix, keep).float()
    if weights is None:
        return torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    return (torch.nn.functional.cross_entropy(logits, targets, reduction="none") * weights).sum()


def answer_log_probabilities(
    model: Any,
    forward: Any,
    segments: Sequence[Any],
    prefix: Sequence[int],
    keep: Sequence[tuple[int, int]],
    targets: torch.Tensor,
) -> torch.Tensor:
    """Log-probability of each of `targets` at the places `keep`. Shape `(len(keep),)`, float32; arguments as of
    `answer_loss`."""
    found = _head_and_hidden(model, forward, segments, prefix, keep)
    if found is None:
        return -torch.nn.functional.cross_entropy(
            forward(model, segments, prefix, keep).float(), targets, reduction="none"
        )
    return _LinearLogProbabilities.apply(*found, targets)


def _head_and_hidden(
    model: Any, forward: Any, segments: Sequence[Any], prefix: Sequence[int], keep: Sequence[tuple[int, int]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None] | None:
    """Last hidden states, weight and bias of the output layer, of a model whose logits are made of them alone; else
    None."""
    head = plain_head(model)
    if head is None:
        return None
    with _passing_through(head):
        hidden = forward(model, segments, prefix, keep)
    # Of a model whose weights are all trained the output layer is float32 and the hidden states may be bfloat16.
    return hidden, head.weight.to(hidden.dtype), None if head.bias is None else head.bias.to(hidden.dtype)


def plain_head(model: Any) -> Any | None:
    """The output layer of the model if its logits are that layer's output and nothing more; else None.

    Gemma 2 squeezes its logits, for example. Asked once per model, on three tokens; a factor (Cohere) acts on the
    hidden states as well."""
    head = model.get_output_embeddings()
    if type(head) is not torch.nn.Linear:
        return None
    if head not in _plain:
        training = model.training
        model.eval()
        ids = torch.tensor([[1, 2, 3]], device=model.device)
        try:
            with torch.no_grad():
                logits = model(input_ids=ids, use_cache=False).logits.float()
                with _passing_through(head):
                    hidden = model(input_ids=ids, use_cache=False).logits
                alone = head(hidden).float()
        finally:
            model.train(training)
        _plain[head] = bool((logits - alone).norm() <= PROBE_TOLERANCE * logits.norm())
    return head if _plain[head] else None


@contextmanager
def _passing_through(head: Any) -> Iterator[None]:
    """Inside the block the output layer returns its input: the model's logits are its last hidden states."""
    head.forward = lambda hidden: hidden
    try:
        yield
    finally:
        del head.forward
