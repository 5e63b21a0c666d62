"""Attention of a pass in which every row continues its own keys and values in the cache.

The tokens of all rows lie one after the other in one row without padding, so that every other layer sees one matrix.
Attention is computed row by row: it does not depend on what else is in the pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ft_platform.models.kernels.packed_attention import PackingUnsupported, Segment
from ft_platform.serving.engine.cache import KeyValueCache

NAME = "ft_served"


@dataclass(eq=False)
class Part:
    """What one row adds in a pass.

    Attributes:
        segment: its new tokens, with a tree of labels where the prompt ends with them.
        first: place of the row's first token in the cache.
        past: tokens that are there already.
        keep: tokens of the segment whose outputs are wanted.
        adapter: whose columns and head compute it.
    """

    segment: Segment
    first: int
    past: int
    keep: Sequence[int]
    adapter: Any = None
    masks: dict[int | None, torch.Tensor | None] = field(default_factory=dict)

    def positions(self) -> list[int]:
        return [self.past + position for position in self.segment.positions()]

    def mask(self, window: int | None, like: torch.Tensor) -> torch.Tensor | None:
        """What is added to the scores, `(new, past + new)`; None where the causal mask of the first tokens is all."""
        if window not in self.masks:
            self.masks[window] = self._mask(window, like)
        return self.masks[window]

    def _mask(self, window: int | None, like: torch.Tensor) -> torch.Tensor | None:
        new = len(self.segment)
        if not (self.past or self.segment.tree.tokens or (window and window < new)):
            return None
        place, ends = torch.arange(new), torch.tensor(self.segment.ends(new))
        own = (place[:, None] >= place) & (place[:, None] < ends)
        sees = torch.cat([torch.ones(new, self.past, dtype=torch.bool), own], dim=1)
        if window:
            at = torch.tensor([*range(self.past), *self.positions()])
            sees &= at[self.past :, None] - at < window
        return torch.zeros(sees.shape, dtype=like.dtype).masked_fill_(~sees, float("-inf")).to(like.device)


@dataclass(eq=False)
class Pass:
    """The rows of one pass, and where their keys and values go.

    Attributes:
        places: in the cache, of each new token. Shape `(tokens,)`.
    """

    parts: Sequence[Part]
    cache: KeyValueCache
    places: torch.Tensor


def served_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    *,
    served: Pass,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention function in the form of transformers' attention interface.

    Args:
        query: `(1, heads, tokens, head_dim)`; `key` and `value` with `(1, kv_heads, ...)`.
        served: what `batch.run` passed to the model.

    Returns:
        `(1, tokens, heads, head_dim)`, and None in place of the weights.
    """
    if s_aux is not None:
        raise PackingUnsupported("attention sinks")
    layer: Any = module.layer_idx
    keys, values = served.cache.write(layer, key[0].to(value.dtype), value[0], served.places)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    # Several query heads share one key head (grouped-query attention).
    q = query[0].to(value.dtype).unflatten(0, (len(keys), -1))
    output = value.new_empty(query.shape[2], *q.shape[:2], value.shape[-1])
    start = 0
    for part in served.parts:
        end = start + len(part.segment)
        last = part.first + part.past + end - start
        if end - start == 1:
            # The one token sees all: its heads of a group stand in for tokens.
            first = max(part.first, last - sliding_window) if sliding_window else part.first
            seen = slice(first, last)
            output[start] = _mixed(q[None, :, :, start], keys[None, :, seen], values[None, :, seen], scale, softcap)[0]
        else:
            mask = part.mask(sliding_window, value)
            k, v = (x[:, None, part.first : last].expand(-1, q.shape[1], -1, -1) for x in (keys, values))
            mixed = _mixed(q[:, :, start:end], k, v, scale, softcap, mask, causal=mask is None)
            output[start:end] = mixed.movedim(2, 0)
        start = end
    return output.flatten(1, 2)[None], None


def _mixed(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float,
    softcap: float | None,
    mask: torch.Tensor | None = None,
    *,
    causal: bool = False,
) -> torch.Tensor:
    """`q (one, two, queries, dim)` and `k, v (one, two, seen, dim)` to the shape of `q`."""
    if not softcap:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, scale=scale)
    if causal:
        mask = q.new_full((q.shape[2], k.shape[2]), float("-inf")).triu_(1)
    scores = torch.tanh((q @ k.transpose(-1, -2)).float() * (scale / softcap)) * softcap
    return torch.softmax(scores if mask is None else scores + mask, dim=-1).to(v.dtype) @ v
