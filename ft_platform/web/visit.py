"""A request as whoever signs people in sees it."""

from typing import NamedTuple

from starlette.requests import HTTPConnection
from starlette.responses import Response

VISIT = "ft_visit"
"""Key of an ASGI scope: the `Visit` of a person who has signed in."""


class Visit(NamedTuple):
    """A request as the desk sees it.

    Attributes:
        peer: address of the connection.
        client: address of the browser, as a trusted proxy says.
        is_encrypted: TLS here, or at the proxy.
        path: below the prefix.
        form: fields of the form.
    """

    connection: HTTPConnection
    peer: str
    client: str
    is_encrypted: bool
    path: str
    form: dict[str, str] = {}

    @property
    def session_id(self) -> str:
        return self.cookie("session")

    @property
    def method(self) -> str:
        return self.connection.scope.get("method", "GET")

    @property
    def wants_page(self) -> bool:
        """Whether a person sees the answer, not a script."""
        headers = self.connection.headers
        return "text/html" in headers.get("accept", "") and headers.get("sec-fetch-mode", "navigate") == "navigate"

    @property
    def is_page_load(self) -> bool:
        return self.wants_page and self.method in ("GET", "HEAD")

    def cookie_name(self, what: str) -> str:
        """With TLS a name that browsers let nobody set but this host, over TLS (RFC 6265bis, 4.1.3.2)."""
        return f"{'__Host-' if self.is_encrypted else ''}ft_{what}"

    def cookie(self, what: str) -> str:
        return self.connection.cookies.get(self.cookie_name(what), "")

    def set_cookie(self, response: Response, what: str, value: str, seconds: int | None = None) -> None:
        response.set_cookie(
            self.cookie_name(what), value, seconds, path="/", secure=self.is_encrypted, httponly=True, samesite="lax"
        )
