"""Norms and gated activations of a model with a backward pass of their own, which keeps less and passes over memory
less often.

transformers' RMSNorm makes four float32 copies of its input, and a gated MLP keeps three products of its width where
two are enough. A layer is replaced only if the replacement gives its output on random input; every other layer stays as
it is. Liger (arXiv:2410.10989) does the same for GPUs by architecture; here the layer itself is asked.
"""

from collections.abc import Callable
from typing import Any

import torch

from ft_platform.models.kernels.own_kernels import call, takes

ROUNDINGS = 2.0
"""Steps of the dtype by which the output of a replaced layer may differ on the probe: the order of two roundings."""


class _RmsNorm(torch.autograd.Function):
    """`x / rms(x) * scale`; `x (..., width)`, `scale (width,)`. Keeps `x` and one number per token."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: torch.Tensor, eps: float) -> torch.Tensor:
        output, inverse = norm_forward(x, scale, eps)
        ctx.save_for_backward(x, scale, inverse)
        return output

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:  # type: ignore[override]
        x, scale, inverse = ctx.saved_tensors
        of_scale = None
        if ctx.needs_input_grad[1]:
            of_scale = (gradient.float() * x.float() * inverse).flatten(0, -2).sum(0).to(scale.dtype)
        return norm_backward(gradient, x, scale, inverse), of_scale, None


def norm_forward(x: torch.Tensor, scale: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The normalized `x`, and 1 / rms of each token in float32, shape `(..., 1)`."""
    if takes(x, scale) and x.is_contiguous():
        output, inverse = torch.empty_like(x), torch.empty(*x.shape[:-1], 1)
        call("norm_forward", x.dtype, x, scale, output, inverse, inverse.numel(), x.shape[-1], eps)
        return output, inverse
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    inverse = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
    return (x * inverse).to(x.dtype).mul_(scale.to(x.dtype)), inverse


def norm_backward(gradient: torch.Tensor, x: torch.Tensor, scale: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    """Gradient of `x`."""
    if takes(gradient, x, scale) and gradient.is_contiguous() and x.is_contiguous():
        of_x = torch.empty_like(x)
        call("norm_backward", x.dtype, gradient, x, scale, inverse, of_x, inverse.numel(), x.shape[-1])
        return of_x
    scaled = (gradient * scale.to(gradient.dtype)).float()
    normal = x * inverse
    along = (scaled * normal).mean(-1, keepdim=True)
    return scaled.addcmul_(normal, along, value=-1).mul_(inverse).to(x.dtype)


class _Gated(torch.autograd.Function):
    """`act(gate) * up`, all of shape `(..., width)`. Keeps its arguments."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor, act: str) -> torch.Tensor:
        ctx.save_for_backward(gate, up)
        ctx.act = act
        if act == "silu" and takes(gate, up) and gate.is_contiguous() and up.is_contiguous():
            output = torch.empty_like(gate)
            call("gated_forward", gate.dtype, gate, up, output, gate.numel() // gate.shape[-1], gate.shape[-1])
            return output
        return FORWARD[act](gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:  # type: ignore[override]
        gate, up = ctx.saved_tensors
        if ctx.act == "silu" and takes(gradient, gate, up) and all(x.is_contiguous() for x in (gradient, gate, up)):
            of_gate, of_up = torch.empty_like(gate), torch.empty_like(up)
            shape = gate.numel() // gate.shape[-1], gate.shape[-1]
            call("gated_backward", gate.dtype, gradient, gate, up, of_gate, of_up, *shape)
            return of_gate, of_up, None
        of_up = FORWARD[ctx.act](gate).mul_(gradient)
        return BACKWARD[ctx.act](gradient * up, gate), of_up, None


def _gelu(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.gelu(x, approximate="tanh")


FORWARD: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"silu": torch.nn.functional.silu, "gelu": _gelu}
BACKWARD: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "silu": torch.ops.aten.silu_backward,
    "gelu": lambda gradient, x: torch.ops.aten.gelu_backward(gradient, x, approximate="tanh"),
}


class _NormForward:
    """Replaces `forward` of one RMSNorm; `counted_from`: 1 where the weights are counted from one (Gemma), else 0."""

    def __init__(self, layer: Any, eps: float, counted_from: float) -> None:
        self.layer, self.eps, self.counted_from = layer, eps, counted_from

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.layer.weight
        return _RmsNorm.apply(x, weight.float() + self.counted_from if self.counted_from else weight, self.eps)


class _MlpForward:
    """Replaces `forward` of one gated MLP."""

    def __init__(self, layer: Any, act: str) -> None:
        self.layer, self.act = layer, act

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer.down_proj(_Gated.apply(self.layer.gate_proj(x), self.layer.up_proj(x), self.act))


def replace_layers(model: Any) -> dict[str, int]:
    """Replaces what can be replaced, in place. Returns how many norms and gated MLPs were, e.g. `{"norms": 61, "mlps":
    30}`."""
    found = {"norms": 0, "mlps": 0}
    for layer in model.modules():
        if "forward" in vars(layer):
            continue
        if type(layer).__name__.endswith("RMSNorm") and (replaced := _norm_of(layer)):
            layer.forward = replaced
            found["norms"] += 1
        elif _is_gated(layer) and (replaced := _mlp_of(layer)):
            layer.forward = replaced
            found["mlps"] += 1
    return found


def replaced_of(model: Any) -> dict[str, tuple[int, int, str]]:
    """Of norms and MLPs: how many are replaced, how many there are, and why the others are not, e.g. `{"norms": (61,
    61, ""), "MLPs": (30, 30, "")}`."""
    norms = [layer for layer in model.modules() if type(layer).__name__.endswith("Norm")]
    mlps = [layer for layer in model.modules() if _is_gated(layer) or type(layer).__name__.endswith("MLP")]
    return {
        kind: (sum(map(_is_replaced, layers)), len(layers), _why_not(layers))
        for kind, layers in (("norms", norms), ("MLPs", mlps))
    }


def _why_not(layers: list[Any]) -> str:
    others = [layer for layer in layers if not _is_replaced(layer)]
    if any("forward" in vars(layer) for layer in others):
        return "replaced by another package"  # Liger
    return "unlike those that are known" if others else ""


def _is_gated(layer: Any) -> bool:
    return all(hasattr(layer, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn"))


def _is_replaced(layer: Any) -> bool:
    return isinstance(vars(layer).get("forward"), _NormForward | _MlpForward)


def _norm_of(layer: Any) -> _NormForward | None:
    weight, eps = getattr(layer, "weight", None), getattr(layer, "variance_epsilon", getattr(layer, "eps", None))
    if weight is None or weight.dim() != 1 or not isinstance(eps, float) or getattr(layer, "bias", None) is not None:
        return None
    ways = (_NormForward(layer, eps, counted_from) for counted_from in (0.0, 1.0))
    return next((way for way in ways if _agree(layer.forward, way, len(weight), weight)), None)


def _mlp_of(layer: Any) -> _MlpForward | None:
    weight = getattr(layer.gate_proj, "weight", None)
    if weight is None or weight.dim() != 2 or not weight.dtype.is_floating_point or weight.is_meta:
        return None
    probe = torch.linspace(-4, 4, 101, device=weight.device)
    act = next(
        (name for name, function in FORWARD.items() if torch.allclose(layer.act_fn(probe), function(probe), atol=1e-6)),
        None,
    )
    if act is None:
        return None
    way = _MlpForward(layer, act)
    return way if _agree(layer.forward, way, layer.gate_proj.in_features, weight) else None


def _agree(
    original: Callable[[torch.Tensor], torch.Tensor],
    other: Callable[[torch.Tensor], torch.Tensor],
    width: int,
    weight: torch.Tensor,
) -> bool:
    """Whether both give the same output, up to rounding, for random input of unequal scale."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(4, width, generator=generator) * torch.tensor([[0.1], [1.0], [3.0], [20.0]])).to(
        weight.device, weight.dtype
    )
    with torch.no_grad():
        expected, found = original(x), other(x)
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return False
    allowed = ROUNDINGS * torch.finfo(weight.dtype).eps * expected.abs().amax(dim=-1, keepdim=True)
    return bool(((expected - found).abs() <= allowed).all())
