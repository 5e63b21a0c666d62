"""What a training keeps in memory, part by part, worked out before the first optimizer step."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from ft_platform.models.answer_loss import CHUNK_LOGITS
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
        activations: what the backward pass needs of the forward pass, without logits.
        logits: kept logits and their gradients; where the loss is computed chunk by chunk, those of a chunk.
    """

    weights: int
    adapters: int
    gradients: int
    optimizer: int
    best: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        return sum(asdict(self).values())

    @property
    def to_come(self) -> int:
        """What is not there yet before the first step."""
        return self.total - self.weights - self.adapters

    def gib(self) -> dict[str, float]:
        return {name: round(size / 2**30, 4) for name, size in asdict(self).items()}


def memory_parts(model: Any, objective: Any, heaviest: Sequence[Any]) -> MemoryParts:
    """The parts, with activations and logits counted in one forward pass over `heaviest` that keeps nothing.

    Args:
        model: with trainable weights.
        objective: `training.objectives.Objective`.
        heaviest: rows of the heaviest micro-batch.
    """
    trained = sum(p.numel() * p.element_size() for p in trainable(model).values())
    own = {p.untyped_storage().data_ptr() for p in trainable(model).values()}
    frozen = {s.data_ptr(): s.nbytes() for t in (*model.parameters(), *model.buffers()) if (s := t.untyped_storage()).data_ptr() not in own}
    saved = _saved_bytes(model, objective, heaviest, known=own | set(frozen))
    on_gpu = model.device.type != "cpu"
    return MemoryParts(
        weights=sum(frozen.values()),
        adapters=trained,
        gradients=trained,
        optimizer=ADAMW_MOMENTS * trained,
        best=0 if on_gpu else trained,
        activations=saved["activations"],
        logits=2 * saved["logits"] or _chunk_of_logits(model, objective.weight(heaviest)),
    )


def _saved_bytes(model: Any, objective: Any, rows: Sequence[Any], known: set[int]) -> dict[str, int]:
    """Bytes that autograd saves in a forward pass; each storage once, weights not at all. The tensors themselves are let go at once."""
    vocabulary = model.config.get_text_config().vocab_size
    found = {"activations": 0, "logits": 0}
    seen: dict[int, StorageWeakRef] = {}

    def note(tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        place = storage.data_ptr()
        if place in known or (place in seen and not seen[place].expired()):
            return
        seen[place] = StorageWeakRef(storage)
        found["logits" if tensor.shape[-1:] == (vocabulary,) else "activations"] += storage.nbytes()

    was_training = model.training
    model.train()
    try:
        with torch.autograd.graph.saved_tensors_hooks(note, _is_gone):
            objective.loss(model, rows)
    finally:
        model.train(was_training)
    return found


def _chunk_of_logits(model: Any, kept: int) -> int:
    """Bytes of a chunk of logits in float32, and of what is computed from it."""
    return 2 * 4 * min(kept * model.config.get_text_config().vocab_size, CHUNK_LOGITS)


def _is_gone(_: Any) -> torch.Tensor:
    raise RuntimeError("this forward pass was made for counting; it has no backward pass")
