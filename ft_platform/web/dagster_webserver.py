"""Dagster's web server behind the guard: `python -m ft_platform.web.dagster_webserver` takes the words of
`dagster-webserver`.

`RedactingInstance` (`instance_class` in dagster.yaml) puts the same guard before the web server that `dagster dev`, `dg
dev` and `dagster-webserver` start."""

import sys
from functools import partial

from ft_platform.errors import ConfigError, FtError
from ft_platform.people.loading import permissions_of
from ft_platform.settings.environment import Environment
from ft_platform.settings.hosts import Hosts
from ft_platform.web.roles.rules import Rules

GUARDED = "_ft_guarded"
NAME = "DagsterWebserver"
"""What Dagster's commands make their web application with."""


def guard_webserver(environment: Environment, rules: Rules | None = None) -> None:
    """Every web application that Dagster's web server makes in this process from now on stands behind the guard, and
    does for a person what `rules` allow.

    Args:
        rules: who may do what. None: nobody signs in, and whoever reaches the server may do everything.

    Raises:
        ConfigError: this version of Dagster has no place for it: then no web server may start.
    """
    import dagster_webserver.app
    import uvicorn.config
    from dagster_webserver.webserver import DagsterWebserver
    from starlette.middleware import Middleware

    from ft_platform.web.deadlines import DeadlineProtocol
    from ft_platform.web.guard import Guard
    from ft_platform.web.roles.webserver import RoleWebserver

    if getattr(DagsterWebserver, GUARDED, False):
        return
    build = vars(DagsterWebserver).get("build_middleware")
    if build is None or not hasattr(dagster_webserver.app, NAME) or "auto" not in uvicorn.config.HTTP_PROTOCOLS:
        raise ConfigError(
            [
                "this version of dagster-webserver or uvicorn has no place for the guard, without which any web page"
                " could start runs"
            ],
            "Install the versions that ft-platform names",
        )
    hosts = Hosts.of(environment.web_hosts)

    def build_middleware(self: DagsterWebserver) -> list[Middleware]:
        return [Middleware(Guard, hosts=hosts, prefix=self._app_path_prefix), *build(self)]

    DagsterWebserver.build_middleware = build_middleware
    by_role = rules or Rules(lambda: permissions_of(environment), signs_in=False)
    setattr(dagster_webserver.app, NAME, partial(RoleWebserver, rules=by_role))
    setattr(DagsterWebserver, GUARDED, True)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{DeadlineProtocol.__module__}:{DeadlineProtocol.__name__}"


def main() -> None:
    """Runs until it is stopped."""
    from ft_platform.environment import load_environment

    try:
        guard_webserver(load_environment())
    except FtError as error:
        raise SystemExit(f"ft ui: {' '.join(str(error).split())}") from None
    from dagster_webserver.cli import main as dagster_main

    dagster_main()


if __name__ == "__main__":
    sys.exit(main())
