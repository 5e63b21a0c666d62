"""A linear layer from the last hidden state of a prompt to the labels, in place of the layer that predicts tokens.

An alternative to writing the label out: one number per label and no answer tokens, but labels are numbers to it, not
words."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from ft_platform.errors import BaseModelError
from ft_platform.models.guards.own_files import LABEL_HEAD
from ft_platform.models.text_classifier import TextClassifier


class LabelHead(torch.nn.Linear):
    """Hidden states in any precision `(..., width)` to logits in float32 `(..., labels)`."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def add_label_head(model: Any, labels: int, start: torch.Tensor | None = None) -> LabelHead:
    """Replaces the output layer of a causal LM by a fresh head; seed torch before.

    Args:
        start: its weights, `(labels, width)`. None: they start at random.
    """
    width = model.get_output_embeddings().weight.shape[1]
    head = LabelHead(width, labels, bias=False, device=model.device, dtype=torch.float32)
    if start is None:
        torch.nn.init.normal_(head.weight, std=0.02)
    else:
        with torch.no_grad():
            head.weight.copy_(start)
    model.config.tie_word_embeddings = False
    model.set_output_embeddings(head)
    return head


def head_of(model: Any) -> LabelHead | None:
    """The head of a model, with or without peft adapters, if it has one."""
    found = model.get_output_embeddings()
    return found if isinstance(found, LabelHead) else None


def scores_labels(model: Any) -> bool:
    """Whether a model scores labels and writes nothing (`head_scores`)."""
    return isinstance(model, TextClassifier) or head_of(model) is not None


def save_head(head: LabelHead, folder: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": head.weight.detach().cpu().contiguous()}, folder / LABEL_HEAD)


def with_label_head(model: Any, folder: Path) -> Any:
    """The base model with the head of a checkpoint, if the checkpoint has one.

    Raises:
        BaseModelError: the head is for hidden states of another width, or holds values that are not finite.
    """
    if not (folder / LABEL_HEAD).is_file():
        return model
    weight = saved_weight(model, folder)
    head = add_label_head(model, len(weight))
    with torch.no_grad():
        head.weight.copy_(weight)
    return model


def put_head(model: Any, folder: Path) -> None:
    """Puts the head of a checkpoint into the head of a model with as many labels, if it has one.

    Raises:
        BaseModelError: as `with_label_head`.
    """
    if head := head_of(model):
        with torch.no_grad():
            head.weight.copy_(saved_weight(model, folder))


def saved_weight(model: Any, folder: Path) -> torch.Tensor:
    """Weights `(labels, width)` of the head of a checkpoint.

    Raises:
        BaseModelError: as `with_label_head`.
    """
    from safetensors.torch import load_file

    from ft_platform.models.guards.tensor_files import read_header

    read_header(folder / LABEL_HEAD)
    tensors = load_file(folder / LABEL_HEAD)
    weight = tensors.get("weight")
    width = model.get_output_embeddings().weight.shape[1]
    if (
        weight is None
        or len(tensors) != 1
        or weight.dim() != 2
        or weight.shape[1] != width
        or not bool(torch.isfinite(weight).all())
    ):
        raise BaseModelError(
            f"{LABEL_HEAD} of checkpoint {folder.name} does not fit the base model",
            "Use the base model it was trained on",
        )
    return weight


def head_scores(
    model: Any, prompts: Sequence[Sequence[int]], on_rows: Callable[[int], None] = lambda done: None
) -> torch.Tensor:
    """Log-probability of every label after every prompt. Shape `(prompts, labels)`, float32, on the CPU."""
    from ft_platform.models.kernels.packed_forward import last_outputs

    if isinstance(model, TextClassifier):
        return torch.from_numpy(model.of_prompts(prompts, on_rows)).float()
    return torch.log_softmax(last_outputs(model, prompts, on_rows), dim=-1)
