"""Environment variables that a program on this machine is started with."""

import os

from ft_platform.environment import ComputeProfile, Environment
from ft_platform.use_case import NamedUseCase


def program_variables(environment: Environment, profile: ComputeProfile, use_case: NamedUseCase) -> dict[str, str]:
    """Those of this process, the installation's, the pinned thread count, and those of the compute profile, which win."""
    threads = str(use_case.settings.compute.threads or len(os.sched_getaffinity(0)))
    return {
        **os.environ,
        **environment.to_variables(),
        "FT_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        # Without it two threads fall to a few tokens per second when another process is busy.
        "OMP_WAIT_POLICY": "PASSIVE",
        **profile.environment,
    }
