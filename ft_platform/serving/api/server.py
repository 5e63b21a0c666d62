"""The application behind a socket: uvicorn with bounds on what a connection may hold."""

import resource
import socket
import ssl
from asyncio import TimerHandle
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn

from ft_platform.errors import ConfigError, FtError
from ft_platform.serving.api.deadlines import DeadlineProtocol
from ft_platform.serving.api.errors import ApiError, json_bytes
from ft_platform.serving.api.guard import Guard
from ft_platform.serving.api.limits import Limits

IDLE_SECONDS = 30
"""An open connection without a request; clients keep theirs for the next one."""
SECONDS_TO_FINISH = 10
"""Answers that are under way when the server stops get this long."""
FILES = 8192
"""Connections that may be open at once, as far as the account may; 1,024 are usual, and 600 half-open ones would be
more than half of them."""


def head_too_large(limits: Limits) -> bytes:
    """An answer before there is a request to answer."""
    body = json_bytes(ApiError(431, f"the head has more than {limits.head_bytes} bytes", "headers_too_large").body)
    head = "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def protocol(limits: Limits) -> type[DeadlineProtocol]:
    """The protocol of one connection."""

    class PatientProtocol(DeadlineProtocol):
        """Closes a connection whose head has no end, and one that takes nothing of what is sent to it: uvicorn's
        parser keeps heads of any length, and a transport that is closed waits for its client for ever."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._head_bytes = 0
            self._taken: TimerHandle | None = None

        def data_received(self, data: bytes) -> None:
            cycle = self.cycle
            # What comes after a body and before its answer has ended belongs to a next request.
            early = cycle is not None and not cycle.more_body and not cycle.response_complete
            super().data_received(data)
            self._head_bytes = self._head_bytes + len(data) if early or self._deadline is not None else 0
            if self._head_bytes > limits.head_bytes:
                if not early:
                    self.transport.write(head_too_large(limits))
                self.transport.close()
                self._give_up()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            self._give_up()

        def _give_up(self) -> None:
            """A closed transport waits until its client has taken everything."""
            self.loop.call_later(limits.write_seconds, self.transport.abort)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._taken = self.loop.call_later(limits.write_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._taken is not None:
                self._taken.cancel()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._taken is not None:
                self._taken.cancel()
            super().connection_lost(exc)

    return PatientProtocol


class ApiServer:
    """Listens from its creation on; `serve` answers.

    Args:
        host, port: address to listen on; port 0: any free one.
        certificate, key: files in PEM form, for TLS.

    Raises:
        ConfigError: the address cannot be listened on, or the certificate cannot be used.
    """

    def __init__(
        self,
        app: Guard,
        host: str,
        port: int,
        certificate: Path | None = None,
        key: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        limits, self.app = limits or Limits(), app
        config = uvicorn.Config(
            app,
            http=protocol(limits),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            headers=[("Server", "ft-serve")],
            h11_max_incomplete_event_size=limits.head_bytes,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=SECONDS_TO_FINISH,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            problem = f"the certificate cannot be used: {type(error).__name__}"
            raise ConfigError([problem], "Check the files of --certificate and --key") from None
        self._server = uvicorn.Server(config)
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(2048)
        except (OSError, OverflowError) as error:
            self._socket.close()
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "no port has this number"
            raise ConfigError(
                [f"models cannot be served on {host}, port {port}: {reason}"], "Choose another: --host, --port"
            ) from None
        self.host, self.port = self._socket.getsockname()[:2]
        self.scheme = "https" if certificate else "http"

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def serve(self) -> None:
        """Answers until `stop` is called, or the process is asked to stop.

        Raises:
            FtError: the engine did not start.
        """
        with suppress(OSError, ValueError):
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        self._server.run(sockets=[self._socket])
        if not self._server.started:
            raise FtError("the engine did not start", "The lines above say why")

    @property
    def started(self) -> bool:
        return self._server.started

    def stop(self) -> None:
        self._server.should_exit = True
