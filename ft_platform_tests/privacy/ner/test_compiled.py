"""The layers in C++ say what the plain ones say, bit for bit."""

import shutil
from collections.abc import Sequence

import numpy as np
import pytest
from safetensors.numpy import load_file

from ft_platform.privacy.ner import WEIGHTS
from ft_platform.privacy.ner.built_in import network
from ft_platform.privacy.ner.built_in.compiled import compiled
from ft_platform.privacy.ner.built_in.network import STRIDES, Network
from ft_platform.privacy.ner.built_in.words import tokens
from ft_platform.process import native

pytestmark = pytest.mark.skipif(not any(map(shutil.which, native.COMPILERS)), reason="no compiler for C++")
TEXT = "the customer John Smith of Berlin wrote that Acme's card, which he has, MÜLLER 12 李小龙 \n"
WORDS = [word for _, _, word in tokens(TEXT)]
RANDOM = np.random.default_rng(3)
CANNOT = "no compiler, or no AVX2"
WITHOUT_AVX512 = "-march=x86-64-v3"


def texts(sizes: Sequence[int]) -> list[list[str]]:
    return [[WORDS[place] for place in RANDOM.integers(len(WORDS), size=size)] for size in sizes]


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return load_file(WEIGHTS)


@pytest.mark.parametrize("flags", [(), (WITHOUT_AVX512,)], ids=["this processor", "AVX2"])
@pytest.mark.parametrize("sizes", [[1], [2, 1, 3], [0, 40, 0, 700], [37] * 40], ids=str)
def test_shares_are_equal_bit_for_bit(weights: dict[str, np.ndarray], flags: tuple[str], sizes: list[int]) -> None:
    plain, quick = Network(weights), Network(weights)
    tagger = quick._compiled = compiled(weights, len(STRIDES), *flags)
    if tagger is None:
        pytest.skip(CANNOT)
    read = texts(sizes)
    plain._left = np.inf
    for one, other in zip(plain.tags(read), quick.tags(read), strict=True):
        np.testing.assert_array_equal(one, other)


def test_extreme_numbers_are_equal_too(weights: dict[str, np.ndarray]) -> None:
    tagger, plain = compiled(weights, len(STRIDES)), Network(weights)
    if tagger is None:
        pytest.skip(CANNOT)
    for scale in (0, 1e-30, 1e4, 1e15):
        x = (RANDOM.normal(size=(23, network.WIDTH)) * scale).astype(np.float32)
        there = np.ones((23, 1), np.float32)
        np.testing.assert_array_equal(tagger(x.copy(), there), plain._plain(x.copy(), there))


def test_they_are_taken_after_a_while_and_only_if_they_are_equal(
    weights: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = texts([30])
    said = Network(weights).tags(read)
    monkeypatch.setattr(network, "PATIENCE", 1e-9)
    made = compiled(weights, len(STRIDES))
    if made is None:
        pytest.skip(CANNOT)
    quick = Network(weights)
    for _ in range(2):
        np.testing.assert_array_equal(quick.tags(read)[0], said[0])
    assert quick._compiled
    for other in (lambda weights, layers: lambda x, there: made(x, there) + 1e-7, lambda weights, layers: None):
        monkeypatch.setattr(network, "compiled", other)
        slow = Network(weights)
        for _ in range(2):
            np.testing.assert_array_equal(slow.tags(read)[0], said[0])
        assert slow._compiled is None
