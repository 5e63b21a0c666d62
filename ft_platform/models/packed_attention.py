"""Attention over many rows packed into one, with a prefix that all rows share and that is computed once.

Plain matmul and softmax: torch's bf16 `scaled_dot_product_attention` is three times slower backward on a CPU (15.6 against
5.0 ms per layer of SmolLM2-135M, torch 2.13).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

NAME = "ft_packed"
LEAST_FILL = 0.75
"""Rows are computed side by side while the shortest has at least this share of the longest row's tokens."""


class PackingUnsupported(Exception):
    """This model cannot run packed rows exactly; run them padded."""


@dataclass(frozen=True)
class Segment:
    """One row after the shared prefix.

    Attributes:
        ids: its tokens.
        branches: alternative continuations of `ids`; each sees prefix, `ids` and itself, none sees another.
    """

    ids: Sequence[int]
    branches: Sequence[Sequence[int]] = ()

    def tokens(self) -> list[int]:
        return [*self.ids, *(token for branch in self.branches for token in branch)]

    def positions(self) -> list[int]:
        """Place of each token in its own text, counted from the end of the prefix."""
        return [*range(len(self.ids)), *(len(self.ids) + i for branch in self.branches for i in range(len(branch)))]

    def owners(self) -> list[int]:
        """0 for `ids`; 1, 2, ... for the branches."""
        return [0] * len(self.ids) + [number for number, branch in enumerate(self.branches, 1) for _ in branch]


@dataclass
class _Group:
    """Rows of similar length side by side, each padded on the right to `length`.

    Attributes:
        positions, owners: of each slot, shape `(rows, length)`, or `(1, length)` where no row has branches: padding comes
            last, so the causal mask hides it from every real token.
    """

    rows: int
    length: int
    positions: torch.Tensor
    owners: torch.Tensor
    masks: dict[tuple[int | None, torch.dtype], torch.Tensor] = field(default_factory=dict)

    def mask(self, prefix: int, window: int | None, dtype: torch.dtype) -> torch.Tensor:
        """0 where a query sees a key, -inf elsewhere. Shape `(rows or 1, 1, 1, length, prefix + length)`."""
        if (window, dtype) not in self.masks:
            place = torch.arange(self.length, device=self.owners.device)
            sees = (place[:, None] >= place) & ((self.owners[:, None, :] == 0) | (self.owners[:, None, :] == self.owners[:, :, None]))
            keys = torch.arange(prefix, device=place.device)
            before = torch.ones_like(sees[:, :, :1]).expand(-1, -1, prefix)
            if window:
                sees = sees & (self.positions[:, :, None] - self.positions[:, None, :] < window)
                before = before & (self.positions[:, :, None] + prefix - keys < window)
            visible = torch.cat([before, sees], dim=2)[:, None, None]
            self.masks[window, dtype] = torch.zeros(visible.shape, dtype=dtype, device=place.device).masked_fill_(~visible, float("-inf"))
        return self.masks[window, dtype]


class PackedLayout:
    """Where the rows lie in the packed row, and how to bring them side by side for attention.

    Args:
        prefix: tokens of the shared prefix.
        segments: rows, none of them empty.
        device: of the model.
    """

    def __init__(self, prefix: int, segments: Sequence[Segment], device: Any = "cpu") -> None:
        self.prefix = prefix
        lengths = [len(s.tokens()) for s in segments]
        starts = [prefix + sum(lengths[:number]) for number in range(len(lengths))]
        self.starts = starts
        self.position_ids = torch.tensor([[*range(prefix), *(prefix + p for s in segments for p in s.positions())]], device=device)
        self.groups: list[_Group] = []
        slots: list[int] = []
        for members in _similar(lengths):
            length = lengths[members[0]]
            for m in members:
                slots += [*range(starts[m] - prefix, starts[m] - prefix + lengths[m]), *([-1] * (length - lengths[m]))]
            branched = any(segments[m].branches for m in members)
            shown = [segments[m] for m in members] if branched else [segments[members[0]]]
            positions, owners = (
                torch.tensor([row + [0] * (length - len(row)) for row in map(values, shown)], device=device) for values in (Segment.positions, Segment.owners)
            )
            self.groups.append(_Group(len(members), length, positions, owners))
        wanted = torch.tensor(slots, device=device)
        self.empty = wanted < 0
        self.slots = wanted.clamp(min=0)
        self.back = torch.empty(sum(lengths), dtype=torch.long, device=device)
        self.back[self.slots[~self.empty]] = torch.nonzero(~self.empty).flatten()


def _similar(lengths: Sequence[int]) -> list[list[int]]:
    """Row numbers in groups of similar length, each group's longest row first."""
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda r: -lengths[r]):
        if not groups or lengths[row] < LEAST_FILL * lengths[groups[-1][0]]:
            groups.append([])
        groups[-1].append(row)
    return groups


class _ToSlots(torch.autograd.Function):
    """Rows side by side, `(tokens, ...) -> (slots, ...)`; gradients of padding slots do not come back."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layout: PackedLayout) -> torch.Tensor:
        ctx.layout = layout
        return x.index_select(0, layout.slots)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        return gradient.index_select(0, ctx.layout.back), None


class _FromSlots(torch.autograd.Function):
    """The inverse, `(slots, ...) -> (tokens, ...)`; padding slots get no gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layout: PackedLayout) -> torch.Tensor:
        ctx.layout = layout
        return x.index_select(0, layout.back)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        layout = ctx.layout
        return gradient.index_select(0, layout.slots).masked_fill_(layout.empty[:, None, None], 0.0), None


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    *,
    packed_layout: PackedLayout,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention function in the form of transformers' attention interface.

    Args:
        query: `(1, heads, tokens, head_dim)`; `key` and `value` with `(1, kv_heads, ...)`.
        packed_layout: the layout that `packed_forward` passed to the model.

    Returns:
        `(1, tokens, heads, head_dim)`, and None in place of the weights.
    """
    if s_aux is not None:
        raise PackingUnsupported("attention sinks")
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    kv_heads, prefix = key.shape[1], packed_layout.prefix
    # (tokens, kv_heads, query heads per kv head, head_dim): several query heads share one key head (grouped-query attention).
    q = query[0].transpose(0, 1).unflatten(1, (kv_heads, -1))
    k, v = key[0].transpose(0, 1), value[0].transpose(0, 1)
    settings = {"scale": scale, "dropout": dropout if module.training else 0.0, "softcap": softcap}
    slots = [_ToSlots.apply(x[prefix:].reshape(x.shape[0] - prefix, kv_heads, -1), packed_layout) for x in (q, k, v)]
    sizes = [g.rows * g.length for g in packed_layout.groups]
    results = []
    for group, rows_q, rows_k, rows_v in zip(packed_layout.groups, *(x.split(sizes) for x in slots), strict=True):
        shape = (group.rows, group.length, kv_heads, -1)
        group_q = rows_q.view(group.rows, group.length, *q.shape[1:])
        keys, values = (torch.cat([own[:prefix].expand(group.rows, -1, -1, -1), rows.view(shape)], dim=1) for own, rows in ((k, rows_k), (v, rows_v)))
        results.append(_attend(group_q, keys, values, group.mask(prefix, sliding_window, q.dtype), **settings).flatten(0, 1).flatten(1, 2))
    joined = torch.cat(results) if len(results) > 1 else results[0]
    output = _FromSlots.apply(joined, packed_layout)
    if prefix:
        own = _Group(1, prefix, torch.arange(prefix, device=q.device)[None], torch.zeros(1, prefix, dtype=torch.long, device=q.device))
        head = _attend(q[None, :prefix], k[None, :prefix], v[None, :prefix], own.mask(0, sliding_window, q.dtype), **settings)
        output = torch.cat([head[0].flatten(1, 2), output])
    return output[None], None


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, scale: float, dropout: float, softcap: float | None) -> torch.Tensor:
    """`q (rows, queries, kv_heads, group, dim)`, `k, v (rows, keys, kv_heads, dim)` -> shape of `q`."""
    rows, queries, kv_heads, group, dim = q.shape
    if not (torch.is_grad_enabled() or softcap or dropout):
        return _attend_forward_only(q, k, v, mask, scale)
    q = (q * scale).permute(0, 2, 3, 1, 4).reshape(rows, kv_heads, group * queries, dim)
    scores = torch.matmul(q, k.permute(0, 2, 3, 1)).view(rows, kv_heads, group, queries, -1)
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    weights = torch.softmax(scores.add_(mask), dim=-1)
    if dropout:
        weights = torch.nn.functional.dropout(weights, dropout)
    mixed = torch.matmul(weights.view(rows, kv_heads, group * queries, -1), v.transpose(1, 2))
    return mixed.view(rows, kv_heads, group, queries, dim).permute(0, 3, 1, 2, 4)


def _attend_forward_only(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:
    """The same without gradients: only backward is slow in torch's fused attention; 220 few-shot prompts took 42.8 instead of 51.6 cpu-seconds."""
    group = q.shape[3]
    keys, values = (x.repeat_interleave(group, dim=2).transpose(1, 2) for x in (k, v))
    mixed = torch.nn.functional.scaled_dot_product_attention(q.flatten(2, 3).transpose(1, 2), keys, values, attn_mask=mask[:, 0].to(q.dtype), scale=scale)
    return mixed.transpose(1, 2).unflatten(2, (-1, group))


@contextmanager
def packed_attention_in(model: Any) -> Iterator[None]:
    """Runs `model` with `packed_attention` inside the block. Not for a model that another thread uses at the same time.

    Raises:
        PackingUnsupported: the architecture does not use transformers' attention interface.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, packed_attention)
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    before = base.config._attn_implementation
    if not base._can_set_attn_implementation():
        raise PackingUnsupported("no attention interface")
    base.set_attn_implementation(NAME)
    try:
        yield
    finally:
        base.set_attn_implementation(before)
