"""LoRA updates of several adapters in one batch: run by run, or with matrices stacked for each layer.

Tokens that follow each other and have the same adapter are one run: `y = x W^T + (x A^T) B^T`. Where many runs of one
token each are written, their adapters' matrices lie next to each other: `y = x W^T + mask(x A^T) B^T`, where A
`(columns, in)` and B `(out, columns)` hold all of them, and the mask `(tokens, columns)` leaves each token the columns
of its own adapter. That is two products for each layer however many adapters there are, without copies for each row
(S-LoRA, arXiv:2311.03285, gathers them instead), but it computes all columns for every token: prompts are left to runs.
"""

import math
import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import torch

from ft_platform.errors import BaseModelError
from ft_platform.models.adapter import ALL_WEIGHTS, WEIGHTS
from ft_platform.models.guards.adapter_files import (
    CONFIG,
    PREFIX,
    require_finite_weights,
    require_fitting_adapter,
    require_safe_adapter,
)
from ft_platform.models.guards.own_files import LABEL_HEAD
from ft_platform.models.guards.plain_json import read_object
from ft_platform.models.label_head import saved_weight
from ft_platform.serving.engine.packed_weights import PackedForward, packed_product


@dataclass(eq=False)
class LoadedAdapter:
    """Weights of one checkpoint.

    Attributes:
        layers: A `(rank, in)` and B `(out, rank)` by module, rounded to the dtype of the model; the scaling is in B.
            For a module with packed weights they are kept in float32.
        width: largest rank.
        head: weights of a label head `(labels, hidden)` in float32, or None.
    """

    layers: dict[str, tuple[torch.Tensor, torch.Tensor]]
    width: int
    head: torch.Tensor | None


def read_adapter(model: Any, folder: Path) -> LoadedAdapter:
    """The LoRA weights and the label head of a checkpoint.

    Raises:
        BaseModelError: it is for another base model, hostile, or no plain LoRA of linear layers.
    """
    if (folder / ALL_WEIGHTS).is_file():
        _refuse(folder, "holds all weights of a model, and only adapters are served beside each other")
    try:
        require_fitting_adapter(model, require_safe_adapter(folder))
        require_finite_weights(folder / WEIGHTS)
    except BaseModelError as error:
        raise BaseModelError(f"checkpoint {folder.name}: {error.message}", error.next_step) from error
    from safetensors.torch import load_file

    config, tensors = read_object(folder / CONFIG, 4 << 20), load_file(folder / WEIGHTS)
    if config.get("use_dora"):
        _refuse(folder, "is a DoRA adapter")
    output = next((name for name, module in model.named_modules() if module is model.get_output_embeddings()), "")
    layers = {}
    for name in sorted(tensors):
        if not name.endswith((".lora_A.weight", ".lora_B.weight")):
            _refuse(folder, f"changes more than linear layers: {name[:80]}")
        module = name.removeprefix(PREFIX).rpartition(".lora_")[0]
        if module == output:
            _refuse(folder, "changes the output layer")
        a, b = (tensors[f"{PREFIX}{module}.lora_{part}.weight"].float() for part in "AB")
        scaled = b * _scaling(config, module, len(a))
        kept = torch.float32 if _is_packed(model.get_submodule(module)) else model.dtype
        layers[module] = tuple(weight.to(model.device, model.dtype).to(kept) for weight in (a, scaled))
        if not all(bool(weight.isfinite().all()) for weight in layers[module]):
            _refuse(folder, f"has weights that are too large for {model.dtype}: {module[:80]}")
    head = saved_weight(model, folder).float().to(model.device) if (folder / LABEL_HEAD).is_file() else None
    return LoadedAdapter(layers, max(len(a) for a, _ in layers.values()), head)


def _is_packed(module: Any) -> bool:
    forward = vars(module).get("forward")
    return isinstance(forward.original if isinstance(forward, _Layer) else forward, PackedForward)


def _refuse(folder: Path, why: str) -> None:
    raise BaseModelError(f"checkpoint {folder.name} {why}", "Train a LoRA adapter of linear layers")


def _scaling(config: dict[str, Any], module: str, rank: int) -> float:
    """`lora_alpha / r`, or by the root of r for rsLoRA (arXiv:2312.03732); patterns as peft matches them
    (`peft.utils.other.get_pattern_key`)."""
    patterns = config.get("alpha_pattern") or {}
    found = next((key for key in patterns if re.match(rf"(.*\.)?({key})$", module)), None)
    alpha = config["lora_alpha"] if found is None else patterns[found]
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


class _Layer:
    """Replaces `forward` of one linear module."""

    def __init__(self, name: str, original: Any, outputs: int, stacked: "StackedLora") -> None:
        self.name, self.original, self.outputs, self.stacked = name, original, outputs, stacked
        self.stack: tuple[Product, Product] | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """`x (1, tokens, in)`."""
        mask, runs, parts = self.stacked.mask, self.stacked.runs, []
        if mask is None and not any(adapter and self.name in adapter.layers for *_, adapter in runs):
            return self.original(x)
        if mask is not None:
            parts.append(self._stack_update(x[:, : len(mask)], mask))
        for start, end, adapter in runs:
            if adapter and self.name in adapter.layers:
                parts.append(_update(x[0, start:end], *adapter.layers[self.name])[None])
            else:
                parts.append(x.new_zeros(1, end - start, self.outputs))
        update = parts[0] if len(parts) == 1 else torch.cat(parts, 1)
        if isinstance(self.original, PackedForward):
            return self.original.plus(x, update)
        return self.original(x).add_(update)

    def _stack_update(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.stack is None:
            return x.new_zeros(1, x.shape[1], self.outputs)
        # Not a product with zeros: infinity of one adapter would be NaN in the rows of all others.
        return self.stack[1](self.stack[0](x).masked_fill_(mask, 0.0))


FEW = 64
"""Tokens up to which small products in float32 are faster than in bfloat16, which oneDNN prepares anew each time: for
one token 3.5 instead of 10.7 milliseconds a pass, for 256 tokens 51 instead of 28 (SmolLM2-135M, rank 16, one core)."""


def _update(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """`x (tokens, in)`."""
    if len(x) <= FEW:
        return x.to(a.dtype).mm(a.T).mm(b.T).to(x.dtype)
    return x.mm(a.to(x.dtype).T).mm(b.to(x.dtype).T)


class StackedLora:
    """The adapters that the tokens of a pass need, beside the layers of `model`, whose `forward` is replaced.

    Attributes:
        runs: first token, end and adapter of tokens that are computed with the matrices of their own adapter, or of
            none.
        mask: True for the columns that are not of a token's adapter, `(tokens, columns)`, of the first tokens of the
            pass, which are computed with the stack; None where none are.
    """

    def __init__(self, model: Any) -> None:
        self.runs: list[tuple[int, int, LoadedAdapter | None]] = []
        self.mask: torch.Tensor | None = None
        self._model = model
        self._layers: dict[str, _Layer] = {}
        self._stack: list[LoadedAdapter] = []
        self._before: set[LoadedAdapter] = set()

    def select(self, adapters: Sequence[LoadedAdapter | None], counts: Sequence[int]) -> None:
        """Prepares for a pass.

        Args:
            adapters: of each row, None for the base model.
            counts: tokens of each row; answers that are being written come first, with one each.
        """
        for adapter in {adapter for adapter in adapters if adapter}:
            for name in adapter.layers.keys() - self._layers.keys():
                module = self._model.get_submodule(name)
                outputs = len(adapter.layers[name][1])
                self._layers[name] = module.forward = _Layer(name, module.forward, outputs, self)
        answers = next((row for row, count in enumerate(counts) if count != 1), len(counts))
        stacked = answers if self._stacks(adapters[:answers]) else 0
        self.mask = self._mask(adapters[:stacked]) if stacked else None
        self.runs, start = [], stacked
        for adapter, count in zip(adapters[stacked:], counts[stacked:], strict=True):
            if self.runs and self.runs[-1][2] is adapter:
                self.runs[-1] = (self.runs[-1][0], start + count, adapter)
            else:
                self.runs.append((start, start + count, adapter))
            start += count

    def keep(self, used: Set[LoadedAdapter | None]) -> None:
        """Lets go of the weights of all but these adapters."""
        self._before &= used
        if not set(self._stack) <= used:
            self._build([])

    def _stacks(self, adapters: Sequence[LoadedAdapter | None]) -> bool:
        """Whether these tokens are computed with the stack. It is made when the same adapters are wanted twice: while
        requests come one after the other, each pass wants others, and to copy 16 adapters takes as long as a pass."""
        needed = {adapter for adapter in adapters if adapter}
        before, self._before = self._before, needed
        if sum(one is not other for one, other in pairwise(adapters)) < RUNS:
            return False
        widths = sum(adapter.width for adapter in needed)
        # A stack with more than is needed is kept while that costs less than making it anew for each row that leaves.
        fits = needed <= set(self._stack) and 2 * widths >= sum(adapter.width for adapter in self._stack)
        if not fits and needed == before:
            self._build(list(dict.fromkeys(adapter for adapter in adapters if adapter)))
            fits = True
        return fits

    def _mask(self, adapters: Sequence[LoadedAdapter | None]) -> torch.Tensor:
        ends = [*accumulate(adapter.width for adapter in self._stack)]
        places = {one: slice(end - one.width, end) for one, end in zip(self._stack, ends, strict=True)}
        rows = torch.ones(len(adapters), ends[-1], dtype=torch.bool)
        for row, adapter in enumerate(adapters):
            if adapter:
                rows[row, places[adapter]] = False
        return rows.to(self._model.device)

    def _build(self, adapters: list[LoadedAdapter]) -> None:
        self._stack = adapters
        for name, layer in self._layers.items():
            layer.stack = None  # the memory of the old one is for the new one
            layer.stack = _stack(name, adapters, packed=isinstance(layer.original, PackedForward))


RUNS = 4
"""Changes of the adapter from token to token from which on a stack pays: in each pass, a run costs about 4
milliseconds, a stack of 4 adapters of rank 16 about 16, and one of 16 about 27 (SmolLM2-135M, bfloat16, one core)."""
Product = Callable[[torch.Tensor], torch.Tensor]


def _stack(name: str, adapters: list[LoadedAdapter], *, packed: bool) -> tuple[Product, Product] | None:
    """Products with A `(columns, in)` and B `(out, columns)` of one module, each adapter in its `width` columns, zeros
    where it has fewer or none; None where no adapter has the module."""
    found = next((adapter.layers[name] for adapter in adapters if name in adapter.layers), None)
    if found is None:
        return None
    columns = sum(adapter.width for adapter in adapters)
    a, b = found[0].new_zeros(columns, found[0].shape[1]), found[1].new_zeros(len(found[1]), columns)
    start = 0
    for adapter in adapters:
        if name in adapter.layers:
            own_a, own_b = adapter.layers[name]
            a[start : start + len(own_a)], b[:, start : start + len(own_a)] = own_a, own_b
        start += adapter.width
    if packed:
        return packed_product(a.bfloat16()), packed_product(b.bfloat16())
    return partial(torch.nn.functional.linear, weight=a), partial(torch.nn.functional.linear, weight=b)
