"""Back end `local`: the program is a subprocess on this machine."""

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import dagster as dg
from dagster import PipesTempFileContextInjector, open_pipes_session

from ft_platform.compute import warm
from ft_platform.compute.pipes import LiveMessageReader, final_values
from ft_platform.environment import ComputeProfile, Environment
from ft_platform.errors import TrainingFailed
from ft_platform.process.program_variables import program_variables
from ft_platform.use_case import NamedUseCase

Process = subprocess.Popen | warm.WarmProgram


def run(
    context: dg.AssetExecutionContext, environment: Environment, profile: ComputeProfile, use_case: NamedUseCase, program: str, extras: dict[str, Any]
) -> dict[str, Any]:
    """Starts the program, passes its messages on while it runs, and returns what it reported at its end."""
    command = [sys.executable, "-m", f"ft_platform.programs.{program}"]

    def start(variables: dict[str, str]) -> Process:
        return (warm.start(program, variables) if warm.possible() else None) or subprocess.Popen(command, env=variables)

    return run_command(context, start, program_variables(environment, profile, use_case), use_case, program, extras)


def run_command(
    context: dg.AssetExecutionContext,
    start: Callable[[dict[str, str]], Process],
    variables: dict[str, str],
    use_case: NamedUseCase,
    program: str,
    extras: dict[str, Any],
) -> dict[str, Any]:
    """The same for another way to `start` the program with its environment variables."""
    compute = use_case.settings.compute
    reader = LiveMessageReader(context)
    with open_pipes_session(context=context, extras=extras, context_injector=PipesTempFileContextInjector(), message_reader=reader) as session:
        process = start({**variables, **session.get_bootstrap_env_vars()})
        try:
            # Training ends by itself at the limit, with a saved state; this is for what does not.
            exit_code = process.wait(timeout=compute.timeout_minutes * 60 + compute.grace_seconds)
        except subprocess.TimeoutExpired:
            raise TrainingFailed(f"program {program} ran longer than {compute.timeout_minutes} minutes", "Raise compute.timeout_minutes") from None
        finally:
            _end(process, compute.grace_seconds)
    return final_values(list(session.get_custom_messages()), program, exit_code)


def _end(process: Process, grace_seconds: int) -> None:
    """Stops the program if it still runs: when the run is cancelled or the time is over."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
