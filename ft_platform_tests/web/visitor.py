"""A browser without a window or scripts: it keeps cookies, and fills in the forms of pages."""

import asyncio
import json
import re
from http.cookies import SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ft_platform_tests.web.asgi import PATIENCE_SECONDS, scope

TOKEN = re.compile(r'name="token" value="(\w*)"')


class Page(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def goes_to(self) -> str:
        return self.headers.get("location", "")

    @property
    def said(self) -> str:
        found = re.search(r'role="alert">(.*?)<', self.text)
        return found[1] if found else ""


class Visitor:
    """Attributes:
    cookies: name -> value, as the browser keeps them.
    set: the last `Set-Cookie` headers, whole.
    raw: path as it is sent, where it is not what it means.
    """

    def __init__(
        self, app: Any, client: str = "127.0.0.1", server: str = "127.0.0.1:3000", scheme: str = "http"
    ) -> None:
        self.app, self.client, self.server, self.scheme = app, client, server, scheme
        self.cookies: dict[str, str] = {}
        self.set: list[str] = []
        self.raw = ""

    def get(self, path: str, **headers: str) -> Page:
        return self.request("GET", path, {"accept": "text/html", "sec-fetch-mode": "navigate", **headers})

    def send(self, path: str, fields: dict[str, str], token: str | None = None, **headers: str) -> Page:
        """Opens the page of a form and sends it; `token` in place of its own."""
        found = TOKEN.search(self.get(path).text)
        own = found[1] if found else ""
        return self.post(path, {"token": own if token is None else token, **fields}, **headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        kind = {"content-type": "application/x-www-form-urlencoded", "origin": f"{self.scheme}://{self.server}"}
        kind["accept"] = "text/html"
        return self.request("POST", path, {**kind, **headers}, urlencode(fields).encode())

    def request(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Page:
        sent: list[dict[str, Any]] = []
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def run() -> None:
            async def receive() -> dict[str, Any]:
                return waiting.pop(0) if waiting else await asyncio.Future()

            async def send(message: Any) -> None:
                sent.append(message)

            await asyncio.wait_for(
                self.app(self._scope("http", method, path, headers), receive, send), PATIENCE_SECONDS
            )

        asyncio.run(run())
        start = next(message for message in sent if message["type"] == "http.response.start")
        raw = [(name.decode(), value.decode("latin1")) for name, value in start["headers"]]
        self.set = [value for name, value in raw if name == "set-cookie"]
        for line in self.set:
            for name, morsel in SimpleCookie(line).items():
                self.cookies.pop(name, None) if morsel["max-age"] == "0" else self.cookies.update({name: morsel.value})
        text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
        return Page(start["status"], {name: value for name, value in raw if name != "set-cookie"}, text)

    def websocket(self, **headers: str) -> list[dict[str, Any]]:
        """What the application sends to a websocket that says nothing and is closed."""
        sent: list[dict[str, Any]] = []
        waiting = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]

        async def run() -> None:
            async def receive() -> dict[str, Any]:
                return waiting.pop(0)

            async def send(message: Any) -> None:
                sent.append(message)

            await self.app(self._scope("websocket", "GET", "/graphql", headers), receive, send)

        asyncio.run(run())
        return sent

    def _scope(self, kind: str, method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
        pairs = [("host", self.server), *headers.items()]
        if self.cookies:
            pairs.append(("cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        scheme = {"http": "ws", "https": "wss"}[self.scheme] if kind == "websocket" else self.scheme
        own = {} if kind == "websocket" else {"method": method}
        more = {"scheme": scheme, "client": (self.client, 5000), "subprotocols": ["graphql-ws"], **own}
        if self.raw:
            more["raw_path"] = self.raw.encode()
        return {**scope(kind, path, pairs), **more}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with who asks."""
    person = scope["ft_person"]
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": person.name})
        await receive()
        return
    body = json.dumps({"name": person.name, "by": person.known_by, "groups": sorted(person.groups)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
