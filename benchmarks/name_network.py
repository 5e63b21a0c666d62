"""What the network that finds names costs: its layers with numpy and compiled, by turns in one process.

    python benchmarks/name_network.py --json

Prints `{"words", "cpu_ms": {"numpy", "avx2", "this_processor"}, "equal"}`: medians of the CPU milliseconds for one
block of words, and whether all three gave the same bits. What cannot be compiled here is null."""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from safetensors.numpy import load_file

from ft_platform.privacy.ner import WEIGHTS
from ft_platform.privacy.ner.built_in.compiled import compiled
from ft_platform.privacy.ner.built_in.network import BLOCK, STRIDES, WIDTH, Network

AVX2 = "-march=x86-64-v3"


def seconds(tag: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray, there: np.ndarray) -> float:
    """CPU seconds of one block."""
    started = time.thread_time()
    tag(x.copy(), there)
    return time.thread_time() - started


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    rounds = parser.parse_args().rounds
    weights = load_file(WEIGHTS)
    network = Network(weights)
    ways = {
        "numpy": network._plain,
        "avx2": compiled(weights, len(STRIDES), AVX2),
        "this_processor": compiled(weights, len(STRIDES)),
    }
    x = np.random.default_rng(0).normal(size=(BLOCK, WIDTH)).astype(np.float32)
    there = np.ones((BLOCK, 1), np.float32)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    with network._products.in_one_thread():
        said = [tag(x.copy(), there) for tag in ways.values() if tag]
        for _ in range(rounds):
            for name, tag in ways.items():
                taken[name] += [seconds(tag, x, there)] if tag else []
    cost = {name: round(statistics.median(one) * 1000, 2) if one else None for name, one in taken.items()}
    equal = all(np.array_equal(said[0], one) for one in said)
    print(json.dumps({"words": BLOCK, "cpu_ms": cost, "equal": equal}))


if __name__ == "__main__":
    main()
