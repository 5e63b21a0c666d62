"""What the contract needs of a stand-in for a vendor's service, which lives as long as this process."""

import atexit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Generic, TypeVar

from ft_platform_tests.compute.containers import Containers

NOT_RUN = {
    "preempted": "only {} takes machines back; the stand-in plays it ({})",
    "machine_lost": "only {} loses a host; the stand-in plays it ({})",
    "no_capacity": "only {} has no room; the stand-in plays it ({})",
    "out_of_memory": "the stand-in limits no memory",
}


def not_run(vendor: str, test: str) -> dict[str, str]:
    return {name: why.format(vendor, test) for name, why in NOT_RUN.items()}


Service = TypeVar("Service", bound=Containers)


class ServiceProfile(Generic[Service]):
    """Its functions are those of a module in `profiles/`."""

    def __init__(self, make: Callable[[], Service]) -> None:
        self._make = make

    @cached_property
    def service(self) -> Service:
        made = self._make()
        atexit.register(made.stop)
        return made

    def variables(self) -> dict[str, str]:
        """Of this process, and of orchestrators that it starts: where the services are."""
        return self.service.variables()

    def jobs(self) -> list[str]:
        return self.service.waiting_or_running()

    def left(self) -> list[str]:
        """Secrets that nobody has deleted."""
        return self.service.left()

    def preempt(self) -> None:
        """With notice, as Spot machines and draining hosts give it."""
        for job_id in self.service.running():
            self.service.take_away(job_id)

    def lose_machine(self) -> None:
        for job_id in self.service.running():
            self.service.lose(job_id)

    @contextmanager
    def full(self) -> Iterator[None]:
        self.service.full = True
        try:
            yield
        finally:
            self.service.full = False

    @contextmanager
    def expired(self) -> Iterator[None]:
        self.service.expired = True
        try:
            yield
        finally:
            self.service.expired = False
