"""ft ui: Dagster's web UI and daemon on this installation's instance, and the report server beside them."""

import argparse
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ft_platform.environment import Environment

HELP = (
    "Start Dagster's UI and daemon (schedules, sensors, on-data-change) on this installation's instance, and the server"
    " of its HTML reports."
)
EXAMPLES = ["ft ui", "ft ui --port 3333 --reports-port 3334", "ft ui --host 10.0.0.5 --without-logins"]

WORKSPACE = "load_from:\n  - python_module: {module_name: ft_platform.definitions, location_name: ft_platform}\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "use_case", nargs="?", help="a use case with an account of its own (`identities`); default: all others"
    )
    parser.add_argument("--port", type=int, default=3000, help="port (default: %(default)s)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: this machine only); others need --without-logins",
    )
    parser.add_argument(
        "--without-logins",
        action="store_true",
        help="let everyone who reaches --host read everything and start runs: the UI has no users",
    )
    parser.add_argument(
        "--reports-port",
        type=int,
        help="port of the report server (default: that of FT_REPORTS_URL, 3001; 0: no report server)",
    )


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.errors import ConfigError, MissingExtra
    from ft_platform.orchestration.execution import prepare_home
    from ft_platform.orchestration.identities import IDENTITY, is_served_here
    from ft_platform.redaction.settings_file import instance_problems

    if importlib.util.find_spec("dagster_webserver") is None:
        raise MissingExtra("dagster-webserver", "ui")
    if arguments.use_case and arguments.use_case != os.environ.get(IDENTITY):
        problem = f"{arguments.use_case} has no account of its own (`identities`)"
        raise ConfigError([problem], "ft ui without a name shows all use cases that have none")
    environment = listening_on(arguments.host, arguments.port, arguments.without_logins, load_environment())
    prepare_home(environment)
    if problems := instance_problems(environment.dagster_home):
        raise ConfigError(problems)
    workspace = environment.dagster_home / "workspace.yaml"
    workspace.write_text(WORKSPACE, encoding="utf-8")
    port, url = reports_address(environment.reports_url, arguments.reports_port)
    variables = {
        **os.environ,
        **environment.to_variables(),
        "FT_REPORTS_URL": url,
        "DAGSTER_HOME": str(environment.dagster_home),
    }
    print(f"http://{arguments.host}:{arguments.port} (stop with Ctrl-C)", flush=True)
    if apart := [name for name in environment.identities if not is_served_here(environment, name)]:
        print(
            f"Under accounts of their own, each in a UI of its own: {', '.join(f'ft ui {name}' for name in apart)}",
            flush=True,
        )
    if url != environment.reports_url:
        print(
            f"Runs that are started elsewhere link their reports as {environment.reports_url}, unless"
            f" FT_REPORTS_URL={url} is set there.",
            flush=True,
        )
    # `dg dev` needs the project's folder as working directory; -W: `dagster dev` says that it is superseded by it.
    dagster = [sys.executable, "-W", "ignore", "-m", "ft_platform.web.dagster_dev"]
    dagster += ["--workspace", str(workspace), "--host", arguments.host, "--port", str(arguments.port)]
    # Replaces this process, which has loaded all of Dagster, by one that serves reports and waits.
    command = [sys.executable, "-m", "ft_platform.orchestration.ui_processes", arguments.host, str(port), *dagster]
    os.execvpe(command[0], command, variables)


def listening_on(host: str, port: int, without_logins: bool, environment: "Environment") -> "Environment":
    """The environment with a name for an address other than this machine's own, once a person has said that nobody has
    to log in.

    Raises:
        ConfigError: nobody has said so, or no name is known by which browsers would reach the UI.
    """
    from ft_platform.errors import ConfigError
    from ft_platform.settings.hosts import is_loopback

    if is_loopback(host):
        return environment
    if not without_logins:
        raise ConfigError(
            [
                f"--host {host} would let everyone who reaches this machine read all data and start runs: the UI has"
                " no users and no password"
            ],
            "Put a proxy with a login in front of the UI, on this machine (docs/how_to/protect_the_ui.md), or say"
            " --without-logins",
        )
    everywhere = host in ("0.0.0.0", "::", "")
    if everywhere and not environment.web_hosts:
        problem = f"--host {host} has no name, and requests by unknown names are refused"
        raise ConfigError([problem], "Set FT_WEB_HOSTS to the names that browsers use, e.g. 10.0.0.5:3000")
    print(
        f"ft ui: everyone who reaches {host}, port {port}, can read all data and start runs. There is no login.",
        file=sys.stderr,
        flush=True,
    )
    named = [] if everywhere else [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    return environment.model_copy(update={"web_hosts": [*environment.web_hosts, *named]})


def reports_address(reports_url: str, port: int | None) -> tuple[int, str]:
    """Port of the report server (0: none), and the address that links in the UI start with."""
    from urllib.parse import urlsplit

    from ft_platform.reporting.report_urls import LOOPBACK, server_port

    if port is None:
        return server_port(reports_url), reports_url
    own = port and urlsplit(reports_url).hostname in LOOPBACK
    return port, f"http://127.0.0.1:{port}" if own else reports_url
