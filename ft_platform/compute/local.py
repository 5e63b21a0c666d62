"""Back end `local`: the program is a subprocess on this machine."""

import os
import signal
import subprocess
import sys
from typing import Any

import dagster as dg
from dagster import PipesTempFileContextInjector, open_pipes_session

from ft_platform.compute.pipes import LiveMessageReader, final_values
from ft_platform.environment import ComputeProfile, Environment
from ft_platform.errors import TrainingFailed
from ft_platform.use_case import NamedUseCase

GRACE_SECONDS = 20


def run(
    context: dg.AssetExecutionContext, environment: Environment, profile: ComputeProfile, use_case: NamedUseCase, program: str, extras: dict[str, Any]
) -> dict[str, Any]:
    """Starts the program, passes its messages on while it runs, and returns what it reported at its end."""
    compute = use_case.settings.compute
    threads = compute.threads or len(os.sched_getaffinity(0))
    variables = {
        **os.environ,
        **environment.to_variables(),
        "FT_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        # Without it two threads fall to a few tokens per second when another process is busy.
        "OMP_WAIT_POLICY": "PASSIVE",
        **profile.environment,
    }
    reader = LiveMessageReader(context)
    with open_pipes_session(context=context, extras=extras, context_injector=PipesTempFileContextInjector(), message_reader=reader) as session:
        process = subprocess.Popen([sys.executable, "-m", f"ft_platform.programs.{program}"], env={**variables, **session.get_bootstrap_env_vars()})
        try:
            exit_code = process.wait(timeout=compute.timeout_minutes * 60)
        except subprocess.TimeoutExpired:
            raise TrainingFailed(f"program {program} ran longer than {compute.timeout_minutes} minutes", "Raise compute.timeout_minutes") from None
        finally:
            _end(process)
    return final_values(list(session.get_custom_messages()), program, exit_code)


def _end(process: subprocess.Popen) -> None:
    """Stops the program if it still runs: when the run is cancelled or the time is over."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
