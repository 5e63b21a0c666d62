"""Dagster's web server with the portal, behind the guard: `python -m ft_platform.web.dagster_webserver` takes the words
of `dagster-webserver`.

`RedactingInstance` (`instance_class` in dagster.yaml) puts the same guard before the web server that `dagster dev`, `dg
dev` and `dagster-webserver` start."""

import sys
from functools import partial
from types import SimpleNamespace

from ft_platform.errors import ConfigError, FtError
from ft_platform.people.loading import CurrentPermissions, environment_now
from ft_platform.people.noted import Noting, unnoted
from ft_platform.use_case.settings.environment import PORTAL, Environment
from ft_platform.use_case.settings.hosts import Hosts
from ft_platform.web.roles.rules import Rules

GUARDED = "_ft_guarded"
NAME = "DagsterWebserver"
"""What Dagster's commands make their web application with."""


def guard_webserver(environment: Environment, noting: Noting = unnoted, rules: Rules | None = None) -> None:
    """Every web application that Dagster's web server makes in this process from now on stands behind the guard and the
    sign-in, does for a person what their roles allow, and speaks TLS where `ft ui` was given a certificate.

    Args:
        noting: is told of logins, of changes before they happen, and of refusals.
        rules: who may do what. None: what the files of the installation say.

    Raises:
        ConfigError: this version of Dagster has no place for it, or a setting is wrong: then no web server may start.
        StateDamaged: users or tokens cannot be read.
    """
    import dagster_webserver.app
    import uvicorn.config
    from dagster_webserver import cli
    from dagster_webserver.webserver import DagsterWebserver
    from starlette.middleware import Middleware

    from ft_platform.lake.opening import open_lake
    from ft_platform.people.identity.desk import Desk
    from ft_platform.serving.api.deadlines import DeadlineProtocol
    from ft_platform.web.acting import acting
    from ft_platform.web.guard import Guard
    from ft_platform.web.listening import Tls
    from ft_platform.web.portal import PortalApp
    from ft_platform.web.portal_actions import PortalActions
    from ft_platform.web.roles.webserver import RoleWebserver
    from ft_platform.web.sign_in import SignIn

    if getattr(DagsterWebserver, GUARDED, False):
        return
    build = vars(DagsterWebserver).get("build_middleware")
    places = hasattr(cli, "uvicorn") and hasattr(dagster_webserver.app, NAME)
    if build is None or not places or "auto" not in uvicorn.config.HTTP_PROTOCOLS:
        raise ConfigError(
            [
                "this version of dagster-webserver or uvicorn has no place for the guard, without which any web page"
                " could start runs"
            ],
            "Install the versions that ft-platform names",
        )
    hosts, desk, tls = Hosts.of(environment.web_hosts), Desk(environment, noting), Tls.of_variables()

    def build_middleware(self: DagsterWebserver) -> list[Middleware]:
        asked = {"hosts": hosts, "prefix": self._app_path_prefix}
        return [Middleware(Guard, **asked), Middleware(SignIn, desk=desk, **asked), *build(self)]

    DagsterWebserver.build_middleware = build_middleware
    by_role = rules or Rules(CurrentPermissions(environment_now(environment)), noting, lambda: desk.required)
    forms = acting(environment)

    def portal(prefix: str) -> PortalApp:
        of = (environment, open_lake(environment), desk, by_role.permissions, hosts, f"{prefix}{PORTAL}")
        return PortalApp(environment, by_role, PortalActions(*of, forms, "../auth/account").routes(), in_dagster=True)

    setattr(dagster_webserver.app, NAME, partial(RoleWebserver, rules=by_role, portal=portal))
    setattr(DagsterWebserver, GUARDED, True)
    # Without `proxy_headers=False` whoever connects from this machine could name any address as its own.
    run = partial(uvicorn.run, proxy_headers=False, **tls.for_uvicorn)
    setattr(cli, "uvicorn", SimpleNamespace(run=run))  # noqa: B010 - a module in Dagster's eyes
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{DeadlineProtocol.__module__}:{DeadlineProtocol.__name__}"


def main() -> None:
    """Runs until it is stopped."""
    from ft_platform.people.audit_log.once_needed import audit_log_once_needed
    from ft_platform.use_case.environment import load_environment

    try:
        environment = load_environment()
        guard_webserver(environment, audit_log_once_needed(environment))
    except FtError as error:
        raise SystemExit(f"ft ui: {' '.join(str(error).split())}") from None
    from dagster_webserver.cli import main as dagster_main

    dagster_main()


if __name__ == "__main__":
    sys.exit(main())
