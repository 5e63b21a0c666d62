"""For tests of back ends."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def own_variables() -> Iterator[None]:
    """`settings` of a contract's profile leads this process to its cluster, which lives on: the next test must not find
    that cluster."""
    before = dict(os.environ)
    yield
    for name in {*os.environ} - {*before}:
        del os.environ[name]
    os.environ.update(before)
