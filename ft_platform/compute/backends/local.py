"""Back end `local`: the program is a process on this machine."""

import subprocess
import sys
from typing import TYPE_CHECKING, Any, Literal

from ft_platform.compute import warm
from ft_platform.compute.backend import Launch, take_no_options
from ft_platform.compute.running import OnThisMachine, run_until_end

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY: Literal["here"] = "here"


def check(profile: "ComputeProfile") -> None:
    take_no_options(profile)
    if profile.processes > 1:
        raise ValueError("`processes` goes with `backend: torchrun`")


def run(launch: Launch) -> dict[str, Any]:
    """Runs it out of a process that has imported what it needs, where there is one."""
    command = [sys.executable, "-m", launch.module]

    def start(variables: dict[str, str]) -> OnThisMachine:
        return OnThisMachine(
            (warm.start(launch.program, variables) if warm.possible() else None)
            or subprocess.Popen(command, env=variables)
        )

    return run_until_end(launch, start, launch.variables())
