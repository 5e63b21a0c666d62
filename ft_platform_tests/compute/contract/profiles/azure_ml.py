"""A stand-in for Azure Machine Learning on this machine, and its faults."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ft_platform_tests.compute.azure_ml_service import AzureML

RAN_AGAINST = "stand-in"
NOT_RUN = {
    "preempted": "only Azure takes machines back; the stand-in plays it (test_azure_ml.py)",
    "machine_lost": "only Azure loses a machine; the stand-in plays it (test_azure_ml.py)",
    "no_capacity": "only Azure has no room; the stand-in plays it (test_azure_ml.py)",
    "out_of_memory": "the stand-in limits no memory",
}
REFUSED = {"compute": "no-cluster"}


@cache
def service() -> "AzureML":
    from ft_platform_tests.compute.azure_ml_service import AzureML

    made = AzureML()
    atexit.register(made.stop)
    return made


def settings() -> dict[str, Any]:
    pytest.importorskip("azure.identity", reason="extra `azure`")
    pytest.importorskip(
        "azure.ai", reason="azure-ai-ml, which brings the types of the API; its dependencies are not needed"
    )
    return {"options": service().options()}


def variables() -> dict[str, str]:
    """Of this process, and of orchestrators that it starts: where the services are."""
    return service().variables()


def jobs() -> list[str]:
    return service().unfinished()


def left() -> list[str]:
    """Secrets that nobody has deleted."""
    return list(service().secrets)


def preempt() -> None:
    """With notice, as Azure gives it to Spot machines."""
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
