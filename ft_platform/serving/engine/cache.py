"""Keys and values of all running requests in one block of memory for each layer, and those of finished ones that later
requests may start with."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

MOST_KEPT = 256
"""Finished requests that are kept; each is compared with every new prompt (about 2 microseconds)."""


@dataclass(eq=False)
class Kept:
    """Tokens of one model whose keys and values lie at `first` and after it.

    Attributes:
        owner: adapter that computed them, None for the base model.
        caller: for whom.
        tokens: shape `(tokens,)`, int64.
    """

    owner: Any
    caller: str
    tokens: np.ndarray
    first: int

    def shared(self, owner: Any, caller: str, tokens: np.ndarray, public: int) -> int:
        """With how many of its tokens a prompt begins and may start from: of another caller's, public ones only."""
        if self.owner is not owner:
            return 0
        return common_start(self.tokens, tokens if self.caller == caller else tokens[:public])


class Spans:
    """Parts of `[0, size)` that are given out and taken back; first fit."""

    def __init__(self, size: int) -> None:
        self._free = [(0, size)] if size else []

    def take(self, length: int) -> int | None:
        """Start of a part of this length, or None where no free part is as long."""
        for number, (start, end) in enumerate(self._free):
            if end - start >= length:
                self._free[number : number + 1] = [(start + length, end)] if end - start > length else []
                return start
        return None

    def release(self, start: int, length: int) -> None:
        """Takes a part back and joins it with its free neighbours."""
        parts = sorted([*self._free, (start, start + length)])
        joined = parts[:1]
        for first, last in parts[1:]:
            if first == joined[-1][1]:
                joined[-1] = (joined[-1][0], last)
            else:
                joined.append((first, last))
        self._free = [part for part in joined if part[0] < part[1]]


class KeyValueCache:
    """Keys and values by place: each running request has one part of the places for all its tokens.

    A prompt that starts as a kept or running request of the same adapter copies what is computed of that start; of a
    request of another caller only what no caller wrote. Room
    for new requests is made by giving up kept ones, the longest unused first.

    Args:
        tokens: places. One takes `2 * kv_heads * head_dim` numbers of the model's dtype in every layer.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.reserved = 0
        self._layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._spans = Spans(tokens)
        self._kept: list[Kept] = []

    @property
    def kept_tokens(self) -> int:
        return sum(len(kept.tokens) for kept in self._kept)

    def write(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor, places: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores keys and values `(kv_heads, new, dim)` at `places (new,)`; returns all of the layer, `(kv_heads,
        places, dim)` each. The first call for a layer allocates it."""
        if layer not in self._layers:
            self._layers[layer] = tuple(x.new_empty((len(x), self.tokens, x.shape[-1])) for x in (keys, values))  # type: ignore[assignment]
        stored = self._layers[layer]
        stored[0].index_copy_(1, places, keys)
        stored[1].index_copy_(1, places, values)
        return stored

    def take(
        self,
        length: int,
        owner: Any,
        tokens: Sequence[int],
        running: Iterable[Kept],
        caller: str = "",
        public: int = 0,
    ) -> tuple[int, int] | None:
        """Reserves `length` places for a request and copies its start from one that has it.

        Args:
            owner, tokens: adapter and prompt; at least its last token is left to be computed.
            running: what the running requests have computed so far.
            caller, public: of `Row`.

        Returns:
            First place, and how many tokens of the prompt are there already. None where there is no room: the request
            has to wait until others end.
        """
        wanted, others = np.asarray(tokens, dtype=np.int64)[:-1], list(running)
        best = partial(self._best, owner, caller, wanted, public)
        best(self._kept)  # used now: given up last
        while (first := self._spans.take(length)) is None:
            if not self._kept:
                return None
            self._drop(self._kept[0])
        self.reserved += length
        source, shared = best([*self._kept, *others])
        if source:
            for stored in (x for pair in self._layers.values() for x in pair):
                stored[:, first : first + shared] = stored[:, source.first : source.first + shared]
        return first, shared

    def release(self, first: int, length: int, owner: Any, tokens: Sequence[int], caller: str = "") -> None:
        """Ends a reservation; of its places those of the computed `tokens` are kept for requests that start alike."""
        self.reserved -= length
        computed = np.asarray(tokens, dtype=np.int64)
        alike = [kept for kept in self._kept if kept.owner is owner and kept.caller == caller]
        if len(computed) == 0 or any(common_start(kept.tokens, computed) == len(computed) for kept in alike):
            self._spans.release(first, length)
            return
        for kept in alike:
            if common_start(kept.tokens, computed) == len(kept.tokens):
                self._drop(kept)
        if len(self._kept) == MOST_KEPT:
            self._drop(self._kept[0])
        self._spans.release(first + len(computed), length - len(computed))
        self._kept.append(Kept(owner, caller, computed, first))

    def forget(self, used: Set[Any]) -> None:
        """Gives up what is kept of all but these owners."""
        for kept in [kept for kept in self._kept if kept.owner not in used]:
            self._drop(kept)

    def _drop(self, kept: Kept) -> None:
        self._kept.remove(kept)
        self._spans.release(kept.first, len(kept.tokens))

    def _best(
        self, owner: Any, caller: str, tokens: np.ndarray, public: int, candidates: Sequence[Kept]
    ) -> tuple[Kept | None, int]:
        """Which candidate has the longest start of `tokens` that may be used, and how long it is; a kept one moves to
        the end of those that are given up."""
        shared, best = 0, None
        for candidate in candidates:
            if (common := candidate.shared(owner, caller, tokens, public)) > shared:
                shared, best = common, candidate
        if best in self._kept:
            self._kept.remove(best)
            self._kept.append(best)
        return best, shared


def common_start(one: np.ndarray, other: np.ndarray) -> int:
    """Number of tokens with which both begin."""
    length = min(len(one), len(other))
    different = np.flatnonzero(one[:length] != other[:length])
    return int(different[0]) if len(different) else length
