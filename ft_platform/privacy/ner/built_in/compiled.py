"""The layers of the network in C++, where the machine has a compiler: the same bits in a third of the time."""

import ctypes
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ft_platform.process.native import library

SOURCE = Path(__file__).with_name("layers.cpp")
LANES = 16
"""Outputs that are computed at once; the tags are filled up to as many."""
Tagger = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Embedded words (words, width), which it changes, and what is 0 in gaps (words, 1) -> logits (words, tags), 0
in gaps."""


def compiled(weights: Mapping[str, np.ndarray], layers: int, *flags: str) -> Tagger | None:
    """None where the layers cannot be compiled.

    Args:
        weights: as `network.quantized` makes them.
        flags: for the compiler.
    """
    made = library(SOURCE, *flags)
    if made is None:
        return None
    made.packed_bytes.restype = ctypes.c_int64
    packed = np.empty(made.packed_bytes(), np.uint8)
    names = [f"layers.{number}" for number in range(layers)]
    matrices = [np.ascontiguousarray(weights[name]) for name in (*names, "out")]
    places = (ctypes.c_void_p * layers)(*(matrix.ctypes.data for matrix in matrices[:-1]))
    made.pack_weights(places, _place(matrices[-1]), _place(packed))
    floats = _floats(weights, names)
    tags = matrices[-1].shape[1]

    def tag(x: np.ndarray, there: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(x), tags), np.float32)
        made.tag(_place(floats), _place(packed), _place(x), _place(there), len(x), _place(logits))
        return logits

    return tag


def _floats(weights: Mapping[str, np.ndarray], names: list[str]) -> np.ndarray:
    """As `Floats` in layers.cpp has them."""
    parts = [
        weights[of]
        for number, name in enumerate(names)
        for of in (f"norms.{number}.weight", f"norms.{number}.bias", f"{name}.scale", f"{name}.bias")
    ]
    outs = [weights[of] for of in ("out.scale", "out.bias")]
    filled = [np.pad(one, (0, LANES - len(one))) for one in outs]
    return np.concatenate([*parts, weights["last.weight"], weights["last.bias"], *filled]).astype(np.float32)


def _place(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
