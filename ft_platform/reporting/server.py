"""The report server: HTML reports of the lake and their pictures over HTTP, read-only, for the links in Dagster's UI.

Covered: only pages and pictures that the manifest of a report in the shared zone lists, only if their bytes are those
of the manifest; no script runs in them; only requests by a name of this machine or the installation are answered, so
that a web page which points its own name here (DNS rebinding) reads nothing.
Not covered: users and passwords, and encryption. Whoever reaches the port reads every report: put a proxy with a login
before it, as before Dagster's UI.
"""

import hashlib
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ft_platform.environment import Environment
from ft_platform.errors import ConfigError, CorruptVersion
from ft_platform.lake import Lake, open_lake
from ft_platform.reporting.report_urls import REPORT_STAGES, ReportAddress, report_address, use_case_of_index
from ft_platform.settings.hosts import LOOPBACK, authority

LOG = logging.getLogger(__name__)
REQUEST_SECONDS = 10
"""A client that sends nothing for this long is disconnected."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
WORDS = {
    HTTPStatus.NOT_FOUND: "There is no such report.",
    HTTPStatus.MISDIRECTED_REQUEST: (
        "This server is addressed by another name: that in FT_REPORTS_URL, or one in FT_WEB_HOSTS."
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: "This report is damaged: it is not what its manifest says. Materialize it again.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The lake cannot be read at the moment.",
}


class Page(NamedTuple):
    """What is served.

    Attributes:
        shown_by: whose pages may embed it. A picture is for Dagster's UI, which lies at another port. Browsers do not
            count ports of one address as one site, so any page may show a picture whose address it knows; none can
            read it.
    """

    content: bytes
    kind: str = "text/html; charset=utf-8"
    shown_by: str = "same-origin"


class Reports:
    """The reports of a lake as pages."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def page(self, path: str) -> Page | None:
        """The page or picture at the path of a request, or None if there is none.

        Raises:
            CorruptVersion: its bytes or its manifest are not what was published.
        """
        if path == "/":
            return _index(
                "Reports", "use cases", [{"href": f"{name}/", "title": name, "note": ""} for name in self.use_cases()]
            )
        if use_case := use_case_of_index(path):
            links = self.links(use_case)
            return _index(f"Reports of {use_case}", "reports, the newest of each kind first", links) if links else None
        address = report_address(path)
        content = self.report(address) if address else None
        if content is None or address is None:
            return None
        return Page(content, "image/png", "cross-origin") if address.page.endswith(".png") else Page(content)

    def report(self, address: ReportAddress) -> bytes | None:
        """The bytes of one page or picture of a report, or None if there is none."""
        use_case, stage, artifact_id, page = address
        artifact = self.lake.artifact(use_case, stage, artifact_id, verify=False)
        expected = self.lake.manifest(artifact).files.get(page) if artifact else None
        if artifact is None or expected is None:
            return None
        try:
            content = self.lake.read_file(artifact, page)
        except FileNotFoundError:
            content = b""
        if hashlib.sha256(content).hexdigest() != expected:
            raise CorruptVersion(
                f"{page} of {artifact_id} of {use_case} is not what its manifest says", f"Materialize {stage} again"
            )
        return content

    def use_cases(self) -> list[str]:
        """Use cases that have a folder in the shared zone."""
        folder = f"{self.lake.root}/shared"
        self.lake.fs.invalidate_cache()
        if not self.lake.fs.exists(folder):
            return []
        names = [path.rstrip("/").rsplit("/", 1)[-1] for path in self.lake.fs.ls(folder, detail=False)]
        return sorted(name for name in names if use_case_of_index(f"/{name}/"))

    def links(self, use_case: str) -> list[dict[str, str]]:
        """Every page of every report of a use case."""
        found = []
        for stage in REPORT_STAGES:
            for artifact in self.lake.artifacts(use_case, stage):
                manifest = self.lake.manifest(artifact)
                names = [name for name in manifest.files if name.endswith(".html")]
                paths = [f"{stage}/{artifact.artifact_id}/{name}" for name in names]
                found += [
                    {"href": path, "title": f"{stage} {artifact.artifact_id}", "note": manifest.written_at}
                    for path in paths
                    if report_address(f"/{use_case}/{path}")
                ]
        return found


def _index(title: str, what: str, links: list[dict[str, str]]) -> Page:
    from ft_platform.reporting.html import page

    return Page(page("reports_index.html", title=title, what=what, links=links).encode())


class ReportHandler(BaseHTTPRequestHandler):
    """Answers GET and HEAD. Requests are not logged: their paths are whatever a client sends."""

    server: "ReportServer"
    timeout = REQUEST_SECONDS

    def version_string(self) -> str:
        return "ft-reports"

    def do_GET(self) -> None:
        self._send(*self._answer())

    do_HEAD = do_GET

    def _answer(self) -> tuple[HTTPStatus, Page | None]:
        if not self.server.is_addressed_by(self.headers.get("Host")):
            return HTTPStatus.MISDIRECTED_REQUEST, None
        try:
            page = self.server.reports.page(self.path.partition("?")[0])
        except CorruptVersion as error:
            LOG.warning(str(error))
            return HTTPStatus.INTERNAL_SERVER_ERROR, None
        except Exception as error:  # whatever an object store raises; the client is told, the server goes on
            LOG.warning(f"the lake cannot be read: {type(error).__name__}")
            return HTTPStatus.SERVICE_UNAVAILABLE, None
        return (HTTPStatus.OK, page) if page is not None else (HTTPStatus.NOT_FOUND, None)

    def _send(self, status: HTTPStatus, page: Page | None) -> None:
        page = page or Page(f"{WORDS[status]}\n".encode(), "text/plain; charset=utf-8")
        self.send_response(status)
        self.send_header("Content-Type", page.kind)
        self.send_header("Content-Length", str(len(page.content)))
        self.send_header("Cross-Origin-Resource-Policy", page.shown_by)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.content)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        LOG.debug(format, *args)


class ReportServer(ThreadingHTTPServer):
    """Listens from its creation on; `serve_forever` answers.

    Args:
        host, port: address to listen on; port 0: any free one.
        names: by which it is addressed, besides `host` and this machine's own, with or without a port.
    """

    allow_reuse_port = False
    daemon_threads = True

    def __init__(self, lake: Lake, host: str, port: int, names: Iterable[str | None]) -> None:
        self.reports = Reports(lake)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._names = {*LOOPBACK, host, *(found.name for name in names if (found := authority(name)))}
        super().__init__((host, port), ReportHandler)

    def server_bind(self) -> None:
        # Without HTTPServer's own search for a domain name, which waits for a name server.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def is_addressed_by(self, host: str | None) -> bool:
        """Whether a request with this `Host` header is meant for this server; browsers always send one."""
        found = authority(host)
        return host is None or (found is not None and found.name in self._names)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of an answer is no error; the default prints a traceback."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def report_server(environment: Environment, host: str, port: int) -> Iterator[ReportServer]:
    """Serves the reports of an installation in a thread while the block runs.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    lake = open_lake(environment)
    try:
        server = ReportServer(
            lake, host, port, [urlsplit(environment.reports_url).netloc.rpartition("@")[2], *environment.web_hosts]
        )
    except (OSError, OverflowError) as error:
        reason = error.strerror or type(error).__name__ if isinstance(error, OSError) else "no port has this number"
        raise ConfigError(
            [f"reports cannot be served on {host}, port {port}: {reason}"],
            "Choose another one with --reports-port, or with FT_REPORTS_URL",
        ) from None
    with server:
        thread = threading.Thread(target=server.serve_forever, name="reports", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
