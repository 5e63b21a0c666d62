"""A stand-in for a Databricks workspace on this machine, and its faults."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ft_platform_tests.compute.databricks_workspace import Workspace

RAN_AGAINST = "stand-in"
NOT_RUN = {
    "preempted": "only a cloud takes machines back; the stand-in plays it (test_databricks.py)",
    "machine_lost": "only a cloud loses a driver; the stand-in plays it (test_databricks.py)",
    "no_capacity": "only a cloud has no room; the stand-in plays it (test_databricks.py)",
    "out_of_memory": "the stand-in limits no memory",
}
REFUSED = {"runtime": "not_a_runtime"}


@cache
def workspace() -> "Workspace":
    from ft_platform_tests.compute.databricks_workspace import Workspace

    made = Workspace()
    atexit.register(made.stop)
    return made


def settings() -> dict[str, Any]:
    pytest.importorskip("databricks.sdk", reason="extra `databricks`")
    from ft_platform_tests.compute.databricks_workspace import RUNTIME, SCOPE, WHEEL

    return {"options": {"wheel": WHEEL, "secret_scope": SCOPE, "runtime": RUNTIME, "node_type": "g6.xlarge"}}


def variables() -> dict[str, str]:
    """Of this process, and of orchestrators that it starts: where the workspace is."""
    return workspace().variables()


def jobs() -> list[str]:
    return workspace().unfinished()


def left() -> list[str]:
    """Secrets that nobody has deleted."""
    return list(workspace().secrets)


def preempt() -> None:
    """Without notice, as Databricks takes away Spot machines."""
    workspace().on_all("preempted")


def lose_machine() -> None:
    workspace().on_all("lost")


@contextmanager
def full() -> Iterator[None]:
    workspace().full = True
    try:
        yield
    finally:
        workspace().full = False


@contextmanager
def expired() -> Iterator[None]:
    workspace().expired = True
    try:
        yield
    finally:
        workspace().expired = False
