"""ft reports: the report server alone, for an installation whose Dagster UI runs elsewhere."""

import argparse
import importlib.util
from pathlib import Path

HELP = "Serve the HTML reports of the lake, read-only, for the links in Dagster's UI. `ft ui` does it too."
EXAMPLES = ["ft reports", "ft reports --host 10.0.0.5 --certificate server.pem --key server.key"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, help="port (default: that of FT_REPORTS_URL, 3001)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: this machine only); any other needs users or a provider, and TLS",
    )
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="certificate with its chain (PEM), for TLS")
    parser.add_argument("--key", type=Path, metavar="FILE", help="private key of the certificate (PEM)")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.environment import load_environment
    from ft_platform.errors import MissingExtra
    from ft_platform.orchestration.stop_signals import StopSignals
    from ft_platform.reporting.report_urls import server_port

    for module in ("uvicorn", "argon2", "authlib"):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(module, "ui")
    from ft_platform.evidence.pack import evidence_digest
    from ft_platform.people.audit_log.once_needed import audit_log_once_needed
    from ft_platform.reporting.portal.acting import page_for, view_of
    from ft_platform.reporting.portal.asking import Acting
    from ft_platform.web.listening import Tls, listening_on
    from ft_platform.web.portal_acts import acts
    from ft_platform.web.report_server import report_server

    tls, environment = Tls.given(arguments.certificate, arguments.key), load_environment()
    port = server_port(environment.reports_url) if arguments.port is None else arguments.port
    environment = listening_on(arguments.host, port, tls, environment)
    noting = audit_log_once_needed(environment)
    acting = Acting(view_of, page_for, acts(evidence_digest))
    with StopSignals() as stop, report_server(environment, arguments.host, port, tls, noting, acting) as server:
        print(
            f"{tls.scheme}://{server.server_name}:{server.server_port}, linked as {environment.reports_url} (stop with"
            " Ctrl-C)",
            flush=True,
        )
        stop.wait()
    return 0
