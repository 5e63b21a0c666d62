"""Exact attention in blocks of queries, with memory that grows with the tokens and not with their square.

A block sees all its keys at once, so its softmax is the plain one. The backward pass computes the weights of a block
again from the queries and keys instead of keeping them (Rabe and Staats, arXiv:2112.05682; Dao et al.,
arXiv:2205.14135): nothing but `q`, `k` and `v` is kept. Blocks end at the diagonal, and begin at the window's edge, so
hidden keys are not computed.

Plain matrix products and softmax: torch's bf16 `scaled_dot_product_attention` is slow backward on a CPU. Forward and
backward in bf16 with 9 heads of 64, torch 2.13, busy cores, cpu-milliseconds here and there: 15.2 and 52.9 for 15 rows
of 100 tokens, 33.9 and 46.4 for 3 of 500, 79.5 and 68.4 for one of 1500. Forward alone it is the faster one for long
rows on processors with AMX (11.6 against 22.9), where it is used; on an AMD EPYC with AVX-512 it is the slower one (76
against 52 for one row of 1950, 17 against 9.6 for 3 of 400)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch

BLOCK_SCORES = 2**19
"""Scores computed at once by each thread: 1 MB in bfloat16. With one thread 2**20 takes 20.4 instead of 14.5
cpu-milliseconds backward for 8 rows of 190 tokens on an AMD EPYC with 1 MB of second-level cache; with two threads the
same in all takes 15.5 and half of it 14.9 milliseconds, and long rows gain."""
LEAST_QUERIES = 32
"""Fewer queries in a block make the matrix products too thin."""


class MaskedRows(Protocol):
    """Rows of equal length side by side, and which keys their queries see."""

    rows: int
    length: int

    def first_key(self, start: int, window: int | None) -> int:
        """No query from `start` on sees a key before this one."""
        ...

    def mask(self, start: int, end: int, window: int | None, like: torch.Tensor) -> tuple[int, torch.Tensor]:
        """For queries `start` to `end`: the first key that not all of them see, and from there on to the last key 0
        where a query sees a key and -inf elsewhere. Shape `(rows or 1, 1, 1, end - start, keys)`, dtype of `like`."""
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
    start: int
    end: int
    first_key: int
    last_key: int


def _blocks(rows: MaskedRows, heads: int, keys: int, settings: AttentionSettings) -> Iterator[_Block]:
    """Blocks of queries. The keys of query `i` end at `keys - length + i`."""
    before, most = keys - rows.length, BLOCK_SCORES * torch.get_num_threads()
    start = 0
    while start < rows.length:
        first = rows.first_key(start, settings.window)
        earlier = before + start - first
        # So many queries that, with the keys before them and themselves, they have so many scores.
        queries = (math.sqrt(earlier**2 + 4 * most / (rows.rows * heads)) - earlier) / 2
        queries = max(int(queries) // LEAST_QUERIES * LEAST_QUERIES, LEAST_QUERIES)
        # No tail of a few queries.
        end = rows.length if rows.length - start < queries * 1.5 else start + queries
        yield _Block(start, end, first, before + end)
        start = end


def _weights(
    q: torch.Tensor, k: torch.Tensor, block: _Block, rows: MaskedRows, settings: AttentionSettings
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Softmax weights of a block, and the squeezed scores where there is a softcap. Shapes `(rows * kv_heads, group *
    queries, keys)`."""
    scores = torch.baddbmm(q.new_empty(()), q, k.transpose(1, 2), beta=0, alpha=settings.scale)
    squeezed = None
    if settings.softcap:
        squeezed = scores.div_(settings.softcap).tanh_()
        scores = squeezed * settings.softcap
    first, mask = rows.mask(block.start, block.end, settings.window, scores)
    shape = (rows.rows, -1, q.shape[1] // (block.end - block.start), block.end - block.start, scores.shape[-1])
    scores.view(shape)[..., first - block.first_key :].add_(mask)
    return torch.softmax(scores, dim=-1), squeezed


def _kept(weights: torch.Tensor, block: _Block, settings: AttentionSettings) -> torch.Tensor:
    """Factors of dropout, 0 or 1 / (1 - dropout), the same whenever they are drawn."""
    generator = torch.Generator(weights.device).manual_seed(settings.seed + block.start)
    return torch.empty_like(weights).bernoulli_(1 - settings.dropout, generator=generator).div_(1 - settings.dropout)


def _queries(q: torch.Tensor, block: _Block) -> torch.Tensor:
    """`(rows, kv_heads, group, length, dim)` -> `(rows * kv_heads, group * queries, dim)` of a block."""
    return q[:, :, :, block.start : block.end].reshape(q.shape[0] * q.shape[1], -1, q.shape[-1])


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rows: MaskedRows, settings: AttentionSettings
) -> torch.Tensor:
    """Attention of rows side by side.

    Args:
        q: `(rows, kv_heads, group, length, dim)`.
        k, v: `(rows, kv_heads, keys, dim)`; the last `length` keys are those of the queries themselves.

    Returns:
        Shape of `q` with the last size of `v`.
    """
    keys, values = k.flatten(0, 1), v.flatten(0, 1)
    output = q.new_empty(*q.shape[:-1], v.shape[-1])
    for block in _blocks(rows, q.shape[1] * q.shape[2], k.shape[2], settings):
        seen = slice(block.first_key, block.last_key)
        weights, _ = _weights(_queries(q, block), keys[:, seen], block, rows, settings)
        if settings.dropout:
            weights.mul_(_kept(weights, block, settings))
        mixed = torch.bmm(weights, values[:, seen])
        output[:, :, :, block.start : block.end] = mixed.view(*q.shape[:3], block.end - block.start, -1)
    return output


def attend_causal(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, settings: AttentionSettings) -> torch.Tensor:
    """The same where every query sees all keys up to itself and there are as many queries as keys: torch's fused
    kernel, which has no backward here.

    Args:
        q: `(rows, kv_heads, group, keys, dim)`; others as for `attend`.
    """
    keys, values = (x.repeat_interleave(q.shape[2], dim=1) for x in (k, v))
    mixed = torch.nn.functional.scaled_dot_product_attention(
        q.flatten(1, 2), keys, values, is_causal=True, scale=settings.scale
    )
    return mixed.view(*q.shape[:-1], v.shape[-1])


def attend_backward(
    gradient: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    rows: MaskedRows,
    settings: AttentionSettings,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of `q`, `k` and `v` of `attend`, given that of its output; those of `k` and `v` are summed in
    float32."""
    keys, values = k.flatten(0, 1), v.flatten(0, 1)
    of_q = torch.empty_like(q)
    of_k, of_v = (torch.zeros(x.shape, dtype=torch.float32, device=x.device) for x in (keys, values))
    for block in _blocks(rows, q.shape[1] * q.shape[2], k.shape[2], settings):
        seen = slice(block.first_key, block.last_key)
        queries, of_output = _queries(q, block), _queries(gradient, block)
        weights, squeezed = _weights(queries, keys[:, seen], block, rows, settings)
        of_weights = torch.bmm(of_output, values[:, seen].transpose(1, 2))
        if settings.dropout:
            kept = _kept(weights, block, settings)
            of_v[:, seen] += torch.bmm((weights * kept).transpose(1, 2), of_output)
            of_weights.mul_(kept)
        else:
            of_v[:, seen] += torch.bmm(weights.transpose(1, 2), of_output)
        of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        if squeezed is not None:
            of_scores.mul_(1 - squeezed * squeezed)
        part = torch.baddbmm(q.new_empty(()), of_scores, keys[:, seen], beta=0, alpha=settings.scale)
        of_q[:, :, :, block.start : block.end] = part.view(*q.shape[:3], block.end - block.start, -1)
        of_k[:, seen] += torch.baddbmm(
            q.new_empty(()), of_scores.transpose(1, 2), queries, beta=0, alpha=settings.scale
        )
    return of_q, of_k.view(k.shape), of_v.view(v.shape)
