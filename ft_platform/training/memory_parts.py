"""What a training keeps in memory, part by part, worked out before the first optimizer step."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from ft_platform.models.kernels.answer_loss import CHUNK_LOGITS
from ft_platform.models.kernels.recomputation import keeping_everything, layers_of, recomputes
from ft_platform.training.lora import trainable

ADAMW_MOMENTS = 2
"""AdamW keeps two moments of every trained weight (arXiv:1711.05101)."""


@dataclass(frozen=True)
class MemoryParts:
    """Bytes at the moment when most is in use: the backward pass of the heaviest micro-batch.

    Attributes:
        weights: frozen weights and buffers, each storage once.
        adapters, gradients, optimizer: of the trained weights.
        best: the copy of the best trained weights so far.
        activations: what the backward pass needs of the forward pass, without logits. Where layers are computed again:
            their inputs, and all of one layer.
        logits: kept logits and their gradients; where the loss is computed chunk by chunk, those of a chunk.
        spared: less activations if layers were computed again, which they are not; no part of the total.
    """

    weights: int
    adapters: int
    gradients: int
    optimizer: int
    best: int
    activations: int
    logits: int
    spared: int = 0

    @property
    def total(self) -> int:
        return sum(self._parts().values())

    @property
    def to_come(self) -> int:
        """What is not there yet before the first step."""
        return self.total - self.weights - self.adapters

    def with_layers_computed_again(self) -> "MemoryParts":
        return replace(self, activations=self.activations - self.spared, spared=0)

    def gib(self) -> dict[str, float]:
        return {name: round(size / 2**30, 4) for name, size in self._parts().items()}

    def _parts(self) -> dict[str, int]:
        return {name: size for name, size in asdict(self).items() if name != "spared"}


@dataclass
class _Saved:
    """Bytes that autograd saves in a forward pass in which no layer is computed again.

    Attributes:
        outside: of the layers, without logits.
        inputs: of the layers, whether they are saved or not.
        saved_inputs: those that are.
        layers: of each layer, without its input.
    """

    outside: int = 0
    logits: int = 0
    inputs: int = 0
    saved_inputs: int = 0
    layers: list[int] = field(default_factory=list)

    @property
    def whole(self) -> int:
        return self.outside + self.saved_inputs + sum(self.layers)

    @property
    def recomputed(self) -> int:
        return self.outside + self.inputs + max(self.layers, default=0)


def memory_parts(model: Any, objective: Any, heaviest: Sequence[Any]) -> MemoryParts:
    """The parts, with activations and logits counted in one forward pass over `heaviest` that keeps nothing.

    Args:
        model: with trainable weights.
        objective: `training.objectives.Objective`.
        heaviest: rows of the heaviest micro-batch.
    """
    trained = sum(p.numel() * p.element_size() for p in trainable(model).values())
    own = {p.untyped_storage().data_ptr() for p in trainable(model).values()}
    frozen = {
        s.data_ptr(): s.nbytes()
        for t in (*model.parameters(), *model.buffers())
        if (s := t.untyped_storage()).data_ptr() not in own
    }
    saved = _saved_bytes(model, objective, heaviest, known=own | set(frozen))
    on_gpu = model.device.type != "cpu"
    again = recomputes(model)
    return MemoryParts(
        weights=sum(frozen.values()),
        adapters=trained,
        gradients=trained,
        optimizer=ADAMW_MOMENTS * trained,
        best=0 if on_gpu else trained,
        activations=saved.recomputed if again else saved.whole,
        logits=2 * saved.logits or _chunk_of_logits(model, objective.kept(heaviest)),
        spared=0 if again else saved.whole - saved.recomputed,
    )


def _saved_bytes(model: Any, objective: Any, rows: Sequence[Any], known: set[int]) -> _Saved:
    """Each storage once, weights not at all. The tensors themselves are let go at once."""
    vocabulary = model.config.get_text_config().vocab_size
    found = _Saved()
    seen: dict[int, StorageWeakRef] = {}
    own: set[int] | None = None
    """Where the inputs of the present layer lie; None outside of layers."""

    def fresh_bytes(tensor: torch.Tensor) -> int:
        storage = tensor.untyped_storage()
        place = storage.data_ptr()
        if place in known or (place in seen and not seen[place].expired()):
            return 0
        seen[place] = StorageWeakRef(storage)
        return storage.nbytes()

    def note(tensor: torch.Tensor) -> None:
        if own is not None and tensor.untyped_storage().data_ptr() in own:
            found.saved_inputs += fresh_bytes(tensor)
        elif own is not None:
            found.layers[-1] += fresh_bytes(tensor)
        elif tensor.shape[-1:] == (vocabulary,):
            found.logits += fresh_bytes(tensor)
        else:
            found.outside += fresh_bytes(tensor)

    def enter(layer: Any, inputs: tuple[Any, ...]) -> None:
        nonlocal own
        if not torch.is_grad_enabled():  # a probe of the loss
            return
        storages = {
            s.data_ptr(): s.nbytes() for x in inputs if isinstance(x, torch.Tensor) for s in [x.untyped_storage()]
        }
        own = set(storages)
        found.inputs += sum(storages.values())
        found.layers.append(0)

    def leave(layer: Any, inputs: Any, output: Any) -> None:
        nonlocal own
        own = None

    with _in_training(model), keeping_everything(model), torch.autograd.graph.saved_tensors_hooks(note, _is_gone):
        hooks = [
            hook
            for layer in layers_of(model)
            for hook in (layer.register_forward_pre_hook(enter), layer.register_forward_hook(leave))
        ]
        try:
            objective.loss(model, rows)
        finally:
            for hook in hooks:
                hook.remove()
    return found


@contextmanager
def _in_training(model: Any) -> Iterator[None]:
    before = model.training
    model.train()
    try:
        yield
    finally:
        model.train(before)


def _chunk_of_logits(model: Any, kept: int) -> int:
    """Bytes of a chunk of logits in float32, and of what is computed from it."""
    return 2 * 4 * min(kept * model.config.get_text_config().vocab_size, CHUNK_LOGITS)


def _is_gone(_: Any) -> torch.Tensor:
    raise RuntimeError("this forward pass was made for counting; it has no backward pass")
