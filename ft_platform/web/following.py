"""What follows an action in the portal: a run that shows it in the graph, in a process of its own.

Covered: one run at a time, whatever people do meanwhile. Not covered: a server that ends before the run does; what was
done stands in the lake without it."""

import logging
import os
import subprocess
import sys
import threading

from ft_platform.use_case.settings.environment import Environment

LOG = logging.getLogger(__name__)


class Following:
    """Starts the runs of an installation."""

    def __init__(self, environment: Environment) -> None:
        self._variables = environment.to_variables()
        self._alone = threading.Lock()

    def __call__(self, use_case: str, what: str) -> None:
        """Args:
        what: as `orchestration.follow_up` names it.
        """
        threading.Thread(target=self._run, args=(use_case, what), name="follow-up", daemon=True).start()

    def _run(self, use_case: str, what: str) -> None:
        command = [sys.executable, "-m", "ft_platform.orchestration.follow_up", use_case, what]
        with self._alone:
            done = subprocess.run(command, env={**os.environ, **self._variables}, check=False)
        if done.returncode:
            LOG.warning(f"{use_case}: {what} stands in the lake, and the graph does not show it yet")
