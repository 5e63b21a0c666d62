"""The report server: the pages of `web.portal` over HTTP without Dagster's.

Covered: only requests by a name of this machine or the installation are answered, so that a web page which points its
own name here (DNS rebinding) reads nothing; people sign in as in Dagster's UI, and read reports if they have a role; a
client that does not finish its request is disconnected.
"""

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from ft_platform.errors import ConfigError
from ft_platform.lake.opening import open_lake
from ft_platform.people.identity.desk import Desk
from ft_platform.people.loading import CurrentPermissions, environment_now
from ft_platform.people.noted import Noting, unnoted
from ft_platform.serving.api.deadlines import DeadlineProtocol
from ft_platform.use_case.settings.environment import REPORTS_URL, Environment
from ft_platform.use_case.settings.hosts import LOOPBACK, Hosts, authority
from ft_platform.web.listening import Tls
from ft_platform.web.portal import EMBEDDING, HEADERS, PortalApp
from ft_platform.web.portal_actions import PortalActions
from ft_platform.web.portal_pages.asking import Acting
from ft_platform.web.roles.rules import Rules
from ft_platform.web.sign_in import SignIn

SECONDS_TO_FINISH = 3
"""An answer that is under way when the server stops gets this long."""

MISDIRECTED = "This server is addressed by another name: that in FT_REPORTS_URL, or one in FT_WEB_HOSTS.\n"


class ReportServer:
    """Listens from its creation on; `serve` answers GET and HEAD. Requests are not logged: their paths are whatever a
    client sends.

    Args:
        pages: what is served.
        host, port: address to listen on; port 0: any free one.
        names: by which it is addressed, besides `host` and this machine's own, with or without a port.
        desk: where people sign in.
        prefix: path that browsers see in front of the server's own.

    Raises:
        OSError: the address cannot be listened on.
        OverflowError: no port has this number.
    """

    def __init__(
        self,
        pages: PortalApp,
        host: str,
        port: int,
        names: Iterable[str],
        desk: Desk,
        tls: Tls,
        prefix: str,
    ) -> None:
        names = list(names)
        self.pages = pages
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
            headers=[*HEADERS.items(), ("Server", "ft-reports")],  # also of answers to what cannot be parsed
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
            headers = {EMBEDDING: "same-origin"}
            await PlainTextResponse(MISDIRECTED, HTTPStatus.MISDIRECTED_REQUEST, headers)(scope, receive, send)


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
    address = urlsplit(environment.reports_url if environment.reports_url != REPORTS_URL else "")
    names = [address.netloc.rpartition("@")[2], *environment.web_hosts]
    desk = Desk(environment, noting)
    rules = Rules(CurrentPermissions(environment_now(environment)), noting, lambda: desk.required)
    of = (environment, open_lake(environment), desk, rules.permissions, Hosts.of(names), address.path)
    pages = PortalApp(environment, rules, PortalActions(*of, acting).routes() if acting else [])
    try:
        server = ReportServer(pages, host, port, names, desk, tls or Tls(), address.path)
    except (OSError, OverflowError) as error:
        reason = error.strerror or type(error).__name__ if isinstance(error, OSError) else "no port has this number"
        remedy = "Choose another: ft reports --port <number>"
        raise ConfigError([f"reports cannot be served on {host}, port {port}: {reason}"], remedy) from None
    thread = threading.Thread(target=server.serve, name="reports", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
