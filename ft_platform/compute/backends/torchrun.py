"""Back end `torchrun`: training runs as several processes on this machine that work on one model; other programs as
one.

Every process computes its share of each batch (`training/processes.py`) and holds the whole model, or with `sharded` a
part of it (FSDP, `training/sharding.py`). Seen with two processes on a CPU (gloo). With GPUs (NCCL) it has not been
run.
"""

import subprocess
import sys
from typing import TYPE_CHECKING, Any, Literal

from ft_platform.compute.backend import TOGETHER, Launch, take_no_options
from ft_platform.compute.running import OnThisMachine, run_until_end

if TYPE_CHECKING:
    from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY: Literal["here"] = "here"


def check(profile: "ComputeProfile") -> None:
    take_no_options(profile)


def run(launch: Launch) -> dict[str, Any]:
    """Runs it in `profile.processes` processes; what the first of them reports is the result."""
    variables = launch.variables()
    command = command_of(launch.program, launch.profile, variables)
    return run_until_end(
        launch, lambda started_with: OnThisMachine(subprocess.Popen(command, env=started_with)), variables
    )


def command_of(program: str, profile: "ComputeProfile", variables: dict[str, str]) -> list[str]:
    """The command; `variables` get the threads of one process."""
    module = f"ft_platform.programs.{program}"
    if program not in TOGETHER or profile.processes == 1:
        return [sys.executable, "-m", module]
    threads = str(max(int(variables["FT_THREADS"]) // profile.processes, 1))
    variables |= {"FT_THREADS": threads, "OMP_NUM_THREADS": threads}
    return [
        sys.executable,
        "-m",
        "ft_platform.programs.together",
        "--standalone",
        f"--nproc-per-node={profile.processes}",
        "--module",
        module,
    ]
