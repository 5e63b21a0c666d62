"""ft ui: Dagster's web UI and daemon on this installation's instance."""

import argparse
import importlib.util
import os
import sys

HELP = "Start Dagster's UI and daemon (schedules, sensors, on-data-change) on this installation's instance."
EXAMPLES = ["ft ui", "ft ui --port 3333"]

WORKSPACE = "load_from:\n  - python_module: {module_name: ft_platform.definitions, location_name: ft_platform}\n"


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
    workspace = environment.dagster_home / "workspace.yaml"
    workspace.write_text(WORKSPACE, encoding="utf-8")
    variables = {**os.environ, **environment.to_variables(), "DAGSTER_HOME": str(environment.dagster_home)}
    print(f"http://{arguments.host}:{arguments.port} (stop with Ctrl-C)", flush=True)
    # `dg dev` needs the project's folder as working directory; -W: `dagster dev` says that it is superseded by it.
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "--workspace", str(workspace), "--host", arguments.host, "--port", str(arguments.port)]
    os.execvpe(command[0], command, variables)
