"""Exact attention in blocks of queries, with memory that grows with the tokens and not with their square.

A block sees all its keys at once, so its softmax is the plain one. The backward pass computes the weights of a block again
from the queries and keys instead of keeping them (Rabe and Staats, arXiv:2112.05682; Dao et al., arXiv:2205.14135): nothing
but `q`, `k` and `v` is kept. Blocks end at the diagonal, and begin at the window's edge, so hidden keys are not computed.

Plain matrix products and softmax: torch's bf16 `scaled_dot_product_attention` is slow backward on a CPU. Forward and backward in
bf16 with 9 heads of 64, torch 2.13, busy cores, cpu-milliseconds here and there: 15.2 and 52.9 for 15 rows of 100 tokens, 33.9 and 46.4 for 3
of 500, 79.5 and 68.4 for one of 1500. Forward alone it is the faster one for long rows on processors with AMX (11.6 against 22.9), where it is used;
on an AMD EPYC with AVX-512 it is the slower one (76 against 52 for one row of 1950, 17 against 9.6 for 3 of 400).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch

BLOCK_SCORES = 2**19
"""Scores computed at once: 1 MB in bfloat16, two of which a core's second-level cache should hold. 2**20 takes 20.4 instead of 14.5 cpu-milliseconds
backward for 8 rows of 190 tokens on an AMD EPYC with 1 MB of it, as much for long rows, and 2**18 saves nothing more."""
DEVICE_BLOCK_SCORES = 2**26
"""The same on a GPU, for few and large kernels: 128 MB in bfloat16. Not timed on one."""
LEAST_PRODUCT_ROWS = 288
"""Rows of a block's matrix products, which are queries of all heads that share a key head: thinner products are slow."""
LEAST_BLOCKS = 6
"""Long rows are divided so often at least: half of what a block computes beside its diagonal is hidden."""
LEAST_QUERIES = 32


class MaskedRows(Protocol):
    """Rows of equal length side by side, and which keys their queries see."""

    rows: int
    length: int

    def first_key(self, start: int, window: int | None) -> int:
        """No query from `start` on sees a key before this one."""
        ...

    def mask(self, start: int, end: int, window: int | None, like: torch.Tensor) -> tuple[int, torch.Tensor]:
        """For queries `start` to `end`: the first key that not all of them see, and from there on to the last key 0 where
        a query sees a key and -inf elsewhere. Shape `(rows or 1, 1, end - start, keys)`, dtype of `like`."""
        ...


@dataclass(frozen=True)
class AttentionSettings:
    """What an architecture asks for.

    Attributes:
        scale: factor of the scores.
        window: keys that a query sees at most, itself included; None: all.
        softcap: scores are squeezed into (-softcap, softcap).
        dropout: share of weights that is dropped, in [0, 1).
        seed: of the dropout, which is drawn again in the backward pass.
    """

    scale: float
    window: int | None = None
    softcap: float | None = None
    dropout: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class _Block:
    """Queries and the keys they see, of some of the key heads of all rows, which are numbered row by row.

    Attributes:
        of_rows: the row of each head, shape `(heads,)`.
    """

    start: int
    end: int
    seen: slice
    heads: slice
    of_rows: torch.Tensor


def _blocks(rows: MaskedRows, q: torch.Tensor, keys: int, settings: AttentionSettings) -> Iterator[_Block]:
    """Blocks of queries, and of each as many key heads at once as BLOCK_SCORES allows. The keys of query `i` end at `keys - length + i`."""
    heads, group = q.shape[0] * q.shape[1], q.shape[2]
    of_rows = torch.arange(heads, device=q.device) // q.shape[1]
    on_cpu = q.device.type == "cpu"
    most = BLOCK_SCORES if on_cpu else DEVICE_BLOCK_SCORES
    queries = min(LEAST_PRODUCT_ROWS // group, rows.length // LEAST_BLOCKS) if on_cpu else most // (group * keys)
    queries = max(queries // LEAST_QUERIES * LEAST_QUERIES, LEAST_QUERIES)
    start = 0
    while start < rows.length:
        # No tail of a few queries.
        end = rows.length if rows.length - start < queries * 1.5 else start + queries
        seen = slice(rows.first_key(start, settings.window), keys - rows.length + end)
        at_once = max(most // (group * (end - start) * (seen.stop - seen.start)), 1)
        for head in range(0, heads, at_once):
            chosen = slice(head, min(head + at_once, heads))
            yield _Block(start, end, seen, chosen, of_rows[chosen])
        start = end


def _product(a: torch.Tensor, b: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
    """`scale * a @ b`. Shapes `(heads, m, k)`, `(heads, k, n)` -> `(heads, m, n)`. One head goes as a matrix: torch copies a batch that is part of another."""
    if len(a) == 1:
        return torch.addmm(a.new_empty(()), a[0], b[0], beta=0, alpha=scale)[None]
    return torch.baddbmm(a.new_empty(()), a, b, beta=0, alpha=scale)


def _weights(q: torch.Tensor, k: torch.Tensor, block: _Block, rows: MaskedRows, settings: AttentionSettings) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Softmax weights of a block, and the squeezed scores where there is a softcap. Shapes `(heads, group * queries, keys)`."""
    scores = _product(q, k.transpose(1, 2), settings.scale)
    squeezed = None
    if settings.softcap:
        squeezed = scores.div_(settings.softcap).tanh_()
        scores = squeezed * settings.softcap
    first, mask = rows.mask(block.start, block.end, settings.window, scores)
    if len(mask) > 1:
        mask = mask.index_select(0, block.of_rows)
    scores.unflatten(1, (-1, block.end - block.start))[..., first - block.seen.start :].add_(mask)
    return torch.softmax(scores, dim=-1), squeezed


def _kept(weights: torch.Tensor, block: _Block, settings: AttentionSettings) -> torch.Tensor:
    """Factors of dropout, 0 or 1 / (1 - dropout), the same whenever they are drawn."""
    generator = torch.Generator(weights.device).manual_seed((settings.seed + block.start + (block.heads.start << 32)) % 2**63)
    return torch.empty_like(weights).bernoulli_(1 - settings.dropout, generator=generator).div_(1 - settings.dropout)


def _queries(q: torch.Tensor, block: _Block) -> torch.Tensor:
    """`(rows * kv_heads, group, length, dim)` -> `(heads, group * queries, dim)` of a block."""
    return q[block.heads, :, block.start : block.end].reshape(len(block.of_rows), -1, q.shape[-1])


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rows: MaskedRows, settings: AttentionSettings) -> torch.Tensor:
    """Attention of rows side by side.

    Args:
        q: `(rows, kv_heads, group, length, dim)`.
        k, v: `(rows, kv_heads, keys, dim)`; the last `length` keys are those of the queries themselves.

    Returns:
        Shape of `q` with the last size of `v`.
    """
    queries, keys, values = q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)
    output = q.new_empty(*queries.shape[:-1], v.shape[-1])
    for block in _blocks(rows, q, k.shape[2], settings):
        weights, _ = _weights(_queries(queries, block), keys[block.heads, block.seen], block, rows, settings)
        if settings.dropout:
            weights.mul_(_kept(weights, block, settings))
        mixed = _product(weights, values[block.heads, block.seen])
        output[block.heads, :, block.start : block.end] = mixed.unflatten(1, (-1, block.end - block.start))
    return output.view(*q.shape[:-1], -1)


def attend_causal(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, settings: AttentionSettings) -> torch.Tensor:
    """The same where every query sees all keys up to itself and there are as many queries as keys: torch's fused kernel, which has no backward here.

    Args:
        q: `(rows, kv_heads, group, keys, dim)`; others as for `attend`.
    """
    keys, values = (x.repeat_interleave(q.shape[2], dim=1) for x in (k, v))
    mixed = torch.nn.functional.scaled_dot_product_attention(q.flatten(1, 2), keys, values, is_causal=True, scale=settings.scale)
    return mixed.view(*q.shape[:-1], v.shape[-1])


def attend_backward(
    gradient: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rows: MaskedRows, settings: AttentionSettings
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of `q`, `k` and `v` of `attend`, given that of its output; those of `k` and `v` are summed in float32."""
    all_queries, keys, values, of_outputs = q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), gradient.flatten(0, 1)
    of_q = torch.empty_like(all_queries)
    of_k, of_v = (torch.zeros(x.shape, dtype=torch.float32, device=x.device) for x in (keys, values))
    for block in _blocks(rows, q, k.shape[2], settings):
        here = block.heads, block.seen
        queries, of_output = _queries(all_queries, block), _queries(of_outputs, block)
        weights, squeezed = _weights(queries, keys[here], block, rows, settings)
        of_weights = _product(of_output, values[here].transpose(1, 2))
        if settings.dropout:
            kept = _kept(weights, block, settings)
            of_v[here] += _product((weights * kept).transpose(1, 2), of_output)
            of_weights.mul_(kept)
        else:
            of_v[here] += _product(weights.transpose(1, 2), of_output)
        of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        if squeezed is not None:
            of_scores.mul_(1 - squeezed * squeezed)
        part = _product(of_scores, keys[here], settings.scale)
        of_q[block.heads, :, block.start : block.end] = part.unflatten(1, (-1, block.end - block.start))
        of_k[here] += _product(of_scores.transpose(1, 2), queries, settings.scale)
    return of_q.view(q.shape), of_k.view(k.shape), of_v.view(v.shape)
