"""A job as `elsewhere` gives it to a scheduler, and a stand-in that lives as long as a test."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from ft_platform.compute.backend import Job, Launch
from ft_platform.use_case.settings.compute_profile import ComputeProfile
from ft_platform_tests.compute.containers import Containers
from ft_platform_tests.costs.test_ledger import named

SECRET = "secret-canary-4410"
NAME = "ft-0123-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA-canary", "AWS_SESSION_TOKEN": "token-canary"}
S = TypeVar("S", bound=Containers)


@contextmanager
def served(made: S, monkeypatch: pytest.MonkeyPatch) -> Iterator[S]:
    """The variables of this process say where it is."""
    for name, value in made.variables().items():
        monkeypatch.setenv(name, value)
    try:
        yield made
    finally:
        made.stop()


def job_of(
    environment: Any,
    backend: str,
    options: dict[str, Any],
    program: str = "train",
    keys: Mapping[str, str] = KEYS,
    **profile: Any,
) -> Job:
    """With a secret among its variables, and keys of the orchestrator."""
    made = ComputeProfile(backend=backend, options=options, **profile)
    use_case = named(threads=4, timeout_minutes=90, grace_seconds=30)
    launch = Launch(None, environment, made, use_case, program, {})  # type: ignore[arg-type]
    return Job(NAME, launch, {"TOKEN": SECRET, "FT_HOME": "/home/ft", **keys})


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
