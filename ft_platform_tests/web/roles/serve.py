"""Dagster's web server as `ft ui` starts it, with the persons of these tests: `python -m
ft_platform_tests.web.roles.serve` takes the words of `dagster-webserver`."""

from ft_platform.use_case.environment import load_environment
from ft_platform.web.dagster_webserver import guard_webserver
from ft_platform.web.roles.rules import Rules
from ft_platform.web.roles.webserver import RoleWebserver
from ft_platform_tests.web.roles.world import PERMISSIONS, SigningIn


def main() -> None:
    from dagster_webserver.cli import main as dagster_main
    from starlette.middleware import Middleware

    build = RoleWebserver.build_middleware
    # Behind the guard and the sign-in, before the roles.
    RoleWebserver.build_middleware = lambda self: [*build(self)[:-1], Middleware(SigningIn), build(self)[-1]]
    guard_webserver(load_environment(), rules=Rules(lambda: PERMISSIONS))
    dagster_main()


if __name__ == "__main__":
    main()
