"""Our own kernels in C++ where they are faster than torch's, if there is a compiler (`process.native`): in float32 on
processors with AVX2 or AVX-512, in bfloat16 on those with AVX-512 for it and without AMX. Everywhere else the plain
code runs, with the same results up to rounding.

They add up in float32, in an order that depends neither on threads nor on what else is in a batch. Threads are those of
torch's own OpenMP: a second pool would spin beside it. `CXX=` (no compiler) turns them off."""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ft_platform.process.native import library

PLAIN, OWN_BFLOAT16 = "plain", "avx512_bf16"
LEVELS = {"AVX512": "avx512", "AVX2": "avx2"}
"""Instructions that torch computes with, which `ATEN_CPU_CAPABILITY` limits -> kernels for float32."""
_plainly = False


def kernels() -> str:
    """What computes in this process, for manifests and saved states: `avx512_bf16` (and float32 by AVX-512), `avx512`
    or `avx2` (float32 alone), or `plain`."""
    if _plainly:
        return PLAIN
    if _library(torch.bfloat16, _level()):
        return OWN_BFLOAT16
    return _level() if _library(torch.float32, _level()) else PLAIN


def go_on_with(name: str) -> None:
    """From now on this process computes plainly, or with what it has."""
    global _plainly
    _plainly = name == PLAIN


@contextmanager
def kernels_kept() -> Iterator[None]:
    """What `go_on_with` changes inside the block ends with it."""
    global _plainly
    before = _plainly
    try:
        yield
    finally:
        _plainly = before


def takes(*tensors: torch.Tensor) -> bool:
    """Whether our own kernels compute with these: plain tensors on the CPU, all bfloat16 or all float32, the numbers of
    a row side by side, outside of `torch.compile`."""
    dtype = tensors[0].dtype
    return (
        not (_plainly or torch.compiler.is_compiling())
        and all(
            type(x) in (torch.Tensor, torch.nn.Parameter)
            and x.dtype == dtype
            and x.device.type == "cpu"
            and x.stride(-1) == 1
            and x.numel() > 0
            for x in tensors
        )
        and _library(dtype, _level()) is not None
    )


def _level() -> str:
    return LEVELS.get(torch.backends.cpu.get_cpu_capability(), "")


@cache
def _library(dtype: torch.dtype, level: str) -> ctypes.CDLL | None:
    """What the kernels for numbers of a kind compile to; None where they are not used."""
    able = getattr(torch.cpu, "get_capabilities", dict)()
    limited = level == "avx2" and able.get("avx512_f")
    flags = {torch.float32: ("-mno-avx512f",) if limited else (), torch.bfloat16: ("-DNUMBER_BFLOAT16",)}
    fast = level == "avx512" and able.get("avx512_bf16") and not able.get("amx_tile")
    if not level or dtype not in flags or (dtype == torch.bfloat16 and not fast) or _parallel() is None:
        return None
    found = library(Path(__file__).with_name("own_kernels.cpp"), *flags[dtype])
    return found if found is not None and found.usable() else None


@cache
def _parallel() -> ctypes.c_void_p | None:
    """`GOMP_parallel` of the OpenMP that torch has loaded."""
    try:
        return ctypes.cast(ctypes.CDLL(torch._C.__file__).GOMP_parallel, ctypes.c_void_p)
    except (OSError, AttributeError):
        return None


def call(function: str, dtype: torch.dtype, *arguments: Any) -> None:
    """Calls a kernel for numbers of a kind in torch's threads. Tensors are handed on as addresses, integers as long,
    None as no address."""
    compiled = _library(dtype, _level())
    assert compiled is not None, "only where takes() says so"
    compiled[function](_parallel(), ctypes.c_uint(torch.get_num_threads()), *map(_as_c, arguments))


def _as_c(x: Any) -> Any:
    if isinstance(x, torch.Tensor):
        return ctypes.c_void_p(x.data_ptr())
    return {int: ctypes.c_long, float: ctypes.c_float}.get(type(x), lambda other: other)(x)


class _Term(ctypes.Structure):
    _fields_ = [("a", ctypes.c_void_p), ("b", ctypes.c_void_p)] + [
        (name, ctypes.c_long) for name in ("row", "inner", "stride", "transposed")
    ]


def sum_of_products(
    terms: Sequence[tuple[torch.Tensor, torch.Tensor]], dtype: torch.dtype | None = None
) -> torch.Tensor:
    """`a1 b1 + a2 b2`, rounded once.

    Args:
        terms: one or two pairs `a (rows, inner)`, `b (inner, columns)`, with an even `inner` or `a` as `paired` makes
            it; `b` may be a transposed view.
        dtype: that of the terms, or float32.

    Returns:
        Shape `(rows, columns)`.
    """
    rows, columns, own = terms[0][0].shape[0], terms[0][1].shape[1], terms[0][0].dtype
    out = torch.empty(rows, columns, dtype=dtype or own)
    made = (_Term * len(terms))()
    for term, (a, b) in zip(made, terms, strict=True):
        transposed = b.stride(0) == 1 and b.stride(1) != 1
        term.a, term.b, term.row, term.inner = a.data_ptr(), b.data_ptr(), a.stride(0), b.shape[0]
        term.stride, term.transposed = b.stride(1) if transposed else b.stride(0), transposed
    call("sum_of_products", own, made, len(terms), rows, columns, out, columns, int(out.dtype == torch.float32))
    return out


def paired(x: torch.Tensor) -> torch.Tensor:
    """A copy of `x^T` for `sum_of_products`, with a number more in each row where they would be odd."""
    tokens, width = x.shape
    copy = x.new_zeros(width, tokens + tokens % 2)
    copy[:, :tokens].copy_(x.T)
    return copy
