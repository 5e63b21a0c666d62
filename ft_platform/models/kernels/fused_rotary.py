"""Rotary position embedding (arXiv:2104.09864) with a backward pass of its own: no copies of halves, nothing kept but
the angles.

transformers' attention layers call the function `apply_rotary_pos_emb` of their module. It is exchanged while a packed
row runs, and only if the replacement gives its output; an architecture that rotates otherwise keeps its own.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ft_platform.models.kernels.own_kernels import call, takes

NAME = "apply_rotary_pos_emb"
_agrees: dict[Callable[..., Any], bool] = {}
"""For each function asked before, whether `rotated` gives its output."""


class _Rotary(torch.autograd.Function):
    """`x cos + rotate_half(x) sin`; `x (..., tokens, dim)`, `cos` and `sin` broadcast to it and do not need a
    gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(cos, sin)
        if (own := _turned(x, cos, sin, backward=False)) is not None:
            return own
        half = x.shape[-1] // 2
        output = x * cos
        output[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
        output[..., half:].addcmul_(x[..., :half], sin[..., half:])
        return output

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # type: ignore[override]
        cos, sin = ctx.saved_tensors
        if (own := _turned(gradient, cos, sin, backward=True)) is not None:
            return own, None, None
        half = gradient.shape[-1] // 2
        of_x = gradient * cos
        of_x[..., :half].addcmul_(gradient[..., half:], sin[..., half:])
        of_x[..., half:].addcmul_(gradient[..., :half], sin[..., :half], value=-1)
        return of_x, None, None


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *, backward: bool) -> torch.Tensor | None:
    """The same by our own kernel, or None where it cannot: it takes one row of tokens whose angles lie side by side."""
    if x.dim() != 4 or cos.shape != (1, 1, *x.shape[2:]) or not takes(x, cos, sin):
        return None
    output = torch.empty_like(x)
    if len(x) != 1 or output.stride() != x.stride() or not (cos.is_contiguous() and sin.is_contiguous()):
        return None
    heads, tokens, width = x.shape[1:]
    sizes = tokens, heads, x.stride(2), x.stride(1), width
    call("rotate", x.dtype, x, cos, sin, output, *sizes, int(backward))
    return output


def rotated(
    q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, unsqueeze_dim: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys turned by their positions; arguments as of transformers' function. Of heads that are wider than
    the angles the first part is turned (GPT-NeoX)."""
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    width = cos.shape[-1]
    if width == q.shape[-1]:
        return _Rotary.apply(q, cos, sin), _Rotary.apply(k, cos, sin)
    turned = [torch.cat([_Rotary.apply(x[..., :width], cos, sin), x[..., width:]], dim=-1) for x in (q, k)]
    return turned[0], turned[1]


@contextmanager
def rotary_in(model: Any) -> Iterator[None]:
    """Runs the layers of `model` with `rotated` inside the block, where it is the same. Not for a model that another
    thread uses at the same time."""
    replaced = [
        (module, getattr(module, NAME)) for module in rotating_modules(model) if _is_plain(getattr(module, NAME))
    ]
    for module, _ in replaced:
        setattr(module, NAME, rotated)
    try:
        yield
    finally:
        for module, original in replaced:
            setattr(module, NAME, original)


def rotating_modules(model: Any) -> list[Any]:
    """The Python modules of the layers of `model` that hold a function of this name."""
    return list(
        {
            module: None
            for layer in model.modules()
            if (module := sys.modules.get(type(layer).__module__)) and hasattr(module, NAME)
        }
    )


def _is_plain(function: Callable[..., Any]) -> bool:
    """Whether `function` gives what `rotated` gives, on random input."""
    if function not in _agrees:
        generator = torch.Generator().manual_seed(0)
        q, k = (torch.randn(1, heads, 3, 8, generator=generator) for heads in (4, 2))
        cos, sin = (torch.randn(1, 3, 8, generator=generator) for _ in range(2))
        whole = _same(function, q, k, cos, sin)
        part = _same(function, q, k, cos[..., :4], sin[..., :4])
        _agrees[function] = whole is True and part is not False
    return _agrees[function]


def _same(
    function: Callable[..., Any], q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> bool | None:
    """Whether both give the same; None where `function` does not take the arguments."""
    try:
        found = function(q, k, cos, sin)
    except (TypeError, RuntimeError, ValueError):  # another signature, or another way to turn
        return None
    if not isinstance(found, tuple) or len(found) != 2:
        return False
    wanted = rotated(q, k, cos, sin)
    return all(a.shape == b.shape and torch.allclose(a, b, atol=1e-5) for a, b in zip(found, wanted, strict=True))
