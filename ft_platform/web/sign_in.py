"""Sign-in before any web application: who asks stands in the scope, or the request goes no further.

Covered: page loads without a session go to the sign-in page and come back, to this server only; other requests get 401,
websockets are closed, and those that are open end with their session; without TLS, or the proxy that terminates it,
nobody but this machine is answered. Where no way to sign in is set up, only this machine is. Not covered: what a person
may do, and names of hosts, which the application in front checks.
"""

import time
from collections.abc import Mapping
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ft_platform.people.identity.desk import Desk
from ft_platform.people.identity.proxy import SECRET_HEADER
from ft_platform.people.identity.refused import Refused
from ft_platform.people.person import PERSON, Person, at_this_machine
from ft_platform.use_case.settings.hosts import Hosts, is_loopback
from ft_platform.web.sign_in_pages import AUTH, Pages, refusal_page
from ft_platform.web.visit import VISIT, Visit

NOT_SIGNED_IN = 4401
"""Code that a websocket is closed with; 4000 to 4999 are for applications (RFC 6455, 7.4.2)."""
LOOK_SECONDS = 10
"""Between two looks at the session of an open websocket."""


class SignIn:
    """ASGI middleware.

    Args:
        app: sees only requests of people who have signed in, and who they are in `scope[PERSON]`, with their
            request in `scope[VISIT]`.
        desk: knows who is who.
        hosts: names that pages with forms may be addressed by.
        prefix: path that browsers see in front of the application's.
    """

    def __init__(self, app: ASGIApp, desk: Desk, hosts: Hosts, prefix: str = "") -> None:
        self.app, self.desk, self.prefix = app, desk, prefix.rstrip("/")
        self._pages = Pages(desk, hosts, self.prefix)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        visit = self._visit(HTTPConnection(scope))
        try:
            if not self._may_be_answered(visit):
                raise Refused(
                    "this server answers other machines over https only"
                    if self.desk.required
                    else "this server answers this machine only, until users can sign in",
                    why="a connection without TLS",
                )
            if scope["type"] == "http" and visit.path.startswith(AUTH) and self.desk.required:
                response = await self._pages.answer(visit, receive)
                await response(scope, receive, send)
                return
            person = await run_in_threadpool(self._person, visit)
        except Refused as refused:
            await run_in_threadpool(self.desk.note_refusal, refused, visit.client)
            await _refuse(refused, visit, scope, receive, send)
            return
        if person is None:
            await self._ask_to_sign_in(visit, scope, receive, send)
            return
        scope[PERSON], scope[VISIT] = person, visit
        if scope["type"] == "websocket":
            receive, send = self._watched(visit, receive, send)
        await self.app(scope, receive, send)

    def _visit(self, connection: HTTPConnection) -> Visit:
        peer = connection.client.host if connection.client else ""
        forwarded, secrets = (connection.headers.getlist(name) for name in ("x-forwarded-for", SECRET_HEADER))
        settings = self.desk.proxy.settings
        by_proxy = settings is not None and settings.tls and self.desk.proxy.sends(peer, secrets)
        path = connection.scope["path"]
        return Visit(
            connection,
            peer,
            self.desk.proxy.behind(peer, forwarded, secrets),
            connection.scope["scheme"] in ("https", "wss") or by_proxy,
            path.removeprefix(self.prefix) if path.startswith(f"{self.prefix}/") else path,
        )

    def _may_be_answered(self, visit: Visit) -> bool:
        return is_loopback(visit.peer) or (visit.is_encrypted and self.desk.required)

    def _person(self, visit: Visit, *, is_used: bool = True) -> Person | None:
        headers = visit.connection.headers.items()
        person = self.desk.recognise(headers, visit.session_id, visit.peer, is_used=is_used)
        return person or (None if self.desk.required else at_this_machine())

    async def _ask_to_sign_in(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _close(scope, receive, send)
        elif visit.is_page_load:
            path, query = (scope[name].decode("latin-1") for name in ("raw_path", "query_string"))
            own = path if path.startswith(f"{self.prefix}/") else f"{self.prefix}{path}"
            then = quote(f"{own}?{query}" if query else own, safe="")
            where = f"{self.prefix}{AUTH}sign-in?next={then}"
            headers = {"Cache-Control": "no-store"}
            await RedirectResponse(where, 303, headers)(scope, receive, send)
        else:
            await _json("sign in first", 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)

    def _watched(self, visit: Visit, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """A websocket that says nothing any more once the session of its person has ended."""
        looked_at, ended = time.monotonic(), False

        async def sent(message: Message) -> None:
            nonlocal looked_at, ended
            if not ended and time.monotonic() - looked_at > LOOK_SECONDS:
                looked_at = time.monotonic()
                try:
                    ended = await run_in_threadpool(self._person, visit, is_used=False) is None
                except Refused:
                    ended = True
                if ended:
                    await send({"type": "websocket.close", "code": NOT_SIGNED_IN})
            if not ended:
                await send(message)

        async def received() -> Message:
            message = await receive()
            return {"type": "websocket.disconnect", "code": NOT_SIGNED_IN} if ended else message

        return received, sent


async def _refuse(refused: Refused, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await _close(scope, receive, send)
        return
    headers = {"Retry-After": str(refused.wait)} if refused.wait else {}
    response = refusal_page(refused, headers) if visit.wants_page else _json(refused.words, refused.status, headers)
    await response(scope, receive, send)


def _json(words: str, status: int, headers: Mapping[str, str]) -> Response:
    return JSONResponse({"error": words}, status, {"Cache-Control": "no-store", **headers})


async def _close(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts and closes a websocket: before that, browsers do not see the code."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope.get("subprotocols", [])), None)})
    await send({"type": "websocket.close", "code": NOT_SIGNED_IN})
