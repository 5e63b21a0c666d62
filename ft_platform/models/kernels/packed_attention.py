"""Attention over many rows packed into one, with a prefix that all rows share and that is computed once."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from ft_platform.models.kernels import own_attention
from ft_platform.models.kernels.blockwise_attention import AttentionSettings, attend, attend_backward, attend_causal

NAME = "ft_packed"
LEAST_FILL = 0.75
"""Rows are computed side by side while the shortest has at least this share of the longest row's tokens."""

FUSED_FROM = 256
"""Tokens from which on torch's fused kernel is the faster one forward: 6.5 against 8.1 cpu-milliseconds for 6 rows of
250 (see `blockwise_attention`)."""


@cache
def fused_pays(device: str) -> bool:
    """Whether torch's fused kernel is the faster one forward on this kind of device: of processors those with AMX.
    Asked of the machine and not measured, so that equal machines compute equal bits."""
    return device != "cpu" or bool(getattr(torch.cpu, "get_capabilities", dict)().get("amx_tile"))


class PackingUnsupported(Exception):
    """This model cannot run packed rows exactly; run them padded."""


@dataclass(frozen=True)
class Tree:
    """Alternative continuations, with a start that several of them share computed once.

    Attributes:
        tokens: of all continuations, each followed by all that continue it.
        depths: how many tokens of its continuation come before each.
        ends: place after the last token that continues each.
        paths: for each continuation the places of its tokens.
    """

    tokens: list[int]
    depths: list[int]
    ends: list[int]
    paths: list[list[int]]

    @classmethod
    def of(cls, continuations: Iterable[Sequence[int]]) -> "Tree":
        chosen = [tuple(c) for c in continuations]
        starts = dict.fromkeys(c[: n + 1] for c in chosen for n in range(len(c)))
        # A start comes right before everything that begins with it; equal starts were merged above.
        first = {start: place for place, start in reversed(list(enumerate(starts)))}
        order = sorted(starts, key=lambda start: [first[start[: n + 1]] for n in range(len(start))])
        places = {start: place for place, start in enumerate(order)}
        ends = [
            next((later for later in range(place + 1, len(order)) if len(order[later]) <= len(start)), len(order))
            for place, start in enumerate(order)
        ]
        paths = [[places[c[: n + 1]] for n in range(len(c))] for c in chosen]
        return cls([start[-1] for start in order], [len(start) - 1 for start in order], ends, paths)


NO_TREE = Tree([], [], [], [])


@dataclass(frozen=True)
class Segment:
    """One row after the shared prefix.

    Attributes:
        ids: its tokens.
        tree: alternative continuations of `ids`; each sees prefix, `ids` and itself, none sees another.
    """

    ids: Sequence[int]
    tree: Tree = NO_TREE

    def __len__(self) -> int:
        return len(self.ids) + len(self.tree.tokens)

    def tokens(self) -> list[int]:
        return [*self.ids, *self.tree.tokens]

    def positions(self) -> list[int]:
        """Place of each token in its own text, counted from the end of the prefix."""
        return [*range(len(self.ids)), *(len(self.ids) + depth for depth in self.tree.depths)]

    def ends(self, length: int) -> list[int]:
        """For each token and for padding up to `length` the place from which on it is not seen."""
        return (
            [length] * len(self.ids) + [len(self.ids) + end for end in self.tree.ends] + [length] * (length - len(self))
        )


@dataclass
class _Group:
    """Rows of similar length side by side, each padded on the right to `length`. Padding comes last, so the causal mask
    hides it from every real token.

    Attributes:
        prefix: tokens that all rows see first.
        branched: whether any row has branches.
        positions: of each slot, shape `(rows, length)`, or `(1, length)` where no row has branches.
        ends: slot from which on a slot is not seen; same shape.
        queries: token of the packed row for each slot, shape `(rows * length,)`; token 0 for padding.
        keys: the same with the prefix before each row, shape `(rows * (prefix + length),)`.
        filled, padding: slots that hold a token, and those that do not.
    """

    rows: int
    length: int
    prefix: int
    branched: bool
    positions: torch.Tensor
    ends: torch.Tensor
    queries: torch.Tensor
    keys: torch.Tensor
    filled: torch.Tensor
    padding: torch.Tensor
    masks: dict[tuple[Any, ...], torch.Tensor] = field(default_factory=dict)

    def fused(self, settings: AttentionSettings, device: str) -> bool:
        """Whether the fused kernel computes what is asked for, and faster."""
        plain = not (self.branched or settings.window or settings.softcap or settings.dropout)
        return plain and fused_pays(device) and self.length >= FUSED_FROM and self.prefix <= self.length // 4

    def first_key(self, start: int, window: int | None) -> int:
        """Branches are next to each other without being near in the text, so only rows without any are cut at the
        window's edge."""
        return max(self.prefix + start - window + 1, 0) if window and not self.branched else 0

    def mask(self, start: int, end: int, window: int | None, like: torch.Tensor) -> tuple[int, torch.Tensor]:
        """As in `MaskedRows`."""
        plain = not window and not self.branched
        first = self.prefix + start if plain else self.first_key(start, window)
        # The diagonal of a plain block is the same wherever it lies.
        key = (end - start if plain else (start, end), window, like.dtype)
        if key not in self.masks:
            visible = self._visible(start, end, first, window)
            self.masks[key] = torch.zeros(visible.shape, dtype=like.dtype, device=like.device).masked_fill_(
                ~visible, float("-inf")
            )[:, None, None]
        return first, self.masks[key]

    def _visible(self, start: int, end: int, first: int, window: int | None) -> torch.Tensor:
        """Whether queries `start` to `end` see the keys from `first` on. Shape `(rows or 1, queries, keys)`."""
        at = self.positions[:, start:end, None]
        own = slice(max(first - self.prefix, 0), end)
        place = torch.arange(end, device=at.device)
        sees = (place[start:, None] >= place[own]) & (place[start:, None] < self.ends[:, None, own])
        shared = torch.arange(min(first, self.prefix), self.prefix, device=at.device)
        before = torch.ones_like(at, dtype=torch.bool).expand(-1, -1, len(shared))
        if window:
            sees = sees & (at - self.positions[:, None, own] < window)
            before = before & (at + self.prefix - shared < window)
        return torch.cat([before, sees], dim=2)


class PackedLayout:
    """Where the rows lie in the packed row, and how to bring them side by side for attention.

    Args:
        prefix: tokens of the shared prefix.
        segments: rows, none of them empty.
        device: of the model.

    Attributes:
        starts: place of each row's first token in the packed row.
        places: the same and the lengths, shape `(2, rows)`, on the CPU.
        prefix: tokens of the shared prefix.
        branched: whether any row has branches.
        groups: the rows side by side; the prefix is a row without a prefix.
    """

    def __init__(self, prefix: int, segments: Sequence[Segment], device: Any = "cpu") -> None:
        lengths = [len(s) for s in segments]
        self.starts = [prefix + sum(lengths[:number]) for number in range(len(lengths))]
        self.places = torch.tensor([self.starts, lengths])
        self.prefix, self.branched = prefix, any(s.tree.tokens for s in segments)
        self.position_ids = torch.tensor(
            [[*range(prefix), *(prefix + p for s in segments for p in s.positions())]], device=device
        )
        self.groups = [self._group([Segment(range(prefix))], [0], 0, device)] if prefix else []
        for members in _similar(lengths):
            self.groups.append(
                self._group([segments[m] for m in members], [self.starts[m] for m in members], prefix, device)
            )

    @staticmethod
    def _group(segments: Sequence[Segment], starts: Sequence[int], prefix: int, device: Any) -> _Group:
        """Rows that begin at `starts`, the longest one first."""
        lengths = [len(s) for s in segments]
        length = lengths[0]
        queries = [
            [*range(start, start + own), *([0] * (length - own))] for start, own in zip(starts, lengths, strict=True)
        ]
        slots = [slot < own for own in lengths for slot in range(length)]
        branched = any(s.tree.tokens for s in segments)
        shown = segments if branched else segments[:1]
        tensors = {
            "positions": [[*s.positions(), *([0] * (length - len(s)))] for s in shown],
            "ends": [s.ends(length) for s in shown],
            "queries": [token for row in queries for token in row],
            "keys": [token for row in queries for token in [*range(prefix), *row]],
            "filled": [slot for slot, full in enumerate(slots) if full],
            "padding": [slot for slot, full in enumerate(slots) if not full],
        }
        made: dict[str, Any] = {
            name: torch.tensor(values, dtype=torch.long, device=device) for name, values in tensors.items()
        }
        return _Group(len(segments), length, prefix, branched, **made)


def _similar(lengths: Sequence[int]) -> list[list[int]]:
    """Row numbers in groups of similar length, each group's longest row first."""
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda r: -lengths[r]):
        if not groups or lengths[row] < LEAST_FILL * lengths[groups[-1][0]]:
            groups.append([])
        groups[-1].append(row)
    return groups


class _PackedAttention(torch.autograd.Function):
    """`q (tokens, kv_heads, group, dim)`, `k, v (tokens, kv_heads, dim)` -> shape of `q`. Keeps its arguments;
    our own kernels also its output and a number for each query."""

    @staticmethod
    def forward(
        ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, layout: PackedLayout, settings: AttentionSettings
    ) -> torch.Tensor:
        ctx.layout, ctx.settings = layout, settings
        plain = not (layout.branched or settings.softcap or settings.dropout)
        ctx.own = plain and own_attention.takes(q, k, v, layout.places)
        if ctx.own:
            output, log_sums = own_attention.forward(q, k, v, layout.places, layout.prefix, settings)
            ctx.save_for_backward(q, k, v, output, log_sums)
            return output
        ctx.save_for_backward(q, k, v)
        output = q.new_empty(*q.shape[:-1], v.shape[-1])
        for group in layout.groups:
            keys, values = _rows_of(k, group, group.keys), _rows_of(v, group, group.keys)
            if group.fused(settings, q.device.type):
                # The prefix's queries are computed with each row: a few tokens for a kernel that knows no offset.
                mixed = attend_causal(_rows_of(q, group, group.keys), keys, values, settings)[..., group.prefix :, :]
            else:
                mixed = attend(_rows_of(q, group, group.queries), keys, values, group, settings)
            _put_back(output, mixed, group)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None, None]:  # type: ignore[override]
        q, k, v, *made = ctx.saved_tensors
        if ctx.own:
            (output, log_sums), layout = made, ctx.layout
            given = gradient, q, k, v, output, log_sums
            return *own_attention.backward(*given, layout.places, layout.prefix, ctx.settings), None, None
        of_q, of_k, of_v = (x.new_empty(x.shape) for x in (q, k, v))
        shared = [x.new_zeros((ctx.layout.groups[-1].prefix, *x.shape[1:]), dtype=torch.float32) for x in (k, v)]
        # The prefix comes first and its gradient, to which all rows add, last.
        for group in reversed(ctx.layout.groups):
            of_mixed = gradient.index_select(0, group.queries)
            if len(group.padding):
                of_mixed.index_fill_(0, group.padding, 0.0)
            rows = (_rows_of(q, group, group.queries), _rows_of(k, group, group.keys), _rows_of(v, group, group.keys))
            own_q, *own = attend_backward(_side_by_side(of_mixed, group), *rows, group, ctx.settings)
            _put_back(of_q, own_q, group)
            for total, start, part in zip((of_k, of_v), shared, own, strict=True):
                if group.prefix:
                    start += part[:, :, : group.prefix].sum(0).transpose(0, 1)
                elif group is ctx.layout.groups[0] and len(start):
                    part += start.transpose(0, 1)
                _put_back(total, part[:, :, group.prefix :], group)
        return of_q, of_k, of_v, None, None


def _rows_of(x: torch.Tensor, group: _Group, tokens: torch.Tensor) -> torch.Tensor:
    """The tokens of a group: `(tokens, kv_heads, ..., dim)` -> `(rows, kv_heads, ..., slots, dim)`."""
    return _side_by_side(x.index_select(0, tokens), group)


def _side_by_side(x: torch.Tensor, group: _Group) -> torch.Tensor:
    return x.view(group.rows, -1, *x.shape[1:]).movedim(1, -2).contiguous()


def _put_back(target: torch.Tensor, rows: torch.Tensor, group: _Group) -> None:
    """The inverse of `_rows_of`, into `target`; padding is left out."""
    slots = rows.movedim(-2, 1).flatten(0, 1).to(target.dtype)
    if len(group.padding):
        slots = slots.index_select(0, group.filled)
        target.index_copy_(0, group.queries.index_select(0, group.filled), slots)
    else:
        target.index_copy_(0, group.queries, slots)


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
    dropped = dropout if module.training else 0.0
    settings = AttentionSettings(
        scale=scaling if scaling is not None else query.shape[-1] ** -0.5,
        window=sliding_window,
        softcap=softcap,
        dropout=dropped,
        seed=int(torch.randint(2**62, ())) if dropped else 0,
    )
    if torch.is_autocast_enabled(query.device.type):  # the backward pass runs outside of autocast
        query, key, value = (x.to(torch.get_autocast_dtype(query.device.type)) for x in (query, key, value))
    # Several query heads share one key head (grouped-query attention).
    # Under autocast rotated queries and keys are float32, and products made here would be cast forward but not
    # backward.
    query, key = query.to(value.dtype), key.to(value.dtype)
    q = query[0].transpose(0, 1).unflatten(1, (key.shape[1], -1))
    with torch.autocast(query.device.type, enabled=False):
        output = _PackedAttention.apply(q, key[0].transpose(0, 1), value[0].transpose(0, 1), packed_layout, settings)
    return output.flatten(1, 2)[None], None


@cache
def _not_compiled() -> Any:
    """`packed_attention` where layers are compiled: its loops depend on the rows of each batch, and dynamo fails in its
    backward pass (torch 2.13)."""
    return torch.compiler.disable(packed_attention)


@contextmanager
def packed_attention_in(model: Any) -> Iterator[None]:
    """Runs `model` with `packed_attention` inside the block. Not for a model that another thread uses at the same time.

    Raises:
        PackingUnsupported: the architecture does not use transformers' attention interface.
    """
    from transformers import AttentionInterface

    compiled = any(module._compiled_call_impl is not None for module in model.modules())
    AttentionInterface.register(NAME, _not_compiled() if compiled else packed_attention)
    base = model.get_base_model() if hasattr(model, "peft_config") else model
    before = base.config._attn_implementation
    if not base._can_set_attn_implementation():
        raise PackingUnsupported("no attention interface")
    base.set_attn_implementation(NAME)
    try:
        yield
    finally:
        base.set_attn_implementation(before)
