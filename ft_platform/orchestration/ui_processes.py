"""What `ft ui` becomes: the report server in this process, `dagster dev` as its child, and an end for both.

python -m ft_platform.orchestration.ui_processes <host> <port of the report server, 0: none> <command of dagster dev
...>"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from urllib.parse import urlsplit

from ft_platform.environment import load_environment
from ft_platform.errors import FtError
from ft_platform.orchestration.stop_signals import StopSignals

DAGSTER_SECONDS = 30
"""Time for Dagster's own orderly end: web server, daemon, code server."""

RUN_SECONDS = 25
"""Time for runs to be noted as interrupted; a program gets `compute.grace_seconds` of it."""

KILL_SECONDS = 5


def run_until_stopped(command: Sequence[str], stop: StopSignals) -> int:
    """Runs a command until it ends by itself or this process is told to stop. No process it started outlives this.

    Returns:
        0 if it was stopped, else the exit code of the command.
    """
    process = subprocess.Popen(command, start_new_session=True)
    try:
        if not stop.received:
            stop.wait(lambda: process.poll() is not None)
        ended = process.poll()
    finally:
        _end(process, stop)
    return ended if ended is not None else 0


def _end(process: subprocess.Popen, stop: StopSignals) -> None:
    """Ends a process and its session. A further request to stop shortens each wait."""
    process.terminate()
    stop.wait(lambda: process.poll() is not None, DAGSTER_SECONDS)
    for number, seconds in ((signal.SIGTERM, RUN_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        if _signal_group(process, number):
            stop.wait(lambda: not _signal_group(process, 0), seconds)


def _signal_group(process: subprocess.Popen, number: int) -> bool:
    """Whether there is still a process of the group to get the signal; 0 only asks."""
    # What has ended but was not waited for counts as there. As process 1 of a container this process also inherits the
    # children of its children.
    process.poll()
    with suppress(ChildProcessError):
        while os.waitpid(-process.pid, os.WNOHANG)[0]:
            pass
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True


def main(words: Sequence[str]) -> int:
    """Returns 0 after a stop, or 1 after one clear line on standard error."""
    from ft_platform.evidence.pack import evidence_digest
    from ft_platform.people.audit_log.once_needed import audit_log_once_needed
    from ft_platform.reporting.portal.acting import page_for, view_of
    from ft_platform.reporting.portal.asking import Acting
    from ft_platform.reporting.report_urls import LOOPBACK
    from ft_platform.web.listening import Tls
    from ft_platform.web.portal_acts import acts
    from ft_platform.web.report_server import report_server

    host, port, *command = words
    with StopSignals() as stop:
        try:
            environment = load_environment()
            noting = audit_log_once_needed(environment)
            acting = Acting(view_of, page_for, acts(evidence_digest))
            serving = (environment, host, int(port), Tls.of_variables(), noting, acting)
            with report_server(*serving) if int(port) else nullcontext():
                if int(port):
                    print(f"Reports: {environment.reports_url}", flush=True)
                if host not in LOOPBACK and urlsplit(environment.reports_url).hostname in LOOPBACK:
                    print(
                        "Links to reports lead to this machine only. To open them elsewhere, set FT_REPORTS_URL to its"
                        " address.",
                        flush=True,
                    )
                code = run_until_stopped(command, stop)
        except FtError as error:
            print(f"ft ui: {' '.join(str(error).split())}", file=sys.stderr)
            return 1
        if not stop.received:
            print(f"ft ui: Dagster ended by itself with code {code}. Its last messages say why", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
