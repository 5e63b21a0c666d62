"""ft reports: the portal and all reports without Dagster's UI."""

import argparse
import importlib.util
from pathlib import Path

HELP = "Serve the portal and the HTML reports of the lake without Dagster's UI. `ft ui` has them too."
EXAMPLES = ["ft reports", "ft reports --host 10.0.0.5 --certificate server.pem --key server.key"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=3001, help="port (default: %(default)s)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: this machine only); any other needs users or a provider, and TLS",
    )
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="certificate with its chain (PEM), for TLS")
    parser.add_argument("--key", type=Path, metavar="FILE", help="private key of the certificate (PEM)")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.errors import MissingExtra
    from ft_platform.orchestration.stop_signals import StopSignals
    from ft_platform.use_case.environment import load_environment

    for module in ("uvicorn", "argon2", "authlib"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, "ui")
    from ft_platform.people.audit_log.once_needed import audit_log_once_needed
    from ft_platform.web.acting import acting
    from ft_platform.web.listening import Tls, listening_on
    from ft_platform.web.report_server import report_server

    tls, environment = Tls.given(arguments.certificate, arguments.key), load_environment()
    environment = listening_on(arguments.host, arguments.port, tls, environment)
    noting = audit_log_once_needed(environment)
    with (
        StopSignals() as stop,
        report_server(environment, arguments.host, arguments.port, tls, noting, acting(environment)) as server,
    ):
        print(
            f"{tls.scheme}://{server.server_name}:{server.server_port}, linked as {environment.reports_url} (stop with"
            " Ctrl-C)",
            flush=True,
        )
        stop.wait()
    return 0
