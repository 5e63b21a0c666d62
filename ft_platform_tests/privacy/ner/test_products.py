"""Products of whole numbers are the same in 8 bits as in float32, and BLAS works in one thread."""

import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from ft_platform.privacy.ner.built_in import products
from ft_platform.privacy.ner.built_in.products import Products, by_torch

RANDOM = np.random.default_rng(7)
WEIGHTS = {
    "layer": RANDOM.integers(-127, 128, (128, 768)).astype(np.int8),
    "out": RANDOM.integers(-127, 128, (128, 5)).astype(np.int8),
}
X = RANDOM.integers(-127, 128, (530, 128)).astype(np.float32)
LARGEST = np.full((3, 128), -127, np.float32)


@pytest.fixture
def one_thread():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def exact(x: np.ndarray, name: str) -> np.ndarray:
    return x.astype(np.int64) @ WEIGHTS[name].astype(np.int64)


@pytest.mark.parametrize("patience", [0, products.PATIENCE], ids=["the faster one", "BLAS"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_products_are_exact(name: str, patience: float, one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those by torch are not on a processor with AVX2 alone, whose sums of 16 bits overflow: there BLAS stays."""
    monkeypatch.setattr(products, "PATIENCE", patience)
    product = Products(WEIGHTS)
    for x in (X, X, X[:1], LARGEST):
        made = product(x, name)
        assert made.dtype == np.float32
        np.testing.assert_array_equal(made, exact(x, name))


def test_products_by_torch_are_exact_on_a_processor_with_8_bit_sums(one_thread: None) -> None:
    import torch

    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not torch.cpu.get_capabilities().get("avx512_vnni"):
        pytest.skip("the processor lacks avx512_vnni")
    in_8_bits = by_torch(WEIGHTS)
    assert in_8_bits
    for name in WEIGHTS:
        for x in (X, X[:1], LARGEST):
            np.testing.assert_array_equal(in_8_bits(x, name), exact(x, name))


def test_the_faster_of_two_equal_products_is_taken_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    def quick(x: np.ndarray, name: str) -> np.ndarray:
        return made[name]

    made = {}
    monkeypatch.setattr(products, "PATIENCE", 0)
    monkeypatch.setattr(products, "by_torch", lambda weights: quick)
    tried = np.random.default_rng(0).integers(-127, 128, (products.TRIED_ROWS, 128)).astype(np.float32)
    made["layer"] = exact(tried, "layer")
    both = Products(WEIGHTS)
    both(X, "layer")
    assert both._product is quick


def test_a_product_that_says_something_else_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "PATIENCE", 0)
    monkeypatch.setattr(products, "by_torch", lambda weights: lambda x, name: np.zeros((len(x), 768), np.float32))
    both = Products(WEIGHTS)
    for _ in range(2):
        np.testing.assert_array_equal(both(X, "layer"), exact(X, "layer"))


def test_torch_is_left_alone_where_it_has_several_threads_or_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert by_torch(WEIGHTS) is None
    monkeypatch.setitem(sys.modules, "torch", None)
    assert by_torch(WEIGHTS) is None


def test_blas_has_one_thread_while_it_multiplies_and_all_of_them_afterwards() -> None:
    def threads() -> list[int]:
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    before = threads()
    with Products(WEIGHTS).in_one_thread():
        assert set(threads()) == {1}
    assert threads() == before
