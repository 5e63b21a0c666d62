"""The ASGI application: routes behind the guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ft_platform.serving.api.errors import ApiError
from ft_platform.serving.api.guard import Guard
from ft_platform.serving.api.limits import Limits
from ft_platform.serving.api.metrics import Metrics
from ft_platform.serving.api.noting import NoNotes, Notes
from ft_platform.serving.api.rollouts import Rollouts, Stop
from ft_platform.serving.api.routes import Routes
from ft_platform.serving.api.services import Services, exchange_of
from ft_platform.serving.api.shadows import Shadows
from ft_platform.serving.api_keys import ApiKeys
from ft_platform.serving.catalog import Catalog, Shelf
from ft_platform.serving.protocol import Engine
from ft_platform.use_case.settings.hosts import Hosts

WORDS = {
    404: ("there is nothing at this path", "not_found"),
    405: ("this method is not for this path", "method_not_allowed"),
}


def build_app(
    engine: Engine,
    catalog: Catalog,
    keys: ApiKeys,
    notes: Notes | None = None,
    limits: Limits | None = None,
    hosts: Hosts | None = None,
    stop: Stop = lambda use_case, rollout, why: None,
    home: Response | None = None,
) -> Guard:
    """The application; while it runs, the engine does, and the models of the catalog are loaded.

    Args:
        notes: where requests, answers and feedback are noted. Default: nowhere.
        hosts: names by which the server is addressed besides this machine's, where there are no keys.
        stop: notes that a candidate gets no more traffic. Default: only this server knows.
        home: what stands at `/`. Default: an empty page.
    """
    limits = limits or Limits()
    notes = notes or NoNotes()
    shelf, metrics = Shelf(catalog, engine), Metrics(engine.state, notes)
    rollouts = Rollouts(shelf, stop)
    services = Services(engine, shelf, keys, metrics, limits, notes)
    routes = Routes(services, rollouts, home or Response())
    paths = {
        "/": routes.home,
        "/v1/models": routes.models,
        "/v1/models/{name}": routes.one_model,
        "/health": routes.health,
        "/ready": routes.ready,
        "/metrics": routes.metrics,
        "/openapi.json": routes.openapi,
        "/docs": routes.docs,
    }
    posts = {
        "/v1/chat/completions": routes.chat,
        "/v1/completions": routes.completions,
        "/v1/classify": routes.classify,
        "/v1/feedback": routes.feedback,
    }

    @asynccontextmanager
    async def running(_app: Starlette) -> AsyncIterator[None]:
        engine.start()
        shelf.start()
        try:
            yield
        finally:
            shadows.stop()
            shelf.stop()
            engine.stop()

    app = Starlette(
        routes=[
            *(Route(path, answer, methods=["GET"]) for path, answer in paths.items()),
            *(Route(path, answer, methods=["POST"]) for path, answer in posts.items()),
        ],
        lifespan=running,
        exception_handlers={ApiError: _refused, HTTPException: _not_here, Exception: _failed},
    )
    app.router.redirect_slashes = False
    shadows = Shadows(app, notes, metrics, rollouts.ended)
    hosts = hosts or Hosts()
    return Guard(app, [*paths, *posts], keys, metrics, limits, hosts, notes, engine.refusal, rollouts, shadows)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    exchange_of(request).code = error.code
    return error.response()


def _not_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words, code = WORDS.get(error.status_code, ("the request cannot be answered", "invalid_request"))
    return _refused(request, ApiError(error.status_code, words, code))


def _failed(request: Request, _error: Exception) -> Response:
    """The guard says in the log where; Starlette hands the exception on to it."""
    message = f"the server failed; its log says where, under {exchange_of(request).id}"
    return _refused(request, ApiError(500, message, "internal_error"))
