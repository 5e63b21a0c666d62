"""Who may ask for which path of Dagster's web server: ASGI middleware."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ft_platform.people.actions import ACTIONS
from ft_platform.use_case.settings.environment import PORTAL
from ft_platform.web.roles.mutations import needs
from ft_platform.web.roles.reads import PAGE, PATHS
from ft_platform.web.visit import VISIT


class PathsByRole:
    """Answers what a person may not ask for, and hands on the rest.

    Args:
        app: Dagster's web application.
        context: makes the context of a request (`context.RoleContext`).
        prefix: path under which Dagster's pages lie.
    """

    def __init__(self, app: ASGIApp, context: Callable[[HTTPConnection], Any], prefix: str = "") -> None:
        self.app, self.context, self.prefix = app, context, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None if scope["type"] == "lifespan" else await run_in_threadpool(self._refusal, scope)
        if refusal is None and scope["type"] == "http" and await run_in_threadpool(self._is_lost, scope):
            await RedirectResponse(f"{self.prefix}{PORTAL}/", 303, {"Cache-Control": "no-store"})(scope, receive, send)
        elif refusal is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            status, words = refusal
            await PlainTextResponse(f"{words}\n", status, {"Cache-Control": "no-store"})(scope, receive, send)

    def _is_lost(self, scope: Scope) -> bool:
        """Whether somebody without a role opens a page of Dagster's, which breaks in their browser. The portal says
        whom to ask."""
        visit, path = scope.get(VISIT), scope["path"].removeprefix(self.prefix)
        if visit is None or not visit.is_page_load or f"{path}/".startswith(f"{PORTAL}/"):
            return False
        judge = self.context(HTTPConnection(scope)).judge
        return judge.person is not None and not judge.may([("see", None)])

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        room, *parts = scope["path"].removeprefix(self.prefix).lstrip("/").split("/")
        path = PATHS.get(room.lower(), PAGE)
        context = self.context(HTTPConnection(scope))
        if context.judge.person is None:
            return HTTPStatus.UNAUTHORIZED, "sign in first"
        if room.lower() == "graphql" and not context.judge.is_known:
            return HTTPStatus.FORBIDDEN, "you have no role here: ask an administrator of this installation"
        if path.action is None:
            return None
        asked = needs(path.action, path.of(context, parts))
        if ruling := context.judge.may(asked):
            is_there = room.lower() != "download_debug" or context.instance.has_run("/".join(parts))
            return None if is_there else (HTTPStatus.NOT_FOUND, "there is no such run")
        context.judge.note("denial", f"may not {ACTIONS[path.action].says}", asked, path=room.lower())
        return HTTPStatus.FORBIDDEN, ruling.why
