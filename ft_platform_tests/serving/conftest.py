"""A server with a fake engine, asked without sockets."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from ft_platform_tests.serving.fakes import FakeEngine, asking


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def client(engine: FakeEngine) -> Iterator[TestClient]:
    """Asks a server that needs no key."""
    with asking(engine) as client:
        yield client
