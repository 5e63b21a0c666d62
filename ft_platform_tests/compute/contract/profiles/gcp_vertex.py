"""A stand-in for Vertex AI on this machine, and its faults."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ft_platform_tests.compute.vertex_service import Vertex

RAN_AGAINST = "stand-in"
NOT_RUN = {
    "preempted": "only Google takes machines back; the stand-in plays it (test_gcp_vertex.py)",
    "machine_lost": "only Google loses a machine; the stand-in plays it (test_gcp_vertex.py)",
    "no_capacity": "only Google has no room; the stand-in plays it (test_gcp_vertex.py)",
    "out_of_memory": "the stand-in limits no memory",
}
REFUSED = {"machine_type": "no-machine-1"}


@cache
def service() -> "Vertex":
    from ft_platform_tests.compute.vertex_service import Vertex

    made = Vertex()
    atexit.register(made.stop)
    return made


def settings() -> dict[str, Any]:
    pytest.importorskip("google.auth", reason="extra `gcp`")
    pytest.importorskip("googleapiclient", reason="google-api-python-client, which brings the discovery documents")
    from ft_platform_tests.compute.vertex_service import IMAGE, PROJECT, REGION

    return {"options": {"project": PROJECT, "region": REGION, "image": IMAGE, "machine_type": "n2-standard-8"}}


def variables() -> dict[str, str]:
    """Of this process, and of orchestrators that it starts: where the services are."""
    return service().variables()


def jobs() -> list[str]:
    return service().unfinished()


def left() -> list[str]:
    """Secrets that nobody has deleted."""
    return list(service().secrets)


def preempt() -> None:
    """With notice, as Google gives it to Spot machines."""
    service().on_all("preempted")


def lose_machine() -> None:
    service().on_all("lost")


@contextmanager
def full() -> Iterator[None]:
    service().full = True
    try:
        yield
    finally:
        service().full = False


@contextmanager
def expired() -> Iterator[None]:
    service().expired = True
    try:
        yield
    finally:
        service().expired = False
