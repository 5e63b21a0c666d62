"""A back end as one for other machines would be: of this process's variables the program gets none, orders come in a
variable, messages out of its log."""

import os
import subprocess
import sys
import threading
from typing import Any

from ft_platform.compute.backend import Launch
from ft_platform.compute.running import OnThisMachine, run_until_end
from ft_platform.use_case.settings.compute_profile import ComputeProfile

MEMORY = "there"


def check(profile: ComputeProfile) -> None:
    if set(profile.options) != {"queue"}:
        raise ValueError("`backend: by_log` needs `options: {queue: ...}`")


def run(launch: Launch) -> dict[str, Any]:
    from dagster import PipesEnvContextInjector

    from ft_platform.compute.pipes import LogMessages

    messages = LogMessages(launch.context)

    def start(variables: dict[str, str]) -> "Job":
        return Job([sys.executable, "-m", launch.module], {"PATH": os.environ["PATH"], **variables}, messages)

    return run_until_end(launch, start, launch.variables_elsewhere(), messages, PipesEnvContextInjector())


class Job(OnThisMachine):
    """A program whose output is read line by line."""

    def __init__(self, command: list[str], variables: dict[str, str], messages: Any) -> None:
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
        super().__init__(process)
        self._reading = threading.Thread(
            target=lambda: [messages.line(line.rstrip("\n")) for line in process.stdout or ()], daemon=True
        )
        self._reading.start()

    def wait(self, timeout: float) -> int:
        exit_code = super().wait(timeout)
        self._reading.join(10)
        return exit_code
