"""A deadline for the head of each request: uvicorn has none, and 600 connections that said nothing stopped the service
for as long as they were held."""

from asyncio import TimerHandle, Transport
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as AutoHTTPProtocol
else:  # one of two classes, by what is installed
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_SECONDS = 10
"""From the first byte of a connection, or of its next request, until the end of the headers."""


class DeadlineProtocol(AutoHTTPProtocol):
    """uvicorn's own protocol; a connection whose request does not get to the end of its headers is closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if self._deadline is None and (before is None or before.response_complete):
            self._start()
        super().data_received(data)
        if self.cycle is not before:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        # After its handshake a websocket has another protocol on the same transport.
        if self.transport.get_protocol() is self:
            self.transport.close()
