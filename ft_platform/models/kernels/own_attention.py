"""Attention of packed rows by our own kernel (`attention.h`): causal rows behind a shared prefix, with or without a
window.

Against plain matrix products it leaves out the hidden half of the scores, never writes them to memory, rounds only
what meets a matrix product, and lets the backward pass begin without a second softmax."""

import ctypes
from typing import Any

import torch

from ft_platform.models.kernels import own_kernels
from ft_platform.models.kernels.blockwise_attention import AttentionSettings

LANES = 16
"""Numbers of a head are read by so many at a time."""


class _Heads(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("token", ctypes.c_long), ("head", ctypes.c_long)]


TENSORS = ("q", "k", "v", "out", "of_out", "of_q", "of_k", "of_v")


class _Attention(ctypes.Structure):
    _fields_ = [
        *((name, _Heads) for name in TENSORS),
        *((name, ctypes.c_void_p) for name in ("log_sums", "starts", "lengths")),
        *((name, ctypes.c_long) for name in ("rows", "prefix", "kv_heads", "group", "dim", "window")),
        ("scale", ctypes.c_float),
    ]


def takes(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, places: torch.Tensor) -> bool:
    """Whether the kernel computes these, with work for every thread; shapes as of `forward`."""
    enough = places.shape[1] * k.shape[1] >= torch.get_num_threads()
    return enough and v.shape == k.shape and q.shape[-1] % LANES == 0 and own_kernels.takes(q, k, v)


def forward(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, places: torch.Tensor, prefix: int, settings: AttentionSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixed values, and the logarithm of the sum of each query's exponentials.

    Args:
        q: `(tokens, kv_heads, group, dim)`.
        k, v: `(tokens, kv_heads, dim)`.
        places: first token and length of each row, shape `(2, rows)`.
        prefix: tokens that all rows see, the first of all.

    Returns:
        Shape of `q`, and `(tokens, kv_heads, group)` in float32.
    """
    output, log_sums = torch.empty(q.shape, dtype=q.dtype), torch.empty(q.shape[:-1], dtype=torch.float32)
    _call("attention_forward", places, prefix, settings, log_sums, q=q, k=k, v=v, out=output)
    return output, log_sums


def backward(
    gradient: torch.Tensor,
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    output: torch.Tensor,
    log_sums: torch.Tensor,
    places: torch.Tensor,
    prefix: int,
    settings: AttentionSettings,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of `q`, `k` and `v`, given that of the output and what `forward` returned."""
    made = {f"of_{name}": torch.empty(x.shape, dtype=x.dtype) for name, x in (("q", q), ("k", k), ("v", v))}
    given = {"q": q, "k": k, "v": v, "out": output, "of_out": gradient.to(q.dtype).contiguous()}
    _call("attention_backward", places, prefix, settings, log_sums, **given, **made)
    return made["of_q"], made["of_k"], made["of_v"]


def _call(
    function: str,
    places: torch.Tensor,
    prefix: int,
    settings: AttentionSettings,
    log_sums: torch.Tensor,
    **tensors: torch.Tensor,
) -> None:
    _, kv_heads, group, dim = tensors["q"].shape
    starts, lengths = (x.data_ptr() for x in places)
    heads = {
        name: _Heads(x.data_ptr(), x.stride(0), x.stride(1) // (group if x.dim() == 4 else 1))
        for name, x in tensors.items()
    }
    sizes: dict[str, Any] = {
        "rows": places.shape[1],
        "prefix": prefix,
        "kv_heads": kv_heads,
        "group": group,
        "dim": dim,
    }
    arguments = _Attention(
        **heads, **sizes, log_sums=log_sums.data_ptr(), starts=starts, lengths=lengths, window=settings.window or 0,
        scale=settings.scale,
    )  # fmt: skip
    own_kernels.call(function, tensors["q"].dtype, ctypes.byref(arguments))
