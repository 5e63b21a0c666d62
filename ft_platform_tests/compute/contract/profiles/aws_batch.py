"""A stand-in for AWS Batch on this machine, and its faults."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

from ft_platform_tests.compute.batch_service import Service

RAN_AGAINST = "stand-in"
NOT_RUN = {
    "preempted": "only AWS takes machines back; the stand-in plays it (test_aws_batch.py)",
    "machine_lost": "only AWS loses a host; the stand-in plays it (test_aws_batch.py)",
    "no_capacity": "only AWS has no room; the stand-in plays it (test_aws_batch.py)",
    "out_of_memory": "the stand-in limits no memory",
}
REFUSED = {"queue": "nowhere"}


@cache
def service() -> Service:
    made = Service()
    atexit.register(made.stop)
    return made


def settings() -> dict[str, Any]:
    pytest.importorskip("boto3", reason="extra `aws`")
    return {"options": {"queue": "gpu", "definition": "worker", "nodes_definition": "workers"}}


def variables() -> dict[str, str]:
    """Of this process, and of orchestrators that it starts: where the services are."""
    return service().variables()


def jobs() -> list[str]:
    return service().waiting_or_running()


def left() -> list[str]:
    """Secrets that nobody has deleted."""
    return list(service().secrets)


def preempt() -> None:
    """With notice, as Fargate Spot and draining hosts give it."""
    for job_id in service().running():
        service().take_away(job_id, "Your Spot Task was interrupted.")


def lose_machine() -> None:
    for job_id in service().running():
        service().lose(job_id)


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
