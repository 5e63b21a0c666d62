"""An installation with its web application behind the sign-in."""

import time
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from ft_platform.people.identity.desk import Desk
from ft_platform.people.noted import Noted
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.hosts import Hosts
from ft_platform.use_case.settings.sign_in import SignIn as Settings
from ft_platform.web.guard import Guard
from ft_platform.web.sign_in import SignIn
from ft_platform_tests.web.visitor import Visitor, echo

ANA, PHRASE = "ana@example.org", "correct horse battery staple"
OWN = {"email": ANA, "password": PHRASE}
NAMED = "ml.example.org"
SAYS = {"x-forwarded-email": ANA, "x-forwarded-groups": "claims"}
HOSTS = Hosts.of([NAMED, "other.example.org"])


class Site:
    """An installation with its web application.

    Attributes:
        noted: what the audit log was told.
        now: seconds since 1970; they pass when a test says so.
    """

    def __init__(self, folder: Path, prefix: str = "", **settings: Any) -> None:
        self.environment = Environment(home=folder, tracking_uri="none", sign_in=Settings.model_validate(settings))
        self.noted: list[Noted] = []
        self.prefix, self.now = prefix, time.time()
        self.restart()

    def restart(self) -> None:
        self.desk = Desk(self.environment, self.noted.append, lambda: self.now)
        self.app: ASGIApp = Guard(SignIn(echo, self.desk, HOSTS, self.prefix), HOSTS, self.prefix)

    def visitor(self, *arguments: str, **more: str) -> Visitor:
        return Visitor(self.app, *arguments, **more)

    def signed_in(self) -> Visitor:
        visitor = self.visitor()
        assert visitor.send("/auth/sign-in", OWN).status == 303
        return visitor

    def said(self, kind: str = "login") -> list[tuple[str, str, str]]:
        """Who, what and why of the notes of one kind."""
        return [(one.person.name, one.what, one.details.get("why", "")) for one in self.noted if one.kind == kind]


OUTSIDE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\x00//evil.example",
    "javascript:alert(1)",
    "evil.example",
    "http:evil.example",
    "/é",
    "",
    "/auth/sign-out",
    "/auth/../auth/sign-in",
]
"""Where nobody who signs in may be sent."""
