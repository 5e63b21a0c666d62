"""LoRA updates of several adapters in one batch: matrices stacked for each layer, picked token by token.

`y = x W^T + mask(x A^T) B^T`, where A `(columns, in)` and B `(out, columns)` hold the matrices of all adapters of the
batch next to each other, and the mask `(tokens, columns)` leaves each token the columns of its own adapter. Two
products for each layer however many adapters there are, without copies for each row (S-LoRA, arXiv:2311.03285, gathers
them instead).
"""

import math
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ft_platform.errors import BaseModelError
from ft_platform.models.adapter import ALL_WEIGHTS, WEIGHTS
from ft_platform.models.guards.adapter_files import (
    CONFIG,
    LABEL_HEAD,
    PREFIX,
    require_finite_weights,
    require_fitting_adapter,
    require_safe_adapter,
)
from ft_platform.models.guards.plain_json import read_object
from ft_platform.models.label_head import saved_weight
from ft_platform.serving.engine.packed_weights import PackedForward


@dataclass(eq=False)
class LoadedAdapter:
    """Weights of one checkpoint.

    Attributes:
        layers: A `(rank, in)` and B `(out, rank)` by module, in the dtype of the model; the scaling is in B.
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
        layers[module] = a.to(model.device, model.dtype), scaled.to(model.device, model.dtype)
        if not all(bool(weight.isfinite().all()) for weight in layers[module]):
            _refuse(folder, f"has weights that are too large for {model.dtype}: {module[:80]}")
    head = saved_weight(model, folder).float().to(model.device) if (folder / LABEL_HEAD).is_file() else None
    return LoadedAdapter(layers, max(len(a) for a, _ in layers.values()), head)


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

    def __init__(self, original: Any, stacked: "StackedLora") -> None:
        self.original, self.stacked = original, stacked
        self.a: torch.Tensor | None = None
        self.b: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self.a is None or self.b is None or not self.stacked.wanted:
            return self.original(x)
        columns = x @ self.a
        if self.stacked.mask is not None:
            # Not a product with zeros: infinity of one adapter would be NaN in the rows of all others.
            columns.masked_fill_(self.stacked.mask, 0.0)
        update = columns @ self.b
        if isinstance(self.original, PackedForward):
            return self.original.plus(x, update)
        return self.original(x).add_(update)


class StackedLora:
    """The adapters that the tokens of a pass need, beside the layers of `model`, whose `forward` is replaced.

    Attributes:
        mask: True for the columns that are not of a token's adapter, `(tokens, columns)`; None where all tokens have
            the one adapter.
        wanted: whether any token has an adapter.
    """

    def __init__(self, model: Any) -> None:
        self.mask: torch.Tensor | None = None
        self.wanted = False
        self._model = model
        self._layers: dict[str, _Layer] = {}
        self._stack: list[LoadedAdapter] = []

    def select(self, adapters: Sequence[LoadedAdapter | None], counts: Sequence[int]) -> None:
        """Prepares for a pass.

        Args:
            adapters: of each row, None for the base model.
            counts: tokens of each row.
        """
        needed = list(dict.fromkeys(adapter for adapter in adapters if adapter))
        self.wanted = bool(needed)
        if not needed:
            return
        # A stack with more than is needed is kept while that costs less than making it anew for each row that leaves.
        widths = sum(adapter.width for adapter in needed)
        if not set(needed) <= set(self._stack) or 2 * widths < sum(adapter.width for adapter in self._stack):
            self._build(needed)
        self.mask = None
        if len(self._stack) > 1 or None in adapters:
            columns = sum(adapter.width for adapter in self._stack)
            starts = {adapter: sum(one.width for one in self._stack[:n]) for n, adapter in enumerate(self._stack)}
            rows = torch.ones(len(adapters), columns, dtype=torch.bool)
            for row, adapter in enumerate(adapters):
                if adapter:
                    rows[row, starts[adapter] : starts[adapter] + adapter.width] = False
            self.mask = rows.repeat_interleave(torch.tensor(counts), 0).to(self._model.device)

    def keep(self, used: Set[LoadedAdapter | None]) -> None:
        """Lets go of the weights of all but these adapters."""
        if not set(self._stack) <= used:
            self._build([adapter for adapter in self._stack if adapter in used])

    def _build(self, adapters: list[LoadedAdapter]) -> None:
        self._stack = adapters
        for name in dict.fromkeys([*self._layers, *(name for adapter in adapters for name in adapter.layers)]):
            if name not in self._layers:
                module = self._model.get_submodule(name)
                self._layers[name] = module.forward = _Layer(module.forward, self)
            layer = self._layers[name]
            layer.a, layer.b = _stack(name, adapters) or (None, None)


def _stack(name: str, adapters: list[LoadedAdapter]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """A `(in, columns)` and B `(columns, out)` of one module, each adapter in its `width` columns, zeros where it has
    fewer or none; None where no adapter has the module."""
    found = next((adapter.layers[name] for adapter in adapters if name in adapter.layers), None)
    if found is None:
        return None
    columns = sum(adapter.width for adapter in adapters)
    a, b = found[0].new_zeros(columns, found[0].shape[1]), found[1].new_zeros(columns, len(found[1]))
    start = 0
    for adapter in adapters:
        if name in adapter.layers:
            own_a, own_b = adapter.layers[name]
            a[start : start + len(own_a)], b[start : start + len(own_a)] = own_a, own_b.T
        start += adapter.width
    return a.T, b
