"""The network at work: 8-bit weights and whole numbers in every product, so that equal words get equal tags bit for
bit, whatever else is read with them, whichever BLAS library multiplies, compiled or not (`layers.cpp`)."""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from ft_platform.privacy.ner.built_in.compiled import Tagger, compiled
from ft_platform.privacy.ner.built_in.products import Products
from ft_platform.privacy.ner.built_in.words import flags, hashes

TAGS = ("O", "PERSON", "LOCATION", "ORGANIZATION", "OTHER_NAME")
WIDTH = 128
STRIDES = (1, 1, 2, 4, 1)
"""How far away the two neighbours are that each layer looks at."""
GAP = max(STRIDES)
"""Empty rows between two texts: no layer sees across them."""
REACH = sum(STRIDES)
"""Words on each side that can change a tag."""
BLOCK = 512
"""Tokens that are computed at once: what they need fits into the cache of a core."""
KNOWN_WORDS = 20_000
"""Words whose embeddings are remembered, 10 MB."""
PATIENCE = 1.0
"""CPU seconds in the layers after which they are compiled, which takes about as long, the first time on a machine."""
EPSILON = np.float32(1e-5)
TABLES = ("word", "word", "prefix", "suffix", "suffix", "shape")
"""The table that each number of `words.hashes` is a row of."""


class Network:
    """Embeddings of words, then gated convolutions over their neighbours (Strubell et al. 2017, arXiv:1702.02098).

    Args:
        weights: int8 and their scales, as `quantized` makes them and the file of weights holds them.
    """

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        multiplied = [name for name, array in weights.items() if array.dtype == np.int8 and name not in TABLES]
        self._products = Products({name: weights[name] for name in multiplied})
        self._held = {
            name: array if name.split(".")[0] in TABLES else array.astype(np.float32)
            for name, array in weights.items()
            if name not in multiplied
        }
        self._weights = weights
        self._compiled: Tagger | None = None
        self._left = PATIENCE
        self._forget()

    def tags(self, texts: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Probabilities (tokens, tags) for the tokens of each text, float32."""
        if not texts:
            return []
        sequence: list[str | None] = [None] * GAP
        starts = []
        for words in texts:
            starts.append(len(sequence))
            sequence += [*words, *[None] * GAP]
        with self._products.in_one_thread():
            shares = np.concatenate(list(self._blocks(sequence)))
        return [shares[start : start + len(words)] for start, words in zip(starts, texts, strict=True)]

    def _blocks(self, sequence: Sequence[str | None]) -> Iterator[np.ndarray]:
        for start in range(0, len(sequence), BLOCK):
            first, end = max(0, start - REACH), min(len(sequence), start + BLOCK)
            yield self._shares(sequence[first : end + REACH])[start - first : end - first]

    def _shares(self, words: Sequence[str | None]) -> np.ndarray:
        x = self._embedded(words)
        there = np.array([[word is not None] for word in words], np.float32)
        logits = self._logits(x, there)
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    def _logits(self, x: np.ndarray, there: np.ndarray) -> np.ndarray:
        """Of embedded words, which it changes; what it makes of gaps is nobody's."""
        if self._compiled:
            return self._compiled(x, there)
        started = time.thread_time()
        logits = self._plain(x.copy(), there)
        before, self._left = self._left, self._left - (time.thread_time() - started)
        if self._left <= 0 < before and (tagger := compiled(self._weights, len(STRIDES))):
            words = there[:, 0] > 0
            if np.array_equal(tagger(x, there)[words], logits[words]):
                self._compiled = tagger
        return logits

    def _plain(self, x: np.ndarray, there: np.ndarray) -> np.ndarray:
        for number, stride in enumerate(STRIDES):
            self._layer(x, there, f"layers.{number}", f"norms.{number}", stride)
        return self._product(self._normed(x, "last"), "out") + self._held["out.bias"]

    def _layer(self, x: np.ndarray, there: np.ndarray, name: str, norm: str, stride: int) -> None:
        """Adds to `x` what a layer makes of each word and of its two neighbours."""
        z = self._product(self._normed(x, norm) * there, name)
        left, own, right = z[:, : 2 * WIDTH], z[:, 2 * WIDTH : 4 * WIDTH], z[:, 4 * WIDTH :]
        own[stride:] += left[:-stride]
        own[:-stride] += right[stride:]
        own += self._held[f"{name}.bias"]
        gate = own[:, WIDTH:]
        gate /= 6
        gate += 0.5
        np.clip(gate, 0, 1, out=gate)
        gate *= own[:, :WIDTH]
        gate *= there
        x += gate

    def _product(self, x: np.ndarray, name: str) -> np.ndarray:
        """`x @ weight`, both in 8 bits: `x` with a scale for each row, the weight with one for each output."""
        scale = np.maximum(np.abs(x).max(-1, keepdims=True), EPSILON)
        scale /= 127
        z = self._products(np.rint(x / scale), name)
        z *= scale
        z *= self._held[f"{name}.scale"]
        return z

    def _normed(self, x: np.ndarray, name: str) -> np.ndarray:
        """Layer normalization."""
        centred = x - x.mean(-1, keepdims=True)
        centred /= np.sqrt((centred * centred).mean(-1, keepdims=True) + EPSILON)
        centred *= self._held[f"{name}.weight"]
        centred += self._held[f"{name}.bias"]
        return centred

    def _embedded(self, words: Sequence[str | None]) -> np.ndarray:
        """What goes into the first layer (words, `WIDTH`); nothing in a gap."""
        if len(self._numbers) + len(words) > KNOWN_WORDS:
            self._forget()
        for word in set(filter(None, words)) - self._numbers.keys():
            self._rows[len(self._numbers)] = self._of_word(word)
            self._numbers[word] = len(self._numbers)
        return self._rows[[self._numbers[word] for word in words]]

    def _forget(self) -> None:
        self._numbers: dict[str | None, int] = {None: 0}
        self._rows = np.zeros((KNOWN_WORDS, WIDTH), np.float32)

    def _of_word(self, word: str) -> np.ndarray:
        rows = [self._row(table, row) for table, row in zip(TABLES, hashes(word), strict=True)]
        x = np.concatenate([rows[0] + rows[1], rows[2], rows[3] + rows[4], rows[5], np.array(flags(word), np.float32)])
        # Added row by row, in one order; a product would leave the order to the BLAS library.
        mixed = np.maximum((x[:, None] * self._held["mix"]).sum(0) + self._held["mix.bias"], 0)
        return self._normed(mixed[None], "first")[0]

    def _row(self, table: str, row: int) -> np.ndarray:
        return self._held[table][row].astype(np.float32) * self._held[f"{table}.scale"][row].astype(np.float32)


def quantized(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of `benchmarks.name_tagger.network.Tagger` in the form that `Network` reads: int8, with a scale for
    each row of a table and each output of a product."""
    made: dict[str, np.ndarray] = {}
    for table in dict.fromkeys(TABLES):
        made[table], scale = _in_8_bits(weights[f"{table}.weight"], -1)
        made[f"{table}.scale"] = scale[:, 0].astype(np.float16)
    made["mix"] = weights["mix.weight"].T.astype(np.float16)
    # (out, in, 3) -> (in, 3 * out): one product for a word and its two neighbours.
    products = {"out": weights["out.weight"].T} | {
        f"layers.{n}": weights[f"layers.{n}.weight"].transpose(1, 2, 0).reshape(WIDTH, -1) for n in range(len(STRIDES))
    }
    for name, weight in products.items():
        made[name], scale = _in_8_bits(weight, 0)
        made[f"{name}.scale"] = scale[0].astype(np.float32)
    for name, weight in weights.items():
        if name.endswith(".bias") or name.startswith(("first.", "norms.", "last.")):
            made[name] = weight.astype(np.float32)
    return {name: np.ascontiguousarray(array) for name, array in made.items()}


def _in_8_bits(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    scale = np.maximum(np.abs(weight).max(axis, keepdims=True), EPSILON) / 127
    return np.rint(weight / scale).astype(np.int8), scale
