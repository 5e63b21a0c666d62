"""Back end `torchrun`: training runs as several processes on this machine that work on one model; other programs as one.

Every process computes its share of each batch (`training/processes.py`) and holds the whole model, or with `sharded` a part of it
(FSDP, `training/sharding.py`). Seen with two processes on a CPU (gloo). With GPUs (NCCL) it has not been run.
"""

import subprocess
import sys
from typing import Any

import dagster as dg

from ft_platform.compute.local import run_command
from ft_platform.environment import ComputeProfile, Environment
from ft_platform.process.program_variables import program_variables
from ft_platform.use_case import NamedUseCase

TOGETHER = ("train",)
"""Programs whose processes share the work."""


def run(
    context: dg.AssetExecutionContext, environment: Environment, profile: ComputeProfile, use_case: NamedUseCase, program: str, extras: dict[str, Any]
) -> dict[str, Any]:
    """Starts the program in `profile.processes` processes, and returns what the first of them reported at its end."""
    variables = program_variables(environment, profile, use_case)
    command = command_of(program, profile, variables)
    return run_command(context, lambda started_with: subprocess.Popen(command, env=started_with), variables, use_case, program, extras)


def command_of(program: str, profile: ComputeProfile, variables: dict[str, str]) -> list[str]:
    """The command; `variables` get the threads of one process."""
    module = f"ft_platform.programs.{program}"
    if program not in TOGETHER or profile.processes == 1:
        return [sys.executable, "-m", module]
    threads = str(max(int(variables["FT_THREADS"]) // profile.processes, 1))
    variables |= {"FT_THREADS": threads, "OMP_NUM_THREADS": threads}
    return [sys.executable, "-m", "ft_platform.programs.together", "--standalone", f"--nproc-per-node={profile.processes}", "--module", module]
