"""Dagster's web application, which does for a person what their roles allow."""

from collections.abc import Callable, Sequence
from typing import Any

from dagster_webserver.webserver import DagsterWebserver
from graphene import Schema
from graphql import GraphQLError
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from ft_platform.web.portal import PortalApp, portal_routes
from ft_platform.web.roles.answers import Answers, as_response
from ft_platform.web.roles.context import RoleContext
from ft_platform.web.roles.paths import PathsByRole
from ft_platform.web.roles.rules import Rules
from ft_platform.web.roles.schema import Refused, guard_schema

OK, BAD_REQUEST, FORBIDDEN = 200, 400, 403
NO_ERRORS = b"}}"
"""End of an answer that has data, and after it no list of errors."""


class RoleWebserver(DagsterWebserver):
    """What signs persons in comes before it, and puts the person into the scope of each request (`person.PERSON`).

    Args:
        rules: who may do what.
        portal: path that browsers see in front of all pages -> what answers below `/portal/`.
    """

    def __init__(self, *args: Any, rules: Rules, portal: Callable[[str], PortalApp], **kwargs: Any) -> None:
        self.rules, self.portal, self.answers = rules, portal, Answers()
        super().__init__(*args, **kwargs)

    def build_graphql_schema(self) -> Schema:
        schema = super().build_graphql_schema()
        guard_schema(schema.graphql_schema)
        return schema

    def _make_request_context(self, conn: HTTPConnection) -> RoleContext:
        return RoleContext.of(super()._make_request_context(conn), conn, self.rules)

    async def gen_graphql_response(
        self,
        request_context: RoleContext,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
    ) -> Any:
        judge = request_context.judge
        about = self.answers.about(request_context, query, variables, operation_name)
        if about and (packed := self.answers.kept(about, judge)):
            return as_response(packed, request_context.accepted)
        made = await super().gen_graphql_response(request_context, query, variables, operation_name)
        whole = about and made.status_code == OK and bytes(made.body).endswith(NO_ERRORS)
        # A sensor that was switched meanwhile, and back later, would be told as it was in between.
        if about and whole and about == self.answers.about(request_context, query, variables, operation_name):
            self.answers.keep(about, judge, bytes(made.body))
        return made

    def build_routes(self) -> list[BaseRoute]:
        prefix = self._app_path_prefix
        return [*portal_routes(self.portal(prefix), prefix), *super().build_routes()]

    def build_middleware(self) -> list[Middleware]:
        context, prefix = self._make_request_context, self._app_path_prefix
        return [*super().build_middleware(), Middleware(PathsByRole, context=context, prefix=prefix)]

    def handle_graphql_errors(self, errors: Sequence[GraphQLError]) -> list[Any]:
        """Without the texts and traces of exceptions, which may quote logs: they stand in this server's own log."""
        made = super().handle_graphql_errors(errors)
        for error, shown in zip(errors, made, strict=True) if self.rules.signs_in else ():
            shown.get("extensions", {}).pop("errorInfo", None)
            if error.original_error and not isinstance(error.original_error, Refused | GraphQLError):
                shown["message"] = f"{type(error.original_error).__name__}; the log of the web server says more"
        return made

    def _determine_status_code(
        self, resolver_errors: list[GraphQLError] | None, captured_errors: list[Exception]
    ) -> int:
        if any(isinstance(error.original_error, Refused) for error in resolver_errors or ()):
            return FORBIDDEN
        if resolver_errors and all(isinstance(error.original_error, GraphQLError) for error in resolver_errors):
            return BAD_REQUEST
        return super()._determine_status_code(resolver_errors, captured_errors)
