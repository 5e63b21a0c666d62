"""ft ui: the portal, Dagster's web UI and its daemon on this installation's instance."""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

HELP = (
    "Start the portal with all reports, Dagster's UI and its daemon (schedules, sensors, on-data-change) on this"
    " installation's instance."
)
EXAMPLES = [
    "ft ui",
    "ft ui --port 3333",
    "ft ui --host 10.0.0.5 --certificate server.pem --key server.key",
]

WORKSPACE = "load_from:\n  - python_module: {module_name: ft_platform.definitions, location_name: ft_platform}\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "use_case", nargs="?", help="a use case with an account of its own (`identities`); default: all others"
    )
    parser.add_argument("--port", type=int, default=3000, help="port (default: %(default)s)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: this machine only); any other needs users or a provider, and TLS",
    )
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="certificate with its chain (PEM), for TLS")
    parser.add_argument("--key", type=Path, metavar="FILE", help="private key of the certificate (PEM)")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import ConfigError, MissingExtra
    from ft_platform.orchestration.execution import prepare_home
    from ft_platform.orchestration.identities import IDENTITY, is_served_here
    from ft_platform.redaction.settings_file import instance_problems
    from ft_platform.use_case.environment import load_environment
    from ft_platform.use_case.settings.environment import PORTAL

    for module in ("dagster_webserver", "argon2", "authlib"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, "ui")
    if arguments.use_case and arguments.use_case != os.environ.get(IDENTITY):
        raise ConfigError(
            [f"{arguments.use_case} has no account of its own (`identities`)"],
            "Run `ft ui` without a name to see all use cases that have none",
        )
    from ft_platform.web.listening import Tls, is_loopback, listening_on

    tls = Tls.given(arguments.certificate, arguments.key)
    environment = listening_on(arguments.host, arguments.port, tls, load_environment())
    host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    own = f"{tls.scheme}://{host}:{arguments.port}"
    if "reports_url" not in environment.model_fields_set and is_loopback(arguments.host):
        environment = environment.model_copy(update={"reports_url": f"{own}{PORTAL}"})
    prepare_home(environment)
    if problems := instance_problems(environment.dagster_home):
        raise ConfigError(problems)
    workspace = environment.dagster_home / "workspace.yaml"
    workspace.write_text(WORKSPACE, encoding="utf-8")
    variables = {
        **os.environ,
        **environment.to_variables(),
        **tls.variables,
        "DAGSTER_HOME": str(environment.dagster_home),
    }
    print(f"Portal: {own}{PORTAL}/, Dagster: {own}/ (stop with Ctrl-C)", flush=True)
    if apart := [name for name in environment.identities if not is_served_here(environment, name)]:
        print(
            f"Use cases with their own account have their own UI: {', '.join(f'ft ui {name}' for name in apart)}",
            flush=True,
        )
    if environment.reports_url != f"{own}{PORTAL}":
        print(f"Links in messages begin with {environment.reports_url} (FT_REPORTS_URL)", flush=True)
    # `dg dev` needs the project's folder as working directory; -W: `dagster dev` says that it is superseded by it.
    dagster = [sys.executable, "-W", "ignore", "-m", "ft_platform.web.dagster_dev"]
    dagster += ["--workspace", str(workspace), "--host", arguments.host, "--port", str(arguments.port)]
    # Replaces this process, which has loaded all of Dagster, by one that waits.
    command = [sys.executable, "-m", "ft_platform.orchestration.ui_processes", *dagster]
    os.execvpe(command[0], command, variables)
