"""Dagster's web server behind the guard: `python -m ft_platform.web.dagster_webserver` takes the words of
`dagster-webserver`.

`RedactingInstance` (`instance_class` in dagster.yaml) puts the same guard before the web server that `dagster dev`, `dg
dev` and `dagster-webserver` start."""

import sys

from ft_platform.errors import ConfigError, FtError
from ft_platform.settings.environment import Environment
from ft_platform.settings.hosts import Hosts

GUARDED = "_ft_guarded"


def guard_webserver(environment: Environment) -> None:
    """Every web application that Dagster's web server makes in this process from now on stands behind the guard.

    Raises:
        ConfigError: this version of Dagster has no place for it: then no web server may start.
    """
    import uvicorn.config
    from dagster_webserver.webserver import DagsterWebserver
    from starlette.middleware import Middleware

    from ft_platform.web.deadlines import DeadlineProtocol
    from ft_platform.web.guard import Guard

    if getattr(DagsterWebserver, GUARDED, False):
        return
    build = vars(DagsterWebserver).get("build_middleware")
    if build is None or "auto" not in uvicorn.config.HTTP_PROTOCOLS:
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
