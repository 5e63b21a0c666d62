"""The report server: the pages of `reporting.site` and `reporting.portal` over HTTP, for the links in Dagster's UI.
Read-only but for `web.portal_actions`.

Covered: only paths that these know are answered, as they were sent and never decoded; no script runs in a page; only
requests by a name of this machine or the installation are answered, so that a web page which points its own name here
(DNS rebinding) reads nothing; people sign in as in Dagster's UI, and read reports if they have a role; a client that
does not finish its request is disconnected.
"""

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ft_platform.errors import ConfigError, CorruptVersion
from ft_platform.lake.opening import open_lake
from ft_platform.people.identity.desk import Desk
from ft_platform.people.identity.refused import Refused
from ft_platform.people.loading import CurrentPermissions, use_cases_of
from ft_platform.people.may import Permissions
from ft_platform.people.noted import Noting, unnoted
from ft_platform.people.person import PERSON, Person
from ft_platform.reporting.portal.asking import Acting
from ft_platform.reporting.portal.pages import Portal
from ft_platform.reporting.site import Reports
from ft_platform.settings.environment import Environment
from ft_platform.settings.hosts import LOOPBACK, Hosts, authority
from ft_platform.web.deadlines import DeadlineProtocol
from ft_platform.web.listening import Tls
from ft_platform.web.portal_actions import portal_actions
from ft_platform.web.sign_in import SignIn

LOG = logging.getLogger(__name__)
SECONDS_TO_FINISH = 3
"""An answer that is under way when the server stops gets this long."""

EMBEDDING = "Cross-Origin-Resource-Policy"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
    "Server": "ft-reports",
}
"""Of every answer, those to requests that cannot be parsed among them."""
WORDS = {
    HTTPStatus.FORBIDDEN: "Only people with a role read reports: ft may.",
    HTTPStatus.NOT_FOUND: "There is no such report.",
    HTTPStatus.MISDIRECTED_REQUEST: (
        "This server is addressed by another name: that in FT_REPORTS_URL, or one in FT_WEB_HOSTS."
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: "This report is damaged: it is not what its manifest says. Materialize it again.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The lake cannot be read at the moment.",
}


class ReportServer:
    """Listens from its creation on; `serve` answers GET and HEAD. Requests are not logged: their paths are whatever a
    client sends.

    Args:
        portal, reports: what is served: pages over all use cases, and about one.
        host, port: address to listen on; port 0: any free one.
        names: by which it is addressed, besides `host` and this machine's own, with or without a port.
        desk: where people sign in.
        permissions: who may do what now.
        prefix: path that browsers see in front of the server's own.
        routes: pages where people act, before all others.

    Raises:
        OSError: the address cannot be listened on.
        OverflowError: no port has this number.
    """

    def __init__(
        self,
        portal: Portal,
        reports: Reports,
        host: str,
        port: int,
        names: Iterable[str],
        desk: Desk,
        permissions: Callable[[], Permissions],
        tls: Tls,
        prefix: str,
        routes: Sequence[Route] = (),
    ) -> None:
        names = list(names)
        self.portal, self.reports, self._desk, self._permissions = portal, reports, desk, permissions
        pages = Starlette(routes=[*routes, Route("/{path:path}", self._answer)])
        self._sign_in = SignIn(pages, desk, Hosts.of(names), prefix)
        self._names = {*LOOPBACK, host, *(found.name for name in names if (found := authority(name)))}
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self._socket.listen()
        self.server_name, self.server_port = self._socket.getsockname()[:2]
        config = uvicorn.Config(
            self._addressed,
            interface="asgi3",
            http=DeadlineProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=list(HEADERS.items()),
            timeout_graceful_shutdown=SECONDS_TO_FINISH,
            **tls.for_uvicorn,
        )
        self._server = uvicorn.Server(config)

    def serve(self) -> None:
        """Answers until `stop` is called."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        self._server.should_exit = True

    def is_addressed_by(self, host: str | None) -> bool:
        """Whether a request with this `Host` header is meant for this server; browsers always send one."""
        found = authority(host)
        return host is None or (found is not None and found.name in self._names)

    async def _addressed(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.is_addressed_by(Headers(scope=scope).get("host")):
            await self._sign_in(scope, receive, send)
        else:
            await _refused(HTTPStatus.MISDIRECTED_REQUEST)(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        person, use_case = request.scope[PERSON], request.path_params["path"].partition("/")[0] or None
        known = self._permissions() if self._desk.required else None
        if known and not known.may(person, "see", use_case):
            client = request.client.host if request.client else ""
            self._desk.note_refusal(Refused("", why="no role in which reports are read", person=person), client)
            return _refused(HTTPStatus.FORBIDDEN)
        try:
            path = request.scope["raw_path"].decode("latin-1")
            roles = partial(_roles, known, person) if known else None
            page = self.portal.page(path, roles) or self.reports.page(path)
        except CorruptVersion as error:
            LOG.warning(str(error))
            return _refused(HTTPStatus.INTERNAL_SERVER_ERROR)
        except Exception as error:  # whatever an object store raises; the client is told, the server goes on
            LOG.warning(f"the lake cannot be read: {type(error).__name__}")
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE)
        if page is None:
            return _refused(HTTPStatus.NOT_FOUND)
        return Response(page.content, media_type=page.kind, headers={EMBEDDING: page.shown_by})


def _roles(known: Permissions, person: Person, use_case: str) -> set[str]:
    """Roles of a person in a use case, those in the whole installation among them."""
    return {*known.roles(person), *known.roles(person, use_case)}


def _refused(status: HTTPStatus) -> Response:
    return PlainTextResponse(f"{WORDS[status]}\n", status, {EMBEDDING: "same-origin"})


@contextmanager
def report_server(
    environment: Environment,
    host: str,
    port: int,
    tls: Tls | None = None,
    noting: Noting = unnoted,
    acting: Acting | None = None,
) -> Iterator[ReportServer]:
    """Serves the reports of an installation in a thread while the block runs.

    Args:
        noting: is told of logins and refusals.
        acting: pages where people act; None: there are none.

    Raises:
        ConfigError: the address cannot be listened on, or a setting of the sign-in is wrong.
        StateDamaged: users or tokens cannot be read.
    """
    lake, load = open_lake(environment), partial(use_cases_of, environment)
    address = urlsplit(environment.reports_url)
    names = [address.netloc.rpartition("@")[2], *environment.web_hosts]
    desk, permissions = Desk(environment, noting), CurrentPermissions(lambda: environment)
    try:
        portal, reports = Portal(lake, load), Reports(lake, load)
        of = (environment, lake, desk, permissions, Hosts.of(names), address.path)
        routes = portal_actions(*of, acting) if acting else []
        server = ReportServer(portal, reports, host, port, names, desk, permissions, tls or Tls(), address.path, routes)
    except (OSError, OverflowError) as error:
        reason = error.strerror or type(error).__name__ if isinstance(error, OSError) else "no port has this number"
        remedy = "Choose another: ft ui --reports-port, ft reports --port, or FT_REPORTS_URL"
        raise ConfigError([f"reports cannot be served on {host}, port {port}: {reason}"], remedy) from None
    thread = threading.Thread(target=server.serve, name="reports", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
