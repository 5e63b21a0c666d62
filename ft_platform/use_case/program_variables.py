"""Environment variables that a program is started with."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ft_platform.use_case.named import NamedUseCase
    from ft_platform.use_case.settings.compute_profile import ComputeProfile
    from ft_platform.use_case.settings.environment import Environment

TASK = "FT_TASK"
"""Which task of a job array a program is. The first, 0, reports; the others work beside it."""


def program_variables(
    environment: "Environment", profile: "ComputeProfile", use_case: "NamedUseCase"
) -> dict[str, str]:
    """On this machine: those of this process, the installation's, the pinned thread count, and those of the compute
    profile, which win."""
    return {
        **os.environ,
        **_told(environment, profile, use_case.settings.compute.threads or len(os.sched_getaffinity(0))),
    }


def variables_elsewhere(
    environment: "Environment", profile: "ComputeProfile", use_case: "NamedUseCase", processes: int = 1
) -> dict[str, str]:
    """On another machine: the same, but of this process only the credentials of the object store. Threads are pinned if
    the use case says how many; so many processes share them."""
    threads = use_case.settings.compute.threads
    each = max(threads // processes, 1) if threads else 0
    return {**environment.storage_options(), **_told(environment, profile, each)}


def _told(environment: "Environment", profile: "ComputeProfile", threads: int) -> dict[str, str]:
    return {
        **environment.to_variables(),
        **({"FT_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)} if threads else {}),
        # Without it two threads fall to a few tokens per second when another process is busy.
        "OMP_WAIT_POLICY": "PASSIVE",
        **profile.environment,
    }
