"""ft ui: Dagster's web UI and daemon on this installation's instance."""

import argparse
import importlib.util
import os
import sys

HELP = "Start Dagster's UI and daemon (schedules, sensors, on-data-change) on this installation's instance."
EXAMPLES = ["ft ui", "ft ui --port 3333"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=3000, help="port (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only; the UI has no users and no password)")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.errors import MissingExtra
    from ft_platform.execution import prepare_home

    if importlib.util.find_spec("dagster_webserver") is None:
        raise MissingExtra("dagster-webserver", "ui")
    environment = load_environment()
    prepare_home(environment)
    variables = {**os.environ, **environment.to_variables(), "DAGSTER_HOME": str(environment.dagster_home)}
    print(f"http://{arguments.host}:{arguments.port} (stop with Ctrl-C)", flush=True)
    command = [sys.executable, "-m", "dagster", "dev", "--module-name", "ft_platform.definitions", "--host", arguments.host, "--port", str(arguments.port)]
    os.execvpe(command[0], command, variables)
