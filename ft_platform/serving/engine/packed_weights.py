"""Weights in the order in which the processor's matrix kernels read them.

torch hands oneDNN plain weights, and each product reads them in strides. In its own order one product of 8 tokens takes
60 instead of 116 microseconds (576 x 576, bfloat16, one core of an AMD EPYC with avx512_bf16), of 256 tokens 807
instead of 839. torch does the same where it freezes compiled models.
"""

from collections.abc import Callable
from typing import Any

import torch


def packed_product(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The product with a weight `(out, in)`."""
    packed = torch.ops.mkldnn._reorder_linear_weight(weight)
    return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")


def can_pack() -> bool:
    """Whether this processor multiplies bfloat16 in oneDNN's order; one with AVX2 alone does not."""
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


class PackedForward:
    """Replaces `forward` of one linear layer."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        self.weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.data.contiguous())
        self.bias = layer.bias

    def __call__(self, input: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")

    def plus(self, x: torch.Tensor, update: torch.Tensor) -> torch.Tensor:
        """The output with an update added before it is rounded, as training does (`fused_lora`)."""
        return torch.ops.mkldnn._linear_pointwise(x, update, self.weight, self.bias, "add")


def pack_weights(model: Any) -> None:
    """Gives plain linear layers in bfloat16 on a CPU their weights in oneDNN's order. The plain ones are let go, but
    where another layer has them too (tied embeddings)."""
    if model.dtype != torch.bfloat16 or model.device.type != "cpu" or not can_pack():
        return
    shared = {id(layer.weight) for layer in model.modules() if isinstance(layer, torch.nn.Embedding)}
    for layer in model.modules():
        if type(layer) is torch.nn.Linear and "forward" not in vars(layer):
            layer.forward = PackedForward(layer)
            if id(layer.weight) not in shared:
                layer.weight = torch.nn.Parameter(layer.weight.new_empty(0, layer.in_features), requires_grad=False)
