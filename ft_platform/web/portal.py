"""The pages of `reporting.portal` and `reporting.site` as a web application, for people with a role: below `/portal/`
in Dagster's, and alone on the report server.

Covered: only paths that these know are answered, as they were sent and never decoded; no script runs in a page. Not
covered: who asks (`web.sign_in`), and names of hosts, which the application in front checks.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ft_platform.errors import CorruptVersion, FtError
from ft_platform.lake.opening import open_lake
from ft_platform.people.actions import ACTIONS
from ft_platform.people.identity.refused import FAULT
from ft_platform.people.loading import environment_now
from ft_platform.process.hooks import place_of_error
from ft_platform.reporting.html import page
from ft_platform.reporting.published import Page
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import PORTAL, Environment
from ft_platform.web.portal_pages.pages import Portal
from ft_platform.web.portal_pages.site import BODY, Reports
from ft_platform.web.roles.rules import UNKNOWN, Judge, Need, Rules
from ft_platform.web.sign_in_pages import no_role_page
from ft_platform.web.visit import VISIT

LOG = logging.getLogger(__name__)

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
}
"""Of every answer."""
WORDS = {
    HTTPStatus.FORBIDDEN: "Only people with a role read reports: ft may.",
    HTTPStatus.NOT_FOUND: "There is no such report.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "This report is damaged: it is not what its manifest says. Materialize it again.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The lake cannot be read at the moment.",
}


class PortalApp:
    """ASGI application, without `HEADERS`.

    Args:
        rules: who may do what.
        routes: of what changes something; they come before the pages, which answer to every path.
        in_dagster: Dagster's pages lie one level above.

    Attributes:
        portal, reports: what is shown: pages over all use cases, and about one.
    """

    def __init__(
        self, environment: Environment, rules: Rules, routes: Sequence[BaseRoute] = (), *, in_dagster: bool = False
    ) -> None:
        lake = open_lake(environment)

        def load() -> Mapping[str, NamedUseCase]:
            return rules.permissions().use_cases

        people, packs = (lambda: rules.permissions().people), environment.home / "evidence"
        self.portal = Portal(lake, load, people, packs, environment_now(environment))
        self.reports = Reports(lake, load, in_dagster=in_dagster)
        self.rules, self.in_dagster = rules, in_dagster
        self._app = Starlette(routes=[*routes, Route("/{path:path}", self._answer)])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        judge, need = Judge(self.rules, self.rules.person(request.scope)), _need(request)
        ruling = judge.may([need])
        if ruling.why == UNKNOWN:
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, UNKNOWN)
        if not ruling:
            judge.note("denial", f"may not {ACTIONS['see'].says}", [need])
            return self._without_a_role(request, judge)
        try:
            path = request.scope["raw_path"].decode("latin-1").removeprefix(request.scope["root_path"])
            found = self.portal.page(path, self._roles(judge), request.url.query) or self.reports.page(path)
        except CorruptVersion as error:
            LOG.warning(str(error))
            return _refused(HTTPStatus.INTERNAL_SERVER_ERROR)
        except (FtError, OSError) as error:
            LOG.warning(f"the lake cannot be read: {error if isinstance(error, FtError) else place_of_error(error)}")
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE)
        except Exception as error:  # its text may quote a record; the client is told, the server goes on
            LOG.error(f"a page of the portal failed: {place_of_error(error)}")
            return _refused(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT)
        if found is None:
            return _refused(HTTPStatus.NOT_FOUND)
        content = self._with_top(found, path, judge) if found.kind == "text/html" else found.content
        return Response(content, media_type=found.kind, headers={EMBEDDING: found.shown_by})

    def _without_a_role(self, request: Request, judge: Judge) -> Response:
        visit, person = request.scope.get(VISIT), judge.person
        if person is None or visit is None or not visit.is_page_load:
            return _refused(HTTPStatus.FORBIDDEN)
        path = request.scope["path"].removeprefix(request.scope["root_path"])
        account = "../" * (path.count("/") - 1 + self.in_dagster) + "auth/account"
        who = [one for one in judge.permissions.people.having("administrator") if "@" in one]
        return HTMLResponse(no_role_page(person.name, account, who), HTTPStatus.FORBIDDEN, {EMBEDDING: "same-origin"})

    def _roles(self, judge: Judge) -> Callable[[str], set[str]] | None:
        """Use case -> roles in it of whoever asks, those in the whole installation among them."""
        person = judge.person
        if person is None or not self.rules.signs_in:
            return None
        known = judge.permissions
        return lambda use_case: {*known.roles(person), *known.roles(person, use_case)}

    def _with_top(self, found: Page, path: str, judge: Judge) -> bytes:
        """The page with who signed in, and the way to Dagster's pages."""
        around = "../" * (path.count("/") - 1 + self.in_dagster)
        person = judge.person.name if judge.person and self.rules.signs_in else ""
        top = page("portal_top.html", person=person, around=around, dagster=self.in_dagster)
        return found.content.replace(BODY, BODY + top.encode(), 1)


def _need(request: Request) -> Need:
    """To see the use case that the path begins with."""
    return "see", request.path_params["path"].partition("/")[0] or None


def _refused(status: HTTPStatus, words: str = "") -> Response:
    return PlainTextResponse(f"{words or WORDS[status]}\n", status, {EMBEDDING: "same-origin"})


def portal_routes(app: PortalApp, prefix: str) -> list[BaseRoute]:
    """For Dagster's web application, before its own: all its other paths are its page."""
    below = f"{prefix}{PORTAL}"
    return [Route(below, lambda _: RedirectResponse(f"{below}/")), Mount(below, _with_headers(app))]


def _with_headers(app: ASGIApp) -> ASGIApp:
    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await app(scope, receive, sent)

    return answered
