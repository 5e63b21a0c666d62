"""Products of 8-bit whole numbers, all of them exact: by BLAS in float32, or by torch where its 8 bits are faster."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
from threadpoolctl import ThreadpoolController

Product = Callable[[np.ndarray, str], np.ndarray]

PATIENCE = 2.0
"""CPU seconds of products by BLAS after which torch is loaded: about as long as loading it takes."""
TRIED_ROWS, TRIALS = 512, 5


class Products:
    """Multiplies by the weights of a network. A sum of 128 products of 8-bit numbers stays below 2^24, so it is exact
    in float32 in whatever order it is made, and both ways give the same bits.

    Torch is taken only in a process in which it has one thread, such as a worker of an engine.

    Args:
        weights: int8, shapes (in, out).
    """

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self._weights = weights
        self._in_float32 = {name: weight.astype(np.float32) for name, weight in weights.items()}
        self._product: Product = self._by_blas
        self._blas = ThreadpoolController().select(user_api="blas")
        self._one_at_a_time = Lock()
        self._left = PATIENCE

    @contextmanager
    def in_one_thread(self) -> Iterator[None]:
        """Within it BLAS has one thread: more of them wait for each other longer than they multiply here. How many
        there are holds for the whole process, so no two threads may be within."""
        with self._one_at_a_time, self._blas.limit(limits=1):
            yield

    def __call__(self, x: np.ndarray, name: str) -> np.ndarray:
        """`x @ weights[name]`, shape (rows, out).

        Args:
            x: whole numbers from -127 to 127 in float32, shape (rows, in).
        """
        return self._product(x, name)

    def _by_blas(self, x: np.ndarray, name: str) -> np.ndarray:
        started = time.thread_time()
        made = x @ self._in_float32[name]
        self._left -= time.thread_time() - started
        if self._left <= 0:
            self._product = _better(self._plain, by_torch(self._weights), self._weights)
        return made

    def _plain(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self._in_float32[name]


def by_torch(weights: dict[str, np.ndarray]) -> Product | None:
    """The product in 8 bits; None where torch is not installed or has several threads in this process."""
    try:
        import torch
    except ImportError:
        return None
    if torch.get_num_threads() > 1:
        return None
    held = {name: torch.from_numpy(weight) for name, weight in weights.items()}

    def product(x: np.ndarray, name: str) -> np.ndarray:
        return torch.ops.aten._int_mm(torch.from_numpy(x.astype(np.int8)), held[name]).float().numpy()

    return product


def _better(product: Product, other: Product | None, weights: dict[str, np.ndarray]) -> Product:
    """The other one where it says the same in less time of the CPU, measured with the largest weight."""
    name = max(weights, key=lambda name: weights[name].size)
    x = np.random.default_rng(0).integers(-127, 128, (TRIED_ROWS, len(weights[name]))).astype(np.float32)
    if other is None or not np.array_equal(product(x, name), other(x, name)):
        return product
    return min((product, other), key=lambda one: min(_seconds(lambda: one(x, name)) for _ in range(TRIALS)))


def _seconds(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started
